package raycluster

import (
	"strings"
	"testing"
	"time"
)

// RC10 to RC13: a job makes the group grow from nothing and shrink to nothing again; no worker that holds something is killed, and the object says why.
func TestJobSizesTheGroup(t *testing.T) {
	in := install(t)
	job := in.submit(6_000)
	in.until("the group grows to four", func() bool { return in.cluster().Spec.Groups[0].Replicas == 4 })
	told := in.cluster().Metadata.Annotations["nightshift.dev/plan-spot"]
	if !strings.Contains(told, "->4: ") || len(told) < 20 {
		t.Errorf("the annotation says %q", told)
	}
	in.until("four workers work", func() bool { return in.working() == 4 })
	began := time.Now()
	if said, err := in.nightshift("watch", job); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	t.Logf("done after %s", time.Since(began))
	in.until("the group shrinks to nothing, and the list is empty", func() bool {
		group := in.cluster().Spec.Groups[0]
		return group.Replicas == 0 && len(group.ScaleStrategy.WorkersToDelete) == 0 && len(in.pods(t.Context())) == 0
	})
	if in.cut > 0 {
		t.Errorf("%d workers ran when their pods went", in.cut)
	}
	said, err := in.nightshift("results", job, "-o", "-")
	if lines := strings.Count(said, "\n"); err != nil || lines != 6_000 {
		t.Errorf("%d results, want 6000 (%v)", lines, err)
	}
	events := in.must("get", "events", "--field-selector", "reason=Resized", "-o", "jsonpath={range .items[*]}{.message}{\"\\n\"}{end}")
	if !strings.Contains(events, "->4: ") || !strings.Contains(events, "->0: ") {
		t.Errorf("the events are\n%s", events)
	}
}
