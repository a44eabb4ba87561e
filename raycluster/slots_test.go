package raycluster

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

var two = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

func one(pod string, phase Phase, minutes int) Replica {
	return Replica{Pods: []string{pod}, Phase: phase, Created: two.Add(time.Duration(minutes) * time.Minute)}
}

// RC16 and RC18: an index is kept while a pod of the replica lives, then it is free; what somebody else takes away leaves without having been let go.
func TestIndexesAreKept(t *testing.T) {
	before := orchestrator.PoolSlots{Pool: "gpu", Cluster: "1", PerReplica: 2, Slots: 2, Replicas: []orchestrator.ReplicaSlots{
		{Index: 0, Pods: []string{"gone"}}, {Index: 1, Pods: []string{"a0", "a1"}}, {Index: 3, Pods: []string{"b"}, Leaving: true, Since: two},
	}}
	group := Group{Life: "2", Have: []Replica{one("b", PhaseReady, 0), {Pods: []string{"a1", "a2"}, Phase: PhaseReady}, one("c", PhaseDeleted, 0), one("d", PhasePending, 1)}}
	want := orchestrator.PoolSlots{Pool: "gpu", Cluster: "2", PerReplica: 2, Slots: 1, Replicas: []orchestrator.ReplicaSlots{
		{Index: 0, Pods: []string{"c"}, Leaving: true}, {Index: 1, Pods: []string{"a1", "a2"}}, {Index: 2, Pods: []string{"d"}}, {Index: 3, Pods: []string{"b"}, Leaving: true, Since: two},
	}}
	if diff := cmp.Diff(want, Keep(before, group, 2, 1, two)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// RC13: who leaves, for every number; those with workers that do not drain never do.
func TestWhoLeaves(t *testing.T) {
	group := Group{Have: []Replica{
		one("busy", PhaseReady, 0), one("drained", PhaseReady, 1), one("half", PhaseReady, 2), one("empty", PhaseReady, 3), one("old", PhasePending, 4), one("young", PhasePending, 5),
		one("starting", PhaseStarting, 6), one("gated", PhaseGated, 7), one("taken", PhaseDeleted, 8),
	}}
	slots := Keep(orchestrator.PoolSlots{Pool: "gpu"}, group, 2, 2, two)
	staff := map[int]Staff{0: {Workers: 2}, 1: {Workers: 2, Leaving: 2}, 2: {Workers: 2, Leaving: 1}}
	want := []string{"drained", "taken", "gated", "young", "old", "starting", "empty"}
	for count := range len(want) + 2 {
		goers := map[string]bool{}
		for _, replica := range Leave(slots, group, staff, count, two).Replicas {
			if goes(replica) {
				goers[replica.Pods[0]] = replica.Leaving
			}
		}
		expected := map[string]bool{}
		for _, name := range want[:min(count, len(want))] {
			expected[name] = true
		}
		if diff := cmp.Diff(expected, goers); diff != "" {
			t.Errorf("%d leave (-want +got):\n%s", count, diff)
		}
	}
}

// RC11, RC12 and RC15: pods are named when nobody works there any more, or has for a quarter of an hour, and as long as one of them is there.
func TestWhoGoes(t *testing.T) {
	group := Group{Named: []string{"named", "before"}, Have: []Replica{one("named", PhaseDeleted, 0), one("works", PhaseReady, 0), one("empty", PhaseReady, 0), one("stays", PhaseReady, 0)}}
	let := func(index int, pod string) orchestrator.ReplicaSlots {
		return orchestrator.ReplicaSlots{Index: index, Pods: []string{pod}, Leaving: true, Since: two}
	}
	slots := orchestrator.PoolSlots{Replicas: []orchestrator.ReplicaSlots{let(0, "named"), let(1, "works"), let(2, "empty"), {Index: 3, Pods: []string{"stays"}}}}
	staff := map[int]Staff{1: {Workers: 1, Leaving: 1}, 3: {Workers: 1}}
	for after, want := range map[time.Duration][]string{0: {"empty"}, drainLimit - 1: {"empty"}, drainLimit: {"works", "empty"}} {
		gone, count := Gone(slots, group, staff, two.Add(after))
		if diff := cmp.Diff(want, gone); diff != "" || count != len(want) {
			t.Errorf("after %s, %d replicas (-want +got):\n%s", after, count, diff)
		}
	}
	if diff := cmp.Diff([]string{"named", "before", "empty"}, group.named([]string{"empty"})); diff != "" {
		t.Errorf("named (-want +got):\n%s", diff)
	}
	group.Have = group.Have[1:]
	if got := group.named(nil); len(got) > 0 {
		t.Errorf("named once they are gone: %v", got)
	}
	if got := group.leaving(slots); got != 2 {
		t.Errorf("%d are still counted, want 2: works and empty", got)
	}
}

// RC7: what waits for too long is not granted; what leaves does not count.
func TestGranted(t *testing.T) {
	group := Group{Have: []Replica{one("ready", PhaseReady, 0), one("starting", PhaseStarting, 0), one("gated", PhaseGated, 1), one("pending", PhasePending, 2), one("taken", PhaseDeleted, 0), one("leaves", PhasePending, 0)}}
	slots := Keep(orchestrator.PoolSlots{}, group, 1, 1, two)
	slots.Replicas[5].Since = two
	for minutes, want := range map[int]bool{0: false, 2: false, 3: true} {
		if granted, waits := group.granted(slots, two.Add(time.Duration(minutes)*time.Minute), time.Minute); granted != 2 || waits != want {
			t.Errorf("after %d minutes: granted %d, refused %t; want 2, %t", minutes, granted, waits, want)
		}
	}
}
