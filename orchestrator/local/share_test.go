package local

import (
	"math"
	"slices"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// H7, H8: where fewer workers share a replica, no more are started there, each is billed its larger part from then on, and a restart knows it.
func TestFewerWorkersShareAReplica(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	config := h.config("cpu")
	config.Slots = 4
	e, err := New(config)
	h.must(err)
	h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 1, Slots: 4}, nil))
	h.must(e.reconcile(time.Now()))
	h.ready(e, 4)
	var leaving []string
	for _, one := range e.workers {
		if one.Slot >= 2 {
			leaving = append(leaving, one.ID)
		}
	}
	h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 2, Slots: 2}, leaving))
	h.must(e.reconcile(time.Now()))
	slots := []int{}
	for _, one := range e.workers {
		if !one.leaves() {
			slots = append(slots, one.Slot)
		}
	}
	slices.Sort(slots)
	if want := []int{0, 1, 4, 5}; !slices.Equal(slots, want) {
		t.Errorf("workers in slots %v, want %v", slots, want)
	}
	again, err := New(config)
	h.must(err)
	if view := again.Observe(t.Context()); view.Replicas != 2 || view.Slots != 2 {
		t.Errorf("%d replicas of %d workers after a restart, want 2 of 2", view.Replicas, view.Slots)
	}
	// Six run, the two that leave too: half a replica each.
	now := time.Now()
	if got := e.ledgerLocked(now.Add(100*time.Second)).Seconds - e.ledgerLocked(now).Seconds; math.Abs(got-300) > 1 {
		t.Errorf("%.1f s of replicas in 100 s, want 300", got)
	}
}
