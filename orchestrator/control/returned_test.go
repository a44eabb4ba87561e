package control

import (
	"slices"
	"testing"
	"time"
)

// A machine that was suspended: its worker fell silent, was forgotten, and speaks again.
func TestWorkerThatComesBackIsAssignedAgain(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	worker := idle("cheap", "cheap-0", 0)
	d.say(worker)
	d.jobs.set(waiting("fraud-1"))
	stop := d.run()
	d.eventually("the worker is assigned", func() bool { return d.stored("cheap-0").Epoch == 1 })
	stop()
	d.must(d.store.RemovePresence(t.Context(), "cheap-0"))
	d.loop = d.fresh()
	d.loop.assignments.swept = time.Now().Add(-2 * sweepEvery)
	d.run()
	d.eventually("its assignment is forgotten", func() bool { return d.stored("cheap-0").Epoch == 0 })
	worker.Epoch, worker.At = 1, time.Now().UTC()
	d.say(worker)
	d.eventually("the worker is assigned again", func() bool { return slices.Equal(d.orders("cheap-0"), []string{"fraud-1"}) })
	if got := d.stored("cheap-0").Epoch; got <= 1 {
		t.Errorf("epoch = %d for a worker that follows 1", got)
	}
}
