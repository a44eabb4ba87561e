// Package examples holds no code of its own: its test runs the examples' own tests.
package examples

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestExamples(t *testing.T) {
	python := os.Getenv("NIGHTSHIFT_TEST_PYTHON")
	if python == "" {
		python = "python3"
	}
	if _, err := exec.LookPath(python); err != nil {
		t.Skipf("%s is missing: the examples are Python programs", python)
	}
	for _, folder := range []string{"fraud", "forest", "embed"} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), python, "-m", "unittest", "discover", "--start-directory", folder, "--verbose")
			text, err := command.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, text)
			}
			for line := range strings.Lines(string(text)) {
				if strings.Contains(line, "skipped") {
					t.Log(strings.TrimSpace(line))
				}
			}
		})
	}
}
