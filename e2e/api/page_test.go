package api

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/orchestrator/api"
)

// block is a piece of code on the page. Its language may be followed by the name of a schema.
type block struct{ language, schema, text string }

var fence = regexp.MustCompile("(?ms)^```([a-z]+) ?([a-z-]*)\n(.*?)^```$")

func page(t *testing.T) (text string, blocks []block) {
	t.Helper()
	data, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range fence.FindAllStringSubmatch(string(data), -1) {
		blocks = append(blocks, block{found[1], found[2], found[3]})
	}
	return string(data), blocks
}

// the only block of a language that begins in a certain way.
func the(t *testing.T, language, begin string) string {
	t.Helper()
	_, blocks := page(t)
	var found []string
	for _, one := range blocks {
		if one.language == language && strings.HasPrefix(one.text, begin) {
			found = append(found, one.text)
		}
	}
	if len(found) != 1 {
		t.Fatalf("docs/api.md has %d blocks of %s that begin with %q, want 1", len(found), language, begin)
	}
	return found[0]
}

func TestPageShowsThePrograms(t *testing.T) {
	t.Parallel()
	for file, shown := range map[string]string{
		"go/main.go": the(t, "go", "// Command submit"), "python/submit.py": the(t, "python", `"""Asks`),
	} {
		program, err := os.ReadFile(filepath.Join("../../examples/submit", file))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(program), shown); diff != "" {
			t.Errorf("docs/api.md does not show examples/submit/%s as it is (-want +got):\n%s", file, diff)
		}
	}
}

func TestPageNamesEverything(t *testing.T) {
	t.Parallel()
	text, blocks := page(t)
	for _, code := range api.Codes {
		if row := fmt.Sprintf("\n| `%s` |", code); !strings.Contains(text, row) {
			t.Errorf("docs/api.md does not explain the code %s", code)
		}
	}
	files, err := filepath.Glob(schemas + "/*-request.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	for _, file := range files {
		if link := "](schemas/" + filepath.Base(file) + ")"; !strings.Contains(text, link) {
			t.Errorf("docs/api.md does not link %s", filepath.Base(file))
		}
	}
	checked := 0
	for _, one := range blocks {
		if one.language == "json" {
			conforms(t, one.schema, []byte(one.text))
			checked++
		}
	}
	if checked == 0 {
		t.Error("docs/api.md shows no JSON")
	}
}

// natsRequest takes subject, headers and payload out of a `nats req` line with its payload in single quotes.
func natsRequest(t *testing.T, command string) *nats.Msg {
	t.Helper()
	before, rest, _ := strings.Cut(command, "'")
	payload, after, closed := strings.Cut(rest, "'")
	words := strings.Fields(before)
	if !closed || strings.TrimSpace(after) != "" || len(words) < 3 || words[0] != "nats" || words[1] != "req" {
		t.Fatalf("not a nats req with a payload in single quotes at its end:\n%s", command)
	}
	message := nats.NewMsg(words[2])
	message.Data = []byte(payload)
	for i := 3; i < len(words); i++ {
		switch name, value, isHeader := strings.Cut(words[min(i+1, len(words)-1)], ":"); {
		case words[i] == "--raw" || words[i] == "\\":
		case words[i] == "-H" && isHeader:
			message.Header.Set(name, value)
			i++
		default:
			t.Fatalf("unknown word %q in\n%s", words[i], command)
		}
	}
	return message
}

// TestSubmitThreeTimes submits as the page shows it: with nats req, in Go and in Python. The key makes them one job.
func TestSubmitThreeTimes(t *testing.T) {
	in := running(t)
	message := natsRequest(t, the(t, "sh", "nats req nightshift.v1.default.jobs.submit"))
	submitted, err := send[api.SubmitResponse](t, in.conn, "jobs.submit", message)
	if err != nil {
		t.Fatal(err)
	}
	if trace := message.Header.Get("traceparent"); submitted.Job.TraceParent != trace || trace == "" {
		t.Errorf("traceparent = %q, want %q", submitted.Job.TraceParent, trace)
	}
	t.Run("go", func(t *testing.T) {
		binary := filepath.Join(t.TempDir(), "submit")
		if output, err := exec.Command("go", "build", "-o", binary, "nightshift.dev/nightshift/examples/submit/go").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		in.example(t, submitted.Job.ID, binary)
	})
	t.Run("python", func(t *testing.T) {
		python := os.Getenv("NIGHTSHIFT_TEST_PYTHON")
		if python == "" {
			t.Skip("NIGHTSHIFT_TEST_PYTHON is not set: it names a Python interpreter that has nats-py")
		}
		if exec.Command(python, "-c", "import nats").Run() != nil {
			t.Skipf("%s has no nats-py: pip install nats-py==2.16.0", python)
		}
		in.example(t, submitted.Job.ID, python, "../../examples/submit/python/submit.py")
	})
	if job := in.finish(t, "default", submitted.Job); job.Counts.RowsDone != 2 || job.State != "succeeded" {
		t.Errorf("job ended %s with %+v", job.State, job.Counts)
	}
}

// example runs a program of the page and expects the job that is there already.
func (in *installation) example(t *testing.T, id string, command ...string) {
	t.Helper()
	run := exec.CommandContext(t.Context(), command[0], command[1:]...)
	run.Env = append(os.Environ(), "NATS_URL="+in.url)
	output, err := run.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(output), id+" ") {
		t.Errorf("%s: %v, said %q, want job %s", command, err, output, id)
	}
}
