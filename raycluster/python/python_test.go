package python

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	same, err := filepath.Glob("nightshift_scorer/*.py")
	if err != nil || len(same) < 5 {
		t.Fatalf("sources: %v, %v", same, err)
	}
	for _, name := range same {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, or another content", name, err)
		}
	}
	written, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(written) != len(same) {
		t.Errorf("the folder holds %v", written)
	}
}

func TestWriteLeavesTheSameContentAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	kept, changed := filepath.Join(dir, "nightshift_scorer/host.py"), filepath.Join(dir, "nightshift_scorer/load.py")
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(kept, old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(changed, []byte("tampered"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(kept); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("the same file was written again: %v, %v", info.ModTime(), err)
	}
	if content, err := os.ReadFile(changed); err != nil || string(content) == "tampered" {
		t.Errorf("the changed file was left: %v", err)
	}
}

func TestWriteSaysWhere(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(file); err == nil || !strings.HasPrefix(err.Error(), "write scorer host to "+file) {
		t.Errorf("got %v", err)
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	if digest := Digest(); len(digest) != 16 || digest != Digest() {
		t.Errorf("digest %q, then %q", digest, Digest())
	}
}

// The tests of the Python sources run as they are, and once more with nothing but the standard library.
func TestPythonSources(t *testing.T) {
	t.Parallel()
	interpreter, err := exec.LookPath(cmp.Or(os.Getenv("NIGHTSHIFT_TEST_PYTHON"), "python3"))
	if err != nil {
		t.Skipf("no Python: %v; set NIGHTSHIFT_TEST_PYTHON to an interpreter", err)
	}
	blocked := t.TempDir()
	for _, module := range []string{"numpy", "orjson", "pyarrow"} {
		text := []byte("raise ImportError('blocked for this test')\n")
		if err := os.WriteFile(filepath.Join(blocked, module+".py"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, path := range map[string]string{"with_what_is_there": "", "with_the_standard_library": blocked} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), interpreter, "-m", "unittest")
			command.Env = append(os.Environ(), "PYTHONPATH="+path, "PYTHONDONTWRITEBYTECODE=1")
			output, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			if summary := string(output); strings.Contains(summary, "skipped=") && path == "" {
				t.Logf("%s lacks numpy, orjson or pyarrow; set NIGHTSHIFT_TEST_PYTHON to one that has them:\n%s", interpreter, summary)
			}
		})
	}
}
