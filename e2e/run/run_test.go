package run

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	rows        = 100_000
	interrupted = 8 // runs that are interrupted, one after the other
	marker      = "NIGHTSHIFT_RUN_TEST"
)

// TestInterruptedRunResumes: Ctrl-C at any moment ends the script and everything it started; the next run resumes, and the results are those of an
// undisturbed run.
func TestInterruptedRunResumes(t *testing.T) {
	tree := newTree(t)
	began := time.Now()
	if code := tree.run(0); code != 0 {
		t.Fatalf("the first run ended with %d\n%s", code, tree.said())
	}
	whole := time.Since(began)
	want := tree.digest()

	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("NIGHTSHIFT_FAULT_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("seed %d (NIGHTSHIFT_FAULT_SEED)", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range interrupted {
		after := time.Duration(random.Int64N(int64(whole)))
		code := tree.run(after)
		starting := !strings.Contains(tree.said(), "\n== ") // Python itself still is, and ends in its own way
		if code != 130 && code != 0 && !starting {
			t.Fatalf("interrupted after %s, the script ended with %d, want 130\n%s", after, code, tree.said())
		}
		tree.nothingRuns(after)
	}
	if code := tree.run(0); code != 0 {
		t.Fatalf("the run after the interrupted ones ended with %d\n%s", code, tree.said())
	}
	tree.nothingRuns(0)
	if got := tree.digest(); got != want {
		t.Errorf("the results differ from those of the first run: %s, want %s", got, want)
	}
}

// TestInterruptWhilePreparing: Ctrl-C before there is an environment, or before there are data, ends the script with its one word and leaves no half of a
// file behind.
func TestInterruptWhilePreparing(t *testing.T) {
	for name, test := range map[string]struct {
		sign   string // below the example: there once the step is going on
		before func(x *tree, example string)
	}{
		"making the environment": {".venv/pyvenv.cfg", func(x *tree, example string) { x.must(os.RemoveAll(filepath.Join(example, ".venv"))) }},
		"drawing the data":       {"data", nil},
		"writing the data":       {"data/.transactions-*", nil},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTree(t)
			example := filepath.Join(x.dir, "examples", "fraud")
			if test.before != nil {
				test.before(x, example)
			}
			script := x.start()
			x.eventually(name, func() bool {
				found, err := filepath.Glob(filepath.Join(example, test.sign))
				return err == nil && len(found) > 0
			})
			interrupt(script)
			_ = script.Wait() // the code says it
			said := x.said()
			if code := script.ProcessState.ExitCode(); code != 130 || !strings.Contains(said, "\nstopped; make run resumes\n") || strings.Contains(said, "Traceback") ||
				strings.Contains(said, "KeyboardInterrupt") {
				t.Errorf("ended with %d, want 130 and one word\n%s", code, said)
			}
			x.nothingRuns(0)
			left, _ := os.ReadDir(filepath.Join(example, "data")) // it may not be there
			for _, file := range left {                           // the interrupt may have come just after the end: then they are whole
				content, err := os.ReadFile(filepath.Join(example, "data", file.Name()))
				if rows := bytes.Count(content, []byte("\n")); err != nil || strings.HasPrefix(file.Name(), ".") || rows != 100_000 {
					t.Errorf("left behind: %s with %d rows, %v", file.Name(), rows, err)
				}
			}
		})
	}
}

// tree is a copy of what `make run` needs.
type tree struct {
	*testing.T
	dir, id string
	python  string   // environment of the tests
	script  string   // empty: that of make run
	env     []string // of the script, besides
}

func newTree(t *testing.T) *tree {
	python := os.Getenv("NIGHTSHIFT_TEST_PYTHON")
	if python == "" {
		t.Skip("NIGHTSHIFT_TEST_PYTHON is missing: a Python with what examples/fraud/requirements.txt names (make test sets it)")
	}
	x := &tree{T: t, dir: t.TempDir(), id: strconv.Itoa(os.Getpid()) + "-" + t.Name()}
	x.must(os.CopyFS(filepath.Join(x.dir, "scripts"), os.DirFS("../../scripts")))
	x.python = filepath.Dir(filepath.Dir(python))
	x.addExample("fraud")
	program := os.Getenv("NIGHTSHIFT_TEST_PROGRAM")
	if program == "" {
		program = filepath.Join(t.TempDir(), "nightshift")
		if output, err := exec.Command("go", "build", "-o", program, "nightshift.dev/nightshift/cmd/nightshift").CombinedOutput(); err != nil {
			t.Fatalf("%s", output)
		}
	}
	x.must(os.Mkdir(filepath.Join(x.dir, "bin"), 0o750))
	x.must(os.Symlink(program, filepath.Join(x.dir, "bin", "nightshift")))
	t.Cleanup(x.endAll)
	return x
}

func (x *tree) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

