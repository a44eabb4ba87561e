package raycluster

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// RC23: a node that has drained ends while its pod stays, not ready any more. The group still shrinks by exactly that pod, nobody is taken for not granted, and no other is asked for.
func TestDrainedPodStillLeaves(t *testing.T) {
	w, e := running(t)
	w.drive()
	if err := w.decide(e, 2, 1); err != nil {
		t.Fatal(err)
	}
	leaves := slices.IndexFunc(w.slots.Replicas, goes)
	if leaves < 0 || *w.group().Replicas != 3 {
		t.Fatalf("before its worker has ended: %+v, %d replicas", w.slots, *w.group().Replicas)
	}
	pod := w.slots.Replicas[leaves].Pods[0]
	w.pods[pod].Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
	for id := range w.drains {
		delete(w.workers, id)
	}
	w.sync()
	pass(t, e)
	if got := w.group(); *got.Replicas != 2 || !slices.Equal(got.ScaleStrategy.WorkersToDelete, []string{pod}) {
		t.Errorf("%d replicas, named %v; want 2 and %s", *got.Replicas, got.ScaleStrategy.WorkersToDelete, pod)
	}
	if view := e.Observe(t.Context()); view.Replicas != 2 || view.Available != nil {
		t.Errorf("%+v", view)
	}
	w.kubeRay()
	w.sync()
	pass(t, e)
	if len(w.pods) != 2 || len(w.random) > 0 || len(w.killed) > 0 || len(w.slots.Replicas) != 2 {
		t.Errorf("%d pods, chosen by KubeRay %v, killed %v, slots %+v", len(w.pods), w.random, w.killed, w.slots)
	}
}
