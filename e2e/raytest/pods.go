package raytest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Manifest is that of a RayCluster "scoring" for real pods, which run the Ray of the tests' virtual environment and see the shared folder at its own path. The caller's
// package stands in e2e. Without an environment the test is skipped.
func Manifest(t *testing.T, shared string) (file string) {
	t.Helper()
	python := interpreter(t)
	program, err := filepath.EvalSymlinks(python)
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Dir(filepath.Dir(program))
	if home == "/usr" {
		home = "/mnt" // it is there already, and one folder is not mounted twice
	}
	text, err := os.ReadFile(filepath.Join("..", "cluster", "testdata", "raycluster-real.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "raycluster.yaml")
	replaced := strings.NewReplacer("RAY_VENV", filepath.Dir(filepath.Dir(python)), "PYTHON_HOME", home, "SHARED", shared).Replace(string(text))
	if err := os.WriteFile(file, []byte(replaced), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
