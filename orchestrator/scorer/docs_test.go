package scorer

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const page = "../../docs/scorer.md"

// snippets are the fenced blocks of the page in a language.
func snippets(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		found = append(found, match[1])
	}
	return found
}

// What the page shows of messages is JSON, and every type of message is shown.
func TestPageShowsMessages(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, snippet := range snippets(t, "json") {
		lines := strings.Split(strings.TrimSpace(snippet), "\n")
		for _, line := range lines {
			if !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %s", line)
			}
		}
		var header answer
		if err := json.Unmarshal([]byte(lines[0]), &struct {
			*answer
			Protocol any `json:"protocol"` // a list in hello
		}{answer: &header}); err != nil {
			t.Errorf("%s: %v", lines[0], err)
		}
		shown[header.Type] = true
		if header.Type == "result" && header.Encoding == encodingLines {
			checkShownResult(t, snippet, header)
		}
		if payload := snippet[len(lines[0])+1:]; header.Type == "batch" && int(*header.Bytes) != len(payload) {
			t.Errorf("%s has a payload of %d bytes", lines[0], len(payload))
		}
	}
	for _, kind := range []string{"hello", "ready", "fatal", "batch", "result", "error", "stop"} {
		if !shown[kind] {
			t.Errorf("%s is not shown", kind)
		}
	}
}

func checkShownResult(t *testing.T, snippet string, header answer) {
	t.Helper()
	if header.ErrorsBytes > 0 {
		snippet = strings.TrimSuffix(snippet, "\n")
	}
	if _, err := readMessage(snippet, header.Rows); err != nil {
		t.Errorf("%s: %v", snippet, err)
	}
}

// The cases are numbered without gap, and the comments of the package name none that is not there.
func TestPageNumbersItsCases(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for i, match := range regexp.MustCompile(`\*\*Case (\d+): `).FindAllStringSubmatch(string(text), -1) {
		number, _ := strconv.Atoi(match[1])
		if numbers = append(numbers, number); number != i+1 {
			t.Errorf("case %d stands in place %d", number, i+1)
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`\bcases? (\d+)\b`).FindAllStringSubmatch(string(text), -1) {
			if number, _ := strconv.Atoi(match[1]); !slices.Contains(numbers, number) {
				t.Errorf("%s names case %d", source, number)
			}
		}
	}
}

func TestPageLinksToFiles(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\((\.\./[^)]*)\)`).FindAllStringSubmatch(string(text), -1)
	if len(links) < 2 {
		t.Errorf("links: %v", links)
	}
	for _, link := range links {
		if _, err := os.Stat(filepath.Join(filepath.Dir(page), link[1])); err != nil {
			t.Errorf("link %s: %v", link[1], err)
		}
	}
}

// The examples, and the class on the page, score the same rows.
func TestExamples(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]func(*testing.T) Spec{
		"minimal.py": func(t *testing.T) Spec {
			return Spec{Command: []string{testPython(t), "../../examples/scorers/minimal.py"}}
		},
		"minimal/main.go": func(t *testing.T) Spec {
			program := filepath.Join(t.TempDir(), "minimal")
			build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../examples/scorers/minimal")
			if output, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			return Spec{Command: []string{program}}
		},
		"the class on the page": func(t *testing.T) Spec {
			dir := t.TempDir()
			source := snippets(t, "python")[0]
			if err := os.WriteFile(filepath.Join(dir, "fraud.py"), []byte(source), 0o600); err != nil {
				t.Fatal(err)
			}
			spec := hostSpec(t, testPython(t), "fraud:Model")
			spec.Command = append(spec.Command, "--path", dir)
			spec.Columns = map[string]string{"amount": "float64"}
			return spec
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkExample(t, start(t, spec(t)))
		})
	}
}

func checkExample(t *testing.T, p *Process) {
	t.Helper()
	batch := Lines([][]byte{
		[]byte(`{"id":"a","amount":100}`), []byte(`{"id":"b","amount":-1}`), []byte(`rubbish`), []byte(`{"id":"c","amount":100.0}`),
	})
	for range 3 {
		got, err := p.Score(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		failed := []int{}
		for _, failure := range got.Errors {
			failed = append(failed, failure.Row)
			if failure.Code == "" || failure.Message == "" {
				t.Errorf("an error without code or message: %+v", failure)
			}
		}
		want := []string{`{"id":"a","score":0.5}`, "", "", `{"id":"c","score":0.5}`}
		lines := texts(got.Lines)
		for i := range lines {
			lines[i] = strings.ReplaceAll(lines[i], " ", "")
		}
		if diff := cmp.Diff(want, lines); diff != "" || !slices.Equal(failed, []int{1, 2}) {
			t.Errorf("failed rows %v, lines (-want +got):\n%s", failed, diff)
		}
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestExamplesAreShort(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"minimal.py", "minimal/main.go"} {
		text, err := os.ReadFile("../../examples/scorers/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(string(text), "\n"); lines >= 80 {
			t.Errorf("%s has %d lines; it must stay below 80", name, lines)
		}
	}
}
