package planner

import (
	"math"
	"slices"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// What is believed of starts goes from the documented quantile to what was seen, and goes on following it.
func TestStartsAreLearned(t *testing.T) {
	t.Parallel()
	p := &pool{policy: orchestrator.PoolPolicy{StartSeconds: 100}}
	if have := p.starts(); have.mean != 70 || math.Abs(have.mean+1.645*have.deviation-100) > 1e-9 {
		t.Errorf("the prior: %+v", have)
	}
	if one, nine := p.starts().lead(1), p.starts().lead(9); math.Abs((one-70)-3*(nine-70)) > 1e-9 || p.starts().lead(0) != one {
		t.Errorf("the tail of nine is not a third of that of one: %g and %g", one, nine)
	}
	if p.start() != 100 {
		t.Errorf("planned with %g s before any was seen, want what is documented", p.start())
	}
	now, id := midnight, "w"
	start := func(seconds float64) {
		id += "w"
		p.workers = []*worker{{view: &orchestrator.WorkerView{ID: id, State: orchestrator.WorkerStarting, Asked: now}}}
		p.learnStarts(now)
		now = now.Add(time.Duration(.95 * seconds * float64(time.Second)))
		p.learnStarts(now)
		now = now.Add(time.Duration(.05 * seconds * float64(time.Second)))
		p.workers[0].view.State = orchestrator.WorkerIdle
		p.learnStarts(now)
	}
	start(270)
	if have := p.starts(); have.mean != 120 {
		t.Errorf("after one start of 270 s beside a prior that counts as three of 70: %+v", have)
	}
	if p.start() != 270 {
		t.Errorf("planned with %g s, want the largest of few", p.start())
	}
	for range 60 {
		start(270)
	}
	if have := p.starts(); math.Abs(have.mean-270) > 12 || have.deviation > 50 || len(p.memory.Starts.Recent) != 50 {
		t.Errorf("after many starts of 270 s: %+v, %d kept", have, len(p.memory.Starts.Recent))
	}
	for range 48 {
		start(30.2)
	}
	if p.start() != 31 {
		t.Errorf("planned with %g s, want the 0.95 quantile of 48 starts of 30.2 s and two of 270 s, to two digits", p.start())
	}
	// One that nobody watched says only that it was no longer than documented, if it was not.
	watched := len(p.memory.Starts.Recent)
	for _, long := range []time.Duration{101 * time.Second, 100 * time.Second} {
		p.memory.Starts = orchestrator.StartMemory{Waiting: []orchestrator.StartingWorker{{ID: "x", Asked: now, Seen: now}}}
		p.workers = []*worker{{view: &orchestrator.WorkerView{ID: "x", State: orchestrator.WorkerIdle}}}
		p.learnStarts(now.Add(long))
		if learned := len(p.memory.Starts.Recent) == 1; watched != 50 || learned != (long == 100*time.Second) {
			t.Errorf("a start of %s that nobody watched: learned %t", long, learned)
		}
	}
	// One that is gone, or has failed, or was never seen to start, says nothing.
	before := p.memory.Starts
	p.workers = []*worker{{view: &orchestrator.WorkerView{ID: "a", State: orchestrator.WorkerStarting, Asked: now}}, {view: &orchestrator.WorkerView{ID: "b", State: orchestrator.WorkerStarting, Asked: now}}}
	p.learnStarts(now)
	p.workers = []*worker{{view: &orchestrator.WorkerView{ID: "b", State: orchestrator.WorkerFailed}}, {view: &orchestrator.WorkerView{ID: "c", State: orchestrator.WorkerIdle}}}
	p.learnStarts(now.Add(time.Hour))
	if got := p.memory.Starts; !slices.Equal(got.Recent, before.Recent) || len(got.Waiting) != 0 {
		t.Errorf("%+v after %+v", got, before)
	}
}
