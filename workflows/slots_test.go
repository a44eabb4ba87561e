package workflows

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

var eight = time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)

func entry(index, generation int, leaving bool) orchestrator.ReplicaSlots {
	one := orchestrator.ReplicaSlots{Index: index, Pods: []string{Name("gpu", index, generation)}, Leaving: leaving}
	if leaving {
		one.Since = eight
	}
	return one
}

func written(generation int, entries ...orchestrator.ReplicaSlots) orchestrator.PoolSlots {
	return orchestrator.PoolSlots{Pool: "gpu", PerReplica: 1, Slots: 1, Generation: generation, Replicas: entries}
}

func runner(slot, generation int, phase Phase) Runner {
	return Runner{Name: Name("gpu", slot, generation), Slot: slot, Generation: generation, Phase: phase, Created: eight}
}

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// AW5, AW6 and AC6: what is forgotten, and what is taken over.
func TestKeep(t *testing.T) {
	before := written(9, entry(0, 1, false), entry(1, 2, false), entry(2, 3, true), entry(3, 4, false), entry(4, 5, true), entry(5, 6, true))
	absence := func(name string) Absence {
		return map[string]Absence{"gpu-3-4": AbsenceGone, "gpu-5-6": AbsenceComing}[name]
	}
	now := []Runner{runner(0, 1, PhaseRunning), runner(1, 2, PhaseEnded), runner(2, 3, PhaseEnded), runner(0, 11, PhaseRunning), runner(7, 12, PhaseWaiting), runner(8, 13, PhaseEnded)}
	after, ended := Keep(before, now, absence, eight)
	expect(t, "kept", after, written(13, entry(0, 1, false), entry(0, 11, true), entry(5, 6, true), entry(7, 12, false)))
	expect(t, "ended", ended, now[1:3])
	after, _ = Keep(written(1, entry(0, 1, false)), nil, absence, eight)
	expect(t, "not made yet", after, written(1, entry(0, 1, false)))
}

// AW18: the lowest slots without a worker, each with a generation of its own.
func TestGrow(t *testing.T) {
	before := written(5, entry(0, 1, false), entry(2, 5, true))
	expect(t, "grown", Grow(before, 3, map[int]bool{1: true}), written(7, entry(0, 1, false), entry(2, 5, true), entry(3, 6, false), entry(4, 7, false)))
	expect(t, "enough", Grow(before, 1, nil), before)
}

// AW14: those whose workers drain, then those without one, the furthest from running and the youngest first; nobody whose worker works on.
func TestLeave(t *testing.T) {
	before := written(9, entry(0, 1, false), entry(1, 2, false), entry(2, 3, false), entry(3, 4, false), entry(4, 5, false), entry(5, 6, false))
	now := []Runner{runner(0, 1, PhaseRunning), runner(1, 2, PhaseRunning), runner(2, 3, PhasePending), runner(3, 4, PhaseWaiting), runner(4, 5, PhaseWaiting)}
	staff := map[string]Staff{"gpu-0-1": {Workers: 1, Leaving: 1}, "gpu-1-2": {Workers: 1}}
	var order []int
	for count := range 7 {
		after := Leave(before, now, staff, count, eight)
		for at, one := range after.Replicas {
			if one.Leaving && one.Since.Equal(eight) && !slices.Contains(order, at) {
				order = append(order, at)
			}
		}
	}
	expect(t, "in this order", order, []int{0, 5, 4, 3, 2})
	expect(t, "a negative number", Leave(before, now, staff, -1, eight), before)
}

// AW23: a worker that nobody drains keeps its runner.
func TestStay(t *testing.T) {
	before := written(3, entry(0, 1, true), entry(1, 2, true), entry(2, 3, true))
	staff := map[string]Staff{"gpu-0-1": {Workers: 1}, "gpu-1-2": {Workers: 1, Leaving: 1}}
	expect(t, "one stays", Stay(before, staff), written(3, entry(0, 1, false), entry(1, 2, true), entry(2, 3, true)))
}

// AW15 and AW16: when those that leave are deleted.
func TestOver(t *testing.T) {
	before := written(9, entry(0, 1, true), entry(1, 2, true), entry(2, 3, true), entry(3, 4, true), entry(4, 5, false))
	now := []Runner{runner(0, 1, PhaseWaiting), runner(1, 2, PhasePending), runner(2, 3, PhaseRunning), runner(3, 4, PhaseRunning), runner(4, 5, PhaseWaiting)}
	staff := map[string]Staff{"gpu-3-4": {Workers: 1, Leaving: 1}}
	for _, one := range []struct {
		after time.Duration
		want  []Runner
	}{{0, now[:2]}, {59 * time.Second, now[:2]}, {time.Minute, now[:3]}, {15*time.Minute - 1, now[:3]}, {15 * time.Minute, now[:4]}} {
		expect(t, one.after.String(), Over(before, now, staff, eight.Add(one.after)), one.want)
	}
}

// AW7: who has a node, and who has waited for too long.
func TestGranted(t *testing.T) {
	slots := written(9, entry(0, 1, false), entry(1, 2, false), entry(2, 3, true), entry(3, 4, false))
	pending := runner(1, 2, PhasePending)
	unschedulable := pending
	unschedulable.Unschedulable = true
	for _, one := range []struct {
		what  string
		of    Runner
		after time.Duration
		count int
		waits bool
	}{
		{"its image is pulled", pending, time.Hour, 2, false},
		{"no node, a moment", unschedulable, 30 * time.Second, 1, false},
		{"no node", unschedulable, 31 * time.Second, 1, true},
		{"the lock", runner(1, 2, PhaseWaiting), 31 * time.Second, 1, true},
		{"suspended", runner(1, 2, PhaseSuspended), 31 * time.Second, 1, true},
	} {
		count, waits := granted(slots, []Runner{runner(0, 1, PhaseRunning), one.of, runner(2, 3, PhaseWaiting)}, eight.Add(one.after))
		if count != one.count || waits != one.waits {
			t.Errorf("%s: %d, %t", one.what, count, waits)
		}
	}
}

// AW13: each failure in a row doubles the pause; one that is done, and ten minutes, end it; one that was killed changes nothing.
func TestFailures(t *testing.T) {
	var f failures
	now := eight
	learn := func(end End) time.Duration {
		f.learn([]Runner{{End: end}}, now)
		return max(f.until.Sub(now), 0)
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		if got := learn(EndFailed); got != want*time.Second {
			t.Errorf("%s, want %d s", got, want)
		}
	}
	if got := learn(EndKilled); got != time.Minute {
		t.Errorf("killed: %s", got)
	}
	now = now.Add(12 * time.Minute)
	if got := learn(EndFailed); got != time.Second {
		t.Errorf("ten minutes later: %s", got)
	}
	if got := learn(EndDone); got != 0 {
		t.Errorf("done: %s", got)
	}
	if got := learn(EndFailed); got != time.Second {
		t.Errorf("after that: %s", got)
	}
}
