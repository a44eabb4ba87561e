// Package examples holds no code of its own: its tests run the examples' own tests, and check their documents.
package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	for _, folder := range []string{"fraud", "forest", "embed", "spot"} {
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

// TestDocuments: the documents of the examples are valid, as `nightshift validate` sees them.
func TestDocuments(t *testing.T) {
	t.Parallel()
	program := os.Getenv("NIGHTSHIFT_TEST_PROGRAM")
	if program == "" {
		program = filepath.Join(t.TempDir(), "nightshift")
		if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "nightshift.dev/nightshift/cmd/nightshift").CombinedOutput(); err != nil {
			t.Fatalf("%s", output)
		}
	}
	found, err := filepath.Glob("*/nightshift.yaml")
	if want := []string{"embed/nightshift.yaml", "forest/nightshift.yaml", "fraud/nightshift.yaml", "spot/nightshift.yaml"}; err != nil || !slices.Equal(found, want) {
		t.Fatalf("documents %v, %v, want %v", found, err, want)
	}
	for _, file := range found {
		text, err := exec.CommandContext(t.Context(), program, "validate", "-f", file).CombinedOutput()
		pools := "1 pool"
		if file == "spot/nightshift.yaml" {
			pools = "2 pools"
		}
		if want := "valid: 1 model, " + pools + ", 1 queue\n"; err != nil || string(text) != want {
			t.Errorf("%s: %v, %s, want %s", file, err, text, want)
		}
	}
}
