package planner

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// FuzzCompute goes through absurd worlds for a few decisions, between which the clock jumps, prices are unknown and pools grant nothing: there is always a plan that may be carried out,
// with connected reasons. `go test -fuzz FuzzCompute -fuzzminimizetime 10x` searches on; without it, some worlds are drawn.
func FuzzCompute(f *testing.F) { f.Fuzz(rapid.MakeFuzz(absurdNights)) }

func TestAbsurdNights(t *testing.T) {
	t.Parallel()
	rapid.Check(t, absurdNights)
}

func absurdNights(t *rapid.T) {
	o, policy := drawWorld(t)
	o.Tables = nil
	for i := range policy.Pools {
		policy.Pools[i].Price = rapid.SampledFrom([]orchestrator.Money{
			{}, {Micros: 1, Currency: "EUR"}, {Micros: -5, Currency: "EUR"}, {Micros: math.MaxInt64, Currency: "USD"}, {Micros: math.MinInt64}, {Micros: 3_600_000, Currency: "EUR"},
		}).Draw(t, "price")
	}
	for i := range policy.Queues {
		policy.Queues[i].FinishWithin = rapid.SampledFrom([]time.Duration{0, -1, time.Minute, 1 << 62}).Draw(t, "finish within")
	}
	now := rapid.SampledFrom([]time.Time{midnight, {}, time.Unix(0, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}).Draw(t, "now")
	for range rapid.IntRange(1, 4).Draw(t, "decisions") {
		plan := Compute(o, policy, now)
		checkPlan(t, o, policy, now, plan)
		checkNumbers(t, plan)
		Explain(plan)
		grants := rapid.Bool().Draw(t, "granted")
		before := o.Pools
		if o = applied(o, plan); !grants {
			o.Pools = slices.Clone(o.Pools)
			for i := range o.Pools {
				o.Pools[i].Replicas = before[i].Replicas
			}
		}
		now = now.Add(rapid.SampledFrom([]time.Duration{0, -time.Hour, 5 * time.Second, time.Hour, 1 << 61, -(1 << 61)}).Draw(t, "the clock moves"))
		if rapid.Bool().Draw(t, "fresh") {
			for i := range o.Pools {
				o.Pools[i].Reading.At = now
			}
		}
	}
}

// checkNumbers: nothing is beyond all bounds.
func checkNumbers(t *rapid.T, plan orchestrator.Plan) {
	for _, p := range plan.Pools {
		if p.Replicas < 0 || p.Replicas > mostReplicas {
			t.Fatalf("pool %s has %d replicas", p.Name, p.Replicas)
		}
	}
	for _, j := range plan.Jobs {
		if j.Workers < 0 || j.Workers > 3*mostReplicas*mostSlots || j.Ahead > 4096 || j.ShardRows < 1 || j.Cost.Micros < 0 {
			t.Fatalf("%+v", j)
		}
	}
}
