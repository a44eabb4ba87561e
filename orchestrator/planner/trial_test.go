package planner

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// night is a world that goes on: one pool, one queue, whose workers a test lets live.
type night struct {
	observation orchestrator.Observation
	policy      orchestrator.Policy
	now         time.Time
	last        orchestrator.Plan
	grown       map[int]time.Time // when each slot was asked for
}

// drawNight draws a night with a pool named gpu and work in abundance.
func drawNight(t *rapid.T, most int) *night {
	n := &night{now: midnight, grown: map[int]time.Time{}}
	start := float64(rapid.IntRange(0, 900).Draw(t, "start"))
	n.policy = orchestrator.Policy{
		Pools: []orchestrator.PoolPolicy{{
			Name: "gpu", Max: most, SlotsPerReplica: rapid.IntRange(1, 3).Draw(t, "slots"), StartSeconds: start,
			ScaleDownDelay: time.Duration(rapid.IntRange(0, 600).Draw(t, "delay")) * time.Second,
		}},
		Queues: []orchestrator.QueuePolicy{{Name: "q", Tenant: "acme", Pools: []string{"gpu"}, MaxOpenJobs: 1}},
	}
	n.observation = orchestrator.Observation{
		Pools:  []orchestrator.PoolView{{Name: "gpu"}},
		Speeds: []orchestrator.Speed{{Model: "forest", Pool: "gpu", RowsPerSecond: 100, LoadSeconds: float64(rapid.IntRange(0, 300).Draw(t, "load")), Basis: basisProfile}},
		Jobs: []orchestrator.JobView{{
			JobKey: orchestrator.JobKey{Tenant: "acme", Queue: "q", ID: "j"}, State: orchestrator.JobQueued, Model: model("forest"), RowsLeft: 1e9, RowsUncut: 1e9, BatchRows: 64,
		}},
	}
	return n
}

// decide plans and carries the plan out; the memory goes through its stored form, as in a restart.
func (n *night) decide(t *rapid.T) orchestrator.PoolPlan {
	n.observation.Pools = slices.Clone(n.observation.Pools)
	n.observation.Pools[0].Reading = orchestrator.Reading{At: n.now}
	n.last = Compute(n.observation, n.policy, n.now)
	checkPlan(t, n.observation, n.policy, n.now, n.last)
	stored, err := json.Marshal(n.last.Memory)
	if err != nil {
		t.Fatal(err)
	}
	n.observation = applied(n.observation, n.last)
	n.observation.Memory = orchestrator.Memory{}
	if err := json.Unmarshal(stored, &n.observation.Memory); err != nil {
		t.Fatal(err)
	}
	return n.last.Pools[0]
}

// Runaway is impossible: where workers never come, or never become of use, the number bought falls to one, says why, and stays there, deadline or not.
func TestRunawayIsImpossible(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := drawNight(t, rapid.SampledFrom([]int{3, 50, 10_000}).Draw(t, "max"))
		lax := rapid.Bool().Draw(t, "lax")
		if !lax {
			n.observation.Jobs[0].Deadline = midnight.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "deadline")) * time.Hour)
		}
		states := rapid.SliceOfN(rapid.SampledFrom([]orchestrator.WorkerState{
			"", orchestrator.WorkerStarting, orchestrator.WorkerLoading, orchestrator.WorkerFailed, orchestrator.WorkerBusy,
		}), 1, 4).Draw(t, "states")
		slots, patience := n.policy.Pools[0].SlotsPerReplica, leastPatience
		if long := startsOfPatience * ofSeconds(n.policy.Pools[0].StartSeconds+n.observation.Speeds[0].LoadSeconds); long > patience {
			patience = long
		}
		holding := 0 // workers that hold a shard until their load fails again
		for i := range 75 {
			p := n.decide(t)
			if lax && p.Replicas > freeStep {
				t.Fatalf("%d replicas for work that may wait:\n%s", p.Replicas, explainPool(p))
			}
			if n.now.Sub(midnight) >= patience {
				said := slices.ContainsFunc(p.Reasons, func(r orchestrator.Reason) bool { return r.Code == "fruitless" })
				if p.Replicas > max(1, holding) || !said {
					t.Fatalf("%d replicas after %s:\n%s", p.Replicas, n.now.Sub(midnight), explainPool(p))
				}
			}
			n.now = n.now.Add(time.Minute)
			n.observation.Workers, holding = nil, 0
			for slot := range min(p.Replicas*slots, 30) {
				one := orchestrator.WorkerView{ID: fmt.Sprintf("gpu-%d-%d", slot, i), Pool: "gpu", Slot: slot, State: states[(slot+i)%len(states)], Model: model("forest")}
				switch one.State {
				case "":
					continue // it has not been heard of
				case orchestrator.WorkerBusy: // it takes a shard and loads again, as it did before
					one.Job, one.LoadFailures = "j", 1+i
					holding++
				case orchestrator.WorkerFailed:
					one.LoadFailures = 1 + i
				}
				n.observation.Workers = append(n.observation.Workers, one)
			}
		}
	})
}

// Steps do not hold up for long what works: while each worker becomes of use after its start, the pool reaches its most in as many starts as it takes to double.
func TestStepsEndWhereWorkersAreOfUse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := drawNight(t, rapid.IntRange(1, 60).Draw(t, "max"))
		most := n.policy.Pools[0].Max
		starts := 1
		for reach := freeStep; reach < most; reach *= 2 {
			starts++
		}
		lead := n.policy.Pools[0].StartSeconds + n.observation.Speeds[0].LoadSeconds
		until := midnight.Add(time.Duration(starts) * (ofSeconds(lead) + time.Minute))
		for n.now.Before(until) {
			p := n.decide(t)
			for _, reason := range p.Reasons {
				if reason.Code == "fruitless" {
					t.Fatalf("what works is undone:\n%s", explainPool(p))
				}
			}
			n.now = n.now.Add(time.Minute)
			n.live(p.Replicas*n.policy.Pools[0].SlotsPerReplica, lead)
		}
		if got := n.observation.Pools[0].Replicas; got != most {
			t.Fatalf("%d replicas after %d starts, want %d:\n%s", got, starts, most, explainPool(n.last.Pools[0]))
		}
	})
}

// live lets so many workers be there: they start, and after the lead take shards.
func (n *night) live(count int, lead float64) {
	drains := map[string]bool{}
	for _, one := range n.last.Workers {
		drains[one.Worker] = one.Drain
	}
	n.observation.Workers = nil
	for slot := range count {
		asked, has := n.grown[slot]
		if !has {
			asked = n.last.At
			n.grown[slot] = asked
		}
		one := orchestrator.WorkerView{ID: fmt.Sprintf("gpu-%d", slot), Pool: "gpu", Slot: slot, State: orchestrator.WorkerStarting, Draining: drains[fmt.Sprintf("gpu-%d", slot)]}
		if n.now.Sub(asked).Seconds() >= lead {
			one.State, one.Model, one.Job = orchestrator.WorkerBusy, model("forest"), "j"
		}
		n.observation.Workers = append(n.observation.Workers, one)
	}
	for slot := range n.grown {
		if slot >= count {
			delete(n.grown, slot)
		}
	}
}
