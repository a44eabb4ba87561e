package worker

import (
	"slices"
	"testing"

	"nightshift.dev/nightshift/orchestrator"
)

func TestOwnPythonPathStandsBehindTheModels(t *testing.T) { // RD15: the scorer host travels with the worker
	model := orchestrator.ModelSnapshot{Env: map[string]string{"PYTHONPATH": "/service/python", "OTHER": "1"}}
	for own, want := range map[string][]string{
		"":        {"OTHER=1", "PYTHONPATH=/service/python"},
		"/worker": {"OTHER=1", "PYTHONPATH=/service/python:/worker"},
	} {
		t.Setenv("PYTHONPATH", own)
		if got := specification(model, nil).Env; !slices.Equal(got, want) {
			t.Errorf("own path %q: %q, want %q", own, got, want)
		}
	}
}