// addExample copies an example without what earlier runs have made, and gives it an environment.
func (x *tree) addExample(example string) {
	x.Helper()
	from := filepath.Join("../../examples", example)
	x.must(filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		switch to := filepath.Join(x.dir, "examples", example, name); {
		case err != nil:
			return err
		case name == ".venv" || name == "data" || name == "out":
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(to, 0o750)
		default:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(to, data, 0o600)
		}
	}))
	x.linkEnvironment(filepath.Join(x.dir, "examples", example, ".venv"), x.python)
}

// linkEnvironment gives an example the environment of the tests, marked as what its requirements name.
func (x *tree) linkEnvironment(venv, environment string) {
	x.must(os.Mkdir(venv, 0o750))
	entries, err := os.ReadDir(environment)
	x.must(err)
	for _, entry := range entries {
		if entry.Name() != "ready" {
			x.must(os.Symlink(filepath.Join(environment, entry.Name()), filepath.Join(venv, entry.Name())))
		}
	}
	requirements, err := os.ReadFile(filepath.Join(filepath.Dir(venv), "requirements.txt"))
	x.must(err)
	x.must(os.WriteFile(filepath.Join(venv, "ready"), fmt.Appendf(nil, "%x", sha256.Sum256(requirements)), 0o600))
}

// run runs the script, interrupts it after a time unless that is 0, and gives its exit code.
func (x *tree) run(after time.Duration) int {
	x.Helper()
	script := x.start()
	late := time.AfterFunc(5*time.Minute, func() { _ = syscall.Kill(-script.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	if after > 0 {
		soon := time.AfterFunc(after, func() { interrupt(script) })
		defer soon.Stop()
	}
	_ = script.Wait() // the code says it
	return script.ProcessState.ExitCode()
}

// interrupt does what Ctrl-C in a terminal does.
func interrupt(script *exec.Cmd) { _ = syscall.Kill(-script.Process.Pid, syscall.SIGINT) }

// start starts the script in a process group of its own.
func (x *tree) start() *exec.Cmd {
	x.Helper()
	script := exec.Command("python3", cmp.Or(x.script, "scripts/run.py"))
	script.Dir = x.dir
	script.Env = append(os.Environ(), fmt.Sprintf("ROWS=%d", rows), "NIGHTSHIFT=bin/nightshift", marker+"="+x.id)
	script.Env = append(script.Env, x.env...)
	script.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said, err := os.Create(filepath.Join(x.dir, "said"))
	x.must(err)
	defer func() { _ = said.Close() }() // the child has its own descriptor
	script.Stdout, script.Stderr = said, said
	x.must(script.Start())
	return script
}

func (x *tree) said() string {
	data, err := os.ReadFile(filepath.Join(x.dir, "said"))
	x.must(err)
	log, _ := os.ReadFile(filepath.Join(x.dir, ".nightshift", "dev.log")) // there may be none yet
	return string(data) + "\n--- log of the service\n" + string(log)
}

// started are the processes that the script has started, however far down.
func (x *tree) started() map[int]string {
	found := map[int]string{}
	entries, err := os.ReadDir("/proc")
	x.must(err)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		environment, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		if err != nil || !strings.Contains(string(environment), marker+"="+x.id) {
			continue
		}
		command, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline")) // it may have ended
		found[pid] = strings.ReplaceAll(string(command), "\x00", " ")
	}
	return found
}

func (x *tree) nothingRuns(after time.Duration) {
	x.Helper()
	if left := x.started(); len(left) > 0 {
		x.Fatalf("after an interrupt at %s these still run: %v\n%s", after, left, x.said())
	}
}

func (x *tree) endAll() {
	for pid := range x.started() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
}

// digest is over the results of the last job that has a manifest, in the order of the input.
func (x *tree) digest() string {
	x.Helper()
	newest, at := "", time.Time{}
	manifests, err := filepath.Glob(filepath.Join(x.dir, "examples", "fraud", "out", "*", "manifest.json"))
	x.must(err)
	for _, path := range manifests {
		info, err := os.Stat(path)
		x.must(err)
		if info.ModTime().After(at) {
			newest, at = path, info.ModTime()
		}
	}
	var manifest struct {
		Parts []struct {
			Result *struct {
				URI string `json:"uri"`
			} `json:"result"`
		} `json:"parts"`
	}
	data, err := os.ReadFile(newest)
	x.must(err)
	x.must(json.Unmarshal(data, &manifest))
	sum, count := sha256.New(), 0
	for _, part := range manifest.Parts {
		if part.Result != nil {
			count += x.addPart(sum, strings.TrimPrefix(part.Result.URI, "file://"))
		}
	}
	return fmt.Sprintf("%d rows, %x", count, sum.Sum(nil))
}

func (x *tree) addPart(sum io.Writer, path string) (count int) {
	file, err := os.Open(path)
	x.must(err)
	defer func() { _ = file.Close() }() // only read
	for lines := bufio.NewScanner(file); lines.Scan(); count++ {
		fmt.Fprintf(sum, "%s\n", lines.Bytes())
	}
	return count
}
