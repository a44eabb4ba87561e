package scorer

import (
	"cmp"
	"os"
	"os/exec"
	"testing"

	"nightshift.dev/nightshift/raycluster/python"
)

// testPython is the interpreter for tests. A test that needs a module is skipped where it cannot be imported.
func testPython(t testing.TB, modules ...string) string {
	t.Helper()
	program, err := exec.LookPath(cmp.Or(os.Getenv("NIGHTSHIFT_TEST_PYTHON"), "python3"))
	if err != nil {
		t.Skipf("no Python: %v; set NIGHTSHIFT_TEST_PYTHON to an interpreter", err)
	}
	for _, module := range modules {
		if err := exec.CommandContext(t.Context(), program, "-c", "import "+module).Run(); err != nil {
			t.Skipf("%s cannot import %s; set NIGHTSHIFT_TEST_PYTHON to an interpreter that can", program, module)
		}
	}
	return program
}

// hostSpec is a spec that runs a class of testdata in the Python scorer host.
func hostSpec(t testing.TB, interpreter, target string) Spec {
	t.Helper()
	dir := t.TempDir()
	if err := python.Write(dir); err != nil {
		t.Fatal(err)
	}
	return Spec{
		Command: []string{interpreter, "-m", "nightshift_scorer", target, "--path", "testdata"},
		Env:     []string{"PYTHONPATH=" + dir, "PYTHONDONTWRITEBYTECODE=1"},
		Model:   "test",
	}
}
