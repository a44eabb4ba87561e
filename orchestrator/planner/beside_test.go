package planner

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryCaseOfObservingIsShown holds docs/observe.md to its tests: each case has one.
func TestEveryCaseOfObservingIsShown(t *testing.T) {
	t.Parallel()
	number := regexp.MustCompile(`OB\d+`)
	var shown []string
	for _, one := range []string{
		"orchestrator/planner/testdata/plans/29_observed", "orchestrator/document/testdata/transcripts/observed.txt", "raycluster/watcher_test.go",
	} {
		shown = append(shown, number.FindAllString(read(t, "../../"+one), -1)...)
	}
	slices.Sort(shown)
	documented := number.FindAllString(read(t, "../../docs/observe.md"), -1)
	slices.Sort(documented)
	if diff := cmp.Diff(slices.Compact(documented), slices.Compact(shown)); diff != "" {
		t.Errorf("cases (-page +tests):\n%s", diff)
	}
}
