package planner

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// drawTurns is a pool of workers that hold one model each, and a backlog for every model.
func drawTurns(t *rapid.T) (orchestrator.Observation, orchestrator.Policy) {
	count := rapid.IntRange(1, 4).Draw(t, "workers")
	read := orchestrator.Reading{At: midnight}
	o := orchestrator.Observation{Pools: []orchestrator.PoolView{{Name: "a", Replicas: count, Reading: read}}}
	policy := orchestrator.Policy{Pools: []orchestrator.PoolPolicy{{Name: "a", Min: count, Max: count}}}
	models := rapid.IntRange(1, 6).Draw(t, "models")
	for i := range models {
		name := fmt.Sprintf("m%d", i)
		policy.Queues = append(policy.Queues, orchestrator.QueuePolicy{Name: name, Pools: []string{"a"}, FinishWithin: 10 * time.Minute})
		o.Speeds = append(o.Speeds, orchestrator.Speed{Model: name, Pool: "a", RowsPerSecond: .04, LoadSeconds: 25})
		one := orchestrator.BacklogView{Queue: name, Model: model(name), Reading: read, RecentRate: .01, DailyRate: .01}
		days := time.Duration(rapid.IntRange(0, 1).Draw(t, "days"))
		age := rapid.IntRange(-1, 50).Draw(t, "minutes")
		for ; age >= 0; age -= rapid.IntRange(1, 30).Draw(t, "minutes between") {
			one.Waiting = append(one.Waiting, orchestrator.Arrival{At: midnight.Add(-24*days*time.Hour - time.Duration(age)*time.Minute), Rows: 1})
		}
		o.Backlogs = append(o.Backlogs, one)
	}
	for i := range count {
		one := orchestrator.WorkerView{ID: fmt.Sprintf("w%d", i), Pool: "a", Slot: i, State: orchestrator.WorkerIdle}
		one.Model = model(fmt.Sprintf("m%d", rapid.IntRange(0, models-1).Draw(t, "has")))
		if rapid.Bool().Draw(t, "busy") {
			one.State, one.Job = orchestrator.WorkerBusy, BacklogID
		}
		o.Workers = append(o.Workers, one)
	}
	return o, policy
}

// M8: of the rows that are late by more than a day, nobody's being served, the oldest get the next worker that is idle, unless each
// of those has such rows of its own.
func TestNoRowWaitsForEver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, policy := drawTurns(t)
		plan := Compute(o, policy, midnight)
		old := func(b orchestrator.BacklogView) bool {
			return len(b.Waiting) > 0 && midnight.Sub(b.Waiting[0].At) > 24*time.Hour+10*time.Minute
		}
		byModel, held := map[string]orchestrator.BacklogView{}, map[string]bool{}
		for _, b := range o.Backlogs {
			byModel[b.Queue] = b
		}
		free := false
		for _, one := range o.Workers {
			held[one.Model.Name] = true
			free = free || one.State == orchestrator.WorkerIdle && !old(byModel[one.Model.Name])
		}
		var worst *orchestrator.BacklogView
		for i, b := range o.Backlogs {
			if old(b) && !held[b.Queue] && (worst == nil || b.Waiting[0].At.Before(worst.Waiting[0].At)) {
				worst = &o.Backlogs[i]
			}
		}
		if worst == nil || !free {
			return
		}
		served := false
		for _, one := range plan.Workers {
			served = served || one.Jobs[0].Model == worst.Model
		}
		if !served {
			t.Fatalf("%s has waited since %s\n%s", worst.Queue, worst.Waiting[0].At, Explain(plan))
		}
	})
}

// M8: a worker is told up to what age rows can be on time, unless there are some that have waited so long that they go first.
func TestRowsThatCanBeOnTimeComeFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, policy := drawTurns(t)
		plan := Compute(o, policy, midnight)
		oldest := map[string]time.Time{}
		for _, b := range o.Backlogs {
			if len(b.Waiting) > 0 {
				oldest[b.Queue] = b.Waiting[0].At
			}
		}
		for _, one := range plan.Workers {
			want := 10*time.Minute - 25*time.Second
			if at, waits := oldest[one.Jobs[0].Queue]; waits && midnight.Sub(at) > 24*time.Hour+10*time.Minute {
				want = 0
			}
			if got := one.Jobs[0].Within; got != want {
				t.Fatalf("%s serves %s up to %s, want %s", one.Worker, one.Jobs[0].Queue, got, want)
			}
		}
	})
}

// M1: an idle worker whose queue has rows serves it, or a model that cannot wait; a busy worker is given nothing else.
func TestAWorkerServesTheModelItHas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, policy := drawTurns(t)
		plan := Compute(o, policy, midnight)
		for i, one := range plan.Workers {
			if o.Workers[i].State == orchestrator.WorkerBusy && one.Jobs[0].Model != o.Workers[i].Model {
				t.Fatalf("%s is busy with %s and gets %s", one.Worker, o.Workers[i].Model.Name, one.Jobs[0].Model.Name)
			}
			for _, order := range one.Jobs {
				if order.Model != one.Jobs[0].Model {
					t.Fatalf("%s gets several models: %+v", one.Worker, one.Jobs)
				}
			}
		}
	})
}
