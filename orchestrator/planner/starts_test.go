package planner

import (
	"fmt"
	"math"
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
	now := midnight
	start := func(seconds float64) {
		id := fmt.Sprintf("w%d", p.memory.Starts.Count)
		p.workers = []*worker{{view: &orchestrator.WorkerView{ID: id, State: orchestrator.WorkerStarting, Asked: now}}}
		p.learnStarts(now)
		now = now.Add(time.Duration(seconds * float64(time.Second)))
		p.workers[0].view.State = orchestrator.WorkerIdle
		p.learnStarts(now)
	}
	start(270)
	if have := p.starts(); have.mean != 120 {
		t.Errorf("after one start of 270 s beside a prior that counts as three of 70: %+v", have)
	}
	for range 400 {
		start(270)
	}
	if have := p.starts(); math.Abs(have.mean-270) > 1 || have.deviation > 5 {
		t.Errorf("after many starts of 270 s: %+v", have)
	}
	for range 400 {
		start(30)
	}
	if have := p.starts(); math.Abs(have.mean-30) > 1 {
		t.Errorf("after many more of 30 s: %+v", have)
	}
	// One that is gone, or has failed, or was never seen to start, says nothing.
	before := p.memory.Starts
	p.workers = []*worker{{view: &orchestrator.WorkerView{ID: "a", State: orchestrator.WorkerStarting, Asked: now}}, {view: &orchestrator.WorkerView{ID: "b", State: orchestrator.WorkerStarting, Asked: now}}}
	p.learnStarts(now)
	p.workers = []*worker{{view: &orchestrator.WorkerView{ID: "b", State: orchestrator.WorkerFailed}}, {view: &orchestrator.WorkerView{ID: "c", State: orchestrator.WorkerIdle}}}
	p.learnStarts(now.Add(time.Hour))
	if got := p.memory.Starts; got.Count != before.Count || got.Mean != before.Mean || len(got.Waiting) != 0 {
		t.Errorf("%+v after %+v", got, before)
	}
}
