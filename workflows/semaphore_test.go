package workflows

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
)

// AW10: never below 1.
func TestLimit(t *testing.T) {
	for staying, want := range map[int]int{0: 1, 1: 1, 7: 7} {
		if got := Limit(staying); got != want {
			t.Errorf("%d stay: %d, want %d", staying, got, want)
		}
	}
}

// AW10: a patch changes the key, and nothing else, and only where it is as it was read.
func TestPatchIsGuarded(t *testing.T) {
	const key = "gpu/a~b"
	for _, one := range []struct {
		what         string
		read         map[string]string
		others, want map[string]string // what is there by then, and what comes of it; nil: refused
	}{
		{"replaced", map[string]string{key: "3", "x": "1"}, map[string]string{key: "3", "x": "2"}, map[string]string{key: "5", "x": "2"}},
		{"somebody was quicker", map[string]string{key: "3"}, map[string]string{key: "4"}, nil},
		{"somebody has removed it", map[string]string{key: "3"}, map[string]string{"x": "1"}, nil},
		{"added", map[string]string{"x": "1"}, map[string]string{"x": "1"}, map[string]string{key: "5", "x": "1"}},
		{"somebody has added it", map[string]string{"x": "1"}, map[string]string{"x": "1", key: "9"}, nil},
		{"the first", nil, nil, map[string]string{key: "5"}},
		{"somebody was first", nil, map[string]string{"x": "1"}, nil},
		{"not a number", map[string]string{key: "many"}, map[string]string{key: "many"}, map[string]string{key: "5"}},
	} {
		patch, err := jsonpatch.DecodePatch(Patch(&corev1.ConfigMap{Data: one.read}, key, 5))
		if err != nil {
			t.Fatal(err)
		}
		before, err := json.Marshal(&corev1.ConfigMap{Data: one.others})
		if err != nil {
			t.Fatal(err)
		}
		after, err := patch.Apply(before)
		var got corev1.ConfigMap
		if err == nil {
			err = json.Unmarshal(after, &got)
		}
		if (err != nil) != (one.want == nil) || !maps.Equal(got.Data, one.want) {
			t.Errorf("%s: %v, %v", one.what, got.Data, err)
		}
	}
	if patch := Patch(&corev1.ConfigMap{Data: map[string]string{key: "5"}}, key, 5); patch != nil {
		t.Errorf("nothing to change: %s", patch)
	}
}

func holding(name, of string, phase wfv1.WorkflowPhase, holders ...string) *wfv1.Workflow {
	w := &wfv1.Workflow{}
	w.Name, w.Status.Phase = name, phase
	w.Status.Synchronization = &wfv1.SynchronizationStatus{Semaphore: &wfv1.SemaphoreStatus{Holding: []wfv1.SemaphoreHolding{{Semaphore: of, Holders: holders}}}}
	return w
}

// AW19: who holds a lock, and what is wrong with that.
func TestHoldersAgainstLimit(t *testing.T) {
	held := Holders([]*wfv1.Workflow{
		holding("one", lock, wfv1.WorkflowRunning, "a/one"), holding("steps", lock, wfv1.WorkflowRunning, "a/steps/1", "a/steps/2"),
		holding("other", "a/ConfigMap/pools/cpu", wfv1.WorkflowRunning, "a/other"), holding("ended", lock, wfv1.WorkflowFailed, "a/ended"), {},
	}, lock)
	if held != 3 || lockName("a", "pools", "gpu") != lock {
		t.Errorf("%d hold it", held)
	}
	now := time.Now()
	waits := func(taken bool, since time.Duration) []Runner {
		return []Runner{{Name: "gpu-0-1", Phase: PhaseWaiting, Taken: taken, Created: now.Add(-since)}}
	}
	for _, one := range []struct {
		what                    string
		runners                 []Runner
		holders, limit, leaving int
		want                    string
	}{
		{"all is well", []Runner{{Phase: PhaseRunning, Created: now.Add(-time.Hour)}}, 1, 1, 0, ""},
		{"it waits for others", waits(true, time.Hour), 3, 3, 0, ""},
		{"it has just come", waits(true, time.Second), 1, 3, 0, ""},
		{"it waits for nobody", waits(true, time.Minute), 1, 3, 0, "gpu-0-1 waits, and 2 of 3 locks are free"},
		{"nobody takes it", waits(false, time.Minute), 1, 3, 0, "no controller takes runner gpu-0-1"},
		{"some leave", nil, 5, 3, 2, ""},
		{"others hold more", nil, 6, 3, 2, "6 hold a semaphore of 3"},
	} {
		if got := trouble(one.runners, one.holders, one.limit, one.leaving, now); (got == "") != (one.want == "") || !strings.Contains(got, one.want) {
			t.Errorf("%s: %q, want %q", one.what, got, one.want)
		}
	}
}
