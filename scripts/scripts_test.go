// Package scripts holds no code of its own: its test runs the scripts' own tests.
package scripts

import (
	"os"
	"os/exec"
	"testing"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	python := os.Getenv("NIGHTSHIFT_TEST_PYTHON")
	if python == "" {
		python = "python3"
	}
	if _, err := exec.LookPath(python); err != nil {
		t.Skipf("%s is missing: the scripts are Python programs", python)
	}
	if text, err := exec.CommandContext(t.Context(), python, "-m", "unittest", "discover", "--verbose").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
