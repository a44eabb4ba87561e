package raycluster

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"nightshift.dev/nightshift/orchestrator"
)

// RC21: each phase of a start is measured once, of pods that became ready while somebody looked, and the last fifty count.
func TestPhasesOfStarts(t *testing.T) {
	const began = "2026-11-20T02:00:00Z"
	at, err := time.Parse(time.RFC3339, began)
	if err != nil {
		t.Fatal(err)
	}
	pod := func(name, ready string) string {
		return worker(name, "", `spec: {nodeName: n, containers: [{name: ray}, {name: side}]}
status: {conditions: [{type: PodScheduled, status: "True", lastTransitionTime: "2026-11-20T02:00:11Z"}, {type: Ready, status: "`+ready+`", lastTransitionTime: "2026-11-20T02:01:00Z"}],
  containerStatuses: [{name: side, state: {running: {startedAt: "2026-11-20T02:00:59Z"}}, image: i, imageID: i, ready: true, restartCount: 0}, {name: ray, state: {running: {startedAt: "2026-11-20T02:00:40Z"}}, image: i, imageID: i, ready: true, restartCount: 0}]}`)
	}
	s := newStarts(at)
	list := pods(t, pod("w1", "True"), pod("w3", "False"))
	s.learn(list, nil)
	first := orchestrator.Presence{Started: at.Add(63 * time.Second), LoadSeconds: 22}
	for range 2 {
		s.learn(list, map[string]orchestrator.Presence{"w1": first, "w9": first})
	}
	one := func(phase string, seconds float64) orchestrator.StartPhase {
		return orchestrator.StartPhase{Phase: phase, Starts: 1, Median: seconds, P95: seconds}
	}
	want := []orchestrator.StartPhase{one("node", 10), one("image", 29), one("ready", 20), one("worker", 3), one("model", 22)}
	if diff := cmp.Diff(want, s.phases()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	before := newStarts(at.Add(2 * time.Minute))
	before.learn(list, map[string]orchestrator.Presence{"w1": first})
	if got := before.phases(); len(got) > 0 {
		t.Errorf("pods that were ready before: %+v", got)
	}
	for i := range 100 {
		s.add(startNode, time.Duration(i)*time.Second)
	}
	if got := s.phases()[0]; got.Starts != 50 || got.Median != 74 || got.P95 != 97 {
		t.Errorf("of a hundred: %+v", got)
	}
	bare := &corev1.Pod{}
	if !conditionSince(bare, corev1.PodReady).IsZero() || !containerSince(bare).IsZero() {
		t.Error("a pod without a status says something")
	}
}
