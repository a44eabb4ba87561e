package control

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

func TestWorkersThatSpokeBeforeTheStartCountInTheFirstDecision(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	const workers = 300
	for slot := range workers {
		d.say(idle("cheap", fmt.Sprintf("cheap-%03d", slot), slot))
	}
	d.loop.Wake()
	d.run()
	first := d.firstDecision()
	if got := len(first.workers); got != workers {
		t.Errorf("the first decision knew %d workers, want %d", got, workers)
	}
}

func TestWorkerWhoseHeartbeatsStoppedIsNotCounted(t *testing.T) {
	t.Parallel()
	d := open(t, 2, "cheap")
	silent := idle("cheap", "cheap-0", 0)
	silent.At = time.Now().Add(-2 * time.Minute) // its time to live here is a minute
	d.say(silent)
	d.say(idle("cheap", "cheap-1", 1)) // read after the silent one
	d.run()
	first := d.firstDecision()
	if diff := cmp.Diff([]string{"cheap-1"}, names(first.workers)); diff != "" {
		t.Errorf("workers given to the dispatcher (-want +got):\n%s", diff)
	}
	if len(first.plan.Workers) != 1 || first.plan.Workers[0].Worker != "cheap-1" {
		t.Errorf("planned workers = %v, want cheap-1 only", first.plan.Workers)
	}
	if diff := cmp.Diff([]string{"cheap-1"}, names(d.loop.Workers())); diff != "" {
		t.Errorf("workers (-want +got):\n%s", diff)
	}
}

// Of a worker whose process the engine has seen end, the last words do not count, though they have not expired.
func TestWorkerThatHasEndedIsNotCounted(t *testing.T) {
	t.Parallel()
	d := open(t, 2, "cheap")
	d.say(idle("cheap", "cheap-0", 0))
	d.say(idle("cheap", "cheap-1", 1))
	d.engines["cheap"].ended = []string{"cheap-0", "long-gone"}
	d.run()
	d.eventually("a decision without it", func() bool {
		d.loop.Wake()
		all := d.jobs.decisions()
		return len(all) > 0 && cmp.Equal(names(all[len(all)-1].workers), []string{"cheap-1"})
	})
}

// The next check of an idle desk is half a minute away: what comes sooner was triggered. The first of several changes may be seen by a decision that
// was under way; the later ones need a trigger of their own.
var several = []string{"cheap-0", "cheap-1", "cheap-2", "cheap-3"}

func TestWorkerThatArrivesIsDecidedOnAtOnce(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.run()
	d.firstDecision()
	for slot, id := range several {
		d.say(idle("cheap", id, slot))
		d.eventually("a decision with "+id, d.counted(several[:slot+1]...))
	}
}

func TestWorkerThatSaysThatItEndsIsForgottenAtOnce(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	for slot, id := range several {
		d.say(idle("cheap", id, slot))
	}
	d.run()
	d.eventually("a decision with all workers", d.counted(several...))
	for i, id := range several {
		d.must(d.store.RemovePresence(t.Context(), id))
		d.eventually("a decision without "+id, d.counted(several[i+1:]...))
	}
}

func TestWorkerThatChangesItsStateIsDecidedOnAtOnce(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	worker := idle("cheap", "cheap-0", 0)
	d.say(worker)
	d.run()
	d.eventually("a decision with the worker", d.counted("cheap-0"))
	for _, next := range []orchestrator.WorkerState{
		orchestrator.WorkerLoading, orchestrator.WorkerBusy, orchestrator.WorkerIdle, orchestrator.WorkerFailed,
	} {
		worker.State = next
		d.say(worker)
		d.eventually("a decision with the worker "+string(next), func() bool {
			workers := d.lastDecision().workers
			return len(workers) == 1 && workers[0].State == next
		})
	}
}

func TestHeartbeatThatSaysNothingNewIsNoTrigger(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.say(idle("cheap", "cheap-0", 0))
	d.run()
	d.eventually("a decision with the worker", d.counted("cheap-0"))
	d.decide(1)
	before := len(d.jobs.decisions())
	for began := time.Now(); time.Since(began) < 20*shortestPause; { // time for many decisions
		beat := idle("cheap", "cheap-0", 0)
		d.say(beat)
		d.eventually("the heartbeat is heard", func() bool {
			workers := d.loop.Workers()
			return len(workers) == 1 && workers[0].At.Equal(beat.At)
		})
	}
	if after := len(d.jobs.decisions()); after > before+1 { // one may have been under way
		t.Errorf("heartbeats led to %d decisions", after-before)
	}
}

// A decision knows since when a worker starts, so that the rest of its start becomes shorter.
func TestObservationSaysSinceWhenAWorkerStarts(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	worker := idle("cheap", "cheap-0", 0)
	worker.State, worker.Started = orchestrator.WorkerStarting, time.Now().Add(-3*time.Second).UTC()
	d.say(worker)
	d.run()
	d.eventually("a decision with the worker", d.counted("cheap-0"))
	if seen := d.loop.Nearby(t.Context()).Workers; len(seen) != 1 || !seen[0].Asked.Equal(worker.Started) {
		t.Errorf("workers %v, want one that was asked for at %s", seen, worker.Started)
	}
}

// lastDecision is the latest plan; there is one.
func (d *desk) lastDecision() applied {
	decisions := d.jobs.decisions()
	return decisions[len(decisions)-1]
}

// counted says whether the last decision knew these workers and no others.
func (d *desk) counted(want ...string) func() bool {
	return func() bool {
		return len(d.jobs.decisions()) > 0 && slices.Equal(want, names(d.lastDecision().workers))
	}
}
