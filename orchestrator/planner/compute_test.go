package planner

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// Numbers that no sane observer would send, because one will.
func adversarialFloats() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.SampledFrom([]float64{
			0, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-300, 1e300,
		}),
		rapid.Float64Range(0.001, 1e5),
	)
}

func oftenSmall(largest int) *rapid.Generator[int] {
	return rapid.OneOf(rapid.IntRange(0, 5), rapid.IntRange(0, 5), rapid.IntRange(-1, largest), rapid.SampledFrom([]int{math.MinInt, math.MaxInt}))
}

// drawWorld makes a world with absurd numbers in it; names are unique, as documents and NATS see to it.
func drawWorld(t *rapid.T) (orchestrator.Observation, orchestrator.Policy) {
	var o orchestrator.Observation
	var policy orchestrator.Policy
	pools := []string{"a", "b", "c", "gone"}
	models := []string{"bert", "forest", "unheard"}
	policy.Interval = rapid.SampledFrom([]time.Duration{0, -1, time.Second, 10 * time.Minute, 1 << 62}).Draw(t, "interval")
	policy.StaleAfter = rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "stale after")
	for _, name := range pools[:rapid.IntRange(0, 3).Draw(t, "pools")] {
		drawPool(t, name, &o, &policy)
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "queues") {
		policy.Queues = append(policy.Queues, orchestrator.QueuePolicy{
			Name: fmt.Sprintf("q%d", i), Tenant: "acme", Pools: rapid.SliceOfN(rapid.SampledFrom(pools), 0, 3).Draw(t, "queue's pools"),
			MaxOpenJobs: oftenSmall(5).Draw(t, "max open"), MaxWorkers: oftenSmall(20).Draw(t, "max workers"), Weight: oftenSmall(5).Draw(t, "weight"),
			Cheapest:     rapid.IntRange(0, 3).Draw(t, "cheapest") == 0,
			FinishWithin: time.Duration(rapid.SampledFrom([]int{0, -1, 900, 3600, 1e9}).Draw(t, "finish within")) * time.Second,
		})
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "jobs") {
		o.Jobs = append(o.Jobs, drawJob(t, i, models))
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "backlogs") {
		o.Backlogs = append(o.Backlogs, drawBacklog(t, fmt.Sprintf("q%d", i), models))
	}
	for i := range rapid.IntRange(0, 12).Draw(t, "workers") {
		one := orchestrator.WorkerView{
			ID: fmt.Sprintf("w%d", i), Pool: rapid.SampledFrom(pools).Draw(t, "worker's pool"), Slot: rapid.IntRange(0, 12).Draw(t, "slot"),
			State: rapid.SampledFrom([]orchestrator.WorkerState{"starting", "loading", "busy", "idle", "draining", "failed"}).Draw(t, "state"),
			Model: model(rapid.SampledFrom(append(models, "")).Draw(t, "loaded")), Draining: rapid.IntRange(0, 4).Draw(t, "drains") == 0,
		}
		if rapid.Bool().Draw(t, "asked is known") {
			one.Asked = midnight.Add(-time.Duration(rapid.IntRange(-60, 600).Draw(t, "asked")) * time.Second)
		}
		if one.State == orchestrator.WorkerBusy {
			one.Job = fmt.Sprintf("j%d", rapid.IntRange(0, 9).Draw(t, "holds"))
		}
		o.Workers = append(o.Workers, one)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "backlogs") {
		o.Backlogs = append(o.Backlogs, drawBacklog(t, fmt.Sprintf("q%d", i), models))
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "peaks") {
		o.Peaks = append(o.Peaks, drawPeak(t, i, models))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "caps") {
		o.Caps = append(o.Caps, orchestrator.Cap{
			Tenant: "acme", Queue: fmt.Sprintf("q%d", rapid.IntRange(0, 4).Draw(t, "capped")), MaxWorkers: oftenSmall(5).Draw(t, "cap"), Identity: fmt.Sprintf("cap/%d", i),
			From: drawNear(t, "cap from"), Until: drawNear(t, "cap until"),
		})
	}
	for _, name := range models[:2] {
		for _, pool := range pools {
			o.Speeds = append(o.Speeds, orchestrator.Speed{
				Model: name, Pool: pool, RowsPerSecond: adversarialFloats().Draw(t, "speed"), LoadSeconds: adversarialFloats().Draw(t, "load"), Basis: "profile",
			})
			o.Memory.Speeds = append(o.Memory.Speeds, orchestrator.SpeedMemory{
				Model: name, Pool: pool, RowsPerSecond: adversarialFloats().Draw(t, "learned"), LoadSeconds: adversarialFloats().Draw(t, "learned load"),
				Rows: rapid.Int64Range(-1, 20_000).Draw(t, "learned rows"),
			})
		}
	}
	return o, policy
}

func drawPool(t *rapid.T, name string, o *orchestrator.Observation, policy *orchestrator.Policy) {
	policy.Pools = append(policy.Pools, orchestrator.PoolPolicy{
		Name: name, CapacityType: rapid.SampledFrom([]orchestrator.CapacityType{orchestrator.CapacityOnDemand, orchestrator.CapacitySpot}).Draw(t, "capacity type"),
		Price: orchestrator.Money{Micros: 3_600_000, Currency: "EUR"}, Min: oftenSmall(8).Draw(t, "min"), Max: oftenSmall(20).Draw(t, "max"),
		SlotsPerReplica: rapid.IntRange(-1, 3).Draw(t, "slots"), ScaleDownDelay: time.Duration(rapid.IntRange(-1, 600).Draw(t, "delay")) * time.Second,
		StartSeconds: adversarialFloats().Draw(t, "start"), Notice: time.Duration(rapid.IntRange(-1, 120).Draw(t, "notice")) * time.Second,
	})
	if rapid.IntRange(0, 5).Draw(t, "observed") > 0 {
		var available *int
		if known := rapid.IntRange(-2, 20).Draw(t, "available"); known > -2 {
			available = &known
		}
		var most *int
		if bound := rapid.IntRange(-9, 20).Draw(t, "engine's most"); bound > -5 {
			most = &bound
		}
		o.Pools = append(o.Pools, orchestrator.PoolView{
			Most: most, Least: oftenSmall(20).Draw(t, "engine's least"),
			Available: available, Name: name, Replicas: rapid.IntRange(0, 20).Draw(t, "replicas"),
			Reading: orchestrator.Reading{
				At:  midnight.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 5, 60, 61, -5}).Draw(t, "age")) * time.Second),
				Err: rapid.SampledFrom([]string{"", "", "", "connection refused"}).Draw(t, "error"),
			},
		})
	}
	if rapid.Bool().Draw(t, "remembered") {
		o.Memory.Pools = append(o.Memory.Pools, orchestrator.PoolMemory{
			Name: name, LowSince: midnight.Add(-time.Duration(rapid.IntRange(-10, 900).Draw(t, "low since")) * time.Second),
			LowPeak: rapid.IntRange(-1, 30).Draw(t, "low peak"), Grown: midnight.Add(-time.Duration(rapid.IntRange(-10, 900).Draw(t, "grown")) * time.Second),
			Proven: oftenSmall(30).Draw(t, "proven"), Trial: drawTrial(t), Gain: drawGain(t),
		})
	}
}

func drawTrial(t *rapid.T) orchestrator.TrialMemory {
	if rapid.Bool().Draw(t, "no trial") {
		return orchestrator.TrialMemory{}
	}
	return orchestrator.TrialMemory{
		Since:  midnight.Add(-time.Duration(rapid.IntRange(-10, 2000).Draw(t, "trial since")) * time.Second),
		Useful: oftenSmall(20).Draw(t, "useful"), Failed: rapid.Bool().Draw(t, "failed"),
	}
}

func drawGain(t *rapid.T) orchestrator.GainMemory {
	if rapid.Bool().Draw(t, "no gain") {
		return orchestrator.GainMemory{}
	}
	one := orchestrator.GainMemory{
		Since: midnight.Add(-time.Duration(rapid.IntRange(-10, 2000).Draw(t, "gain since")) * time.Second), Replicas: oftenSmall(20).Draw(t, "replicas before"),
		Model: "bert", RowsPerSecond: rapid.Float64Range(-1, 1e300).Draw(t, "speed before"),
	}
	if rapid.Bool().Draw(t, "no gain until") {
		one.Until = midnight.Add(time.Duration(rapid.IntRange(-10, 3600).Draw(t, "until")) * time.Second)
	}
	return one
}

func drawNear(t *rapid.T, what string) time.Time {
	return midnight.Add(time.Duration(rapid.SampledFrom([]int{-1e9, -3600, -60, -5, 0, 5, 60, 600, 3600, 1e9}).Draw(t, what)) * time.Second)
}

func drawPeak(t *rapid.T, i int, models []string) orchestrator.Peak {
	rows := rapid.OneOf(rapid.Int64Range(-1, 1e6), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0}))
	one := orchestrator.Peak{
		Tenant: "acme", Queue: fmt.Sprintf("q%d", rapid.IntRange(0, 4).Draw(t, "peak's queue")), Model: model(rapid.SampledFrom(models).Draw(t, "peak's model")),
		Identity: fmt.Sprintf("peak/%d", i), Forecast: rapid.Bool().Draw(t, "forecast"), From: drawNear(t, "peak from"), Until: drawNear(t, "peak until"),
		Rows: rows.Draw(t, "expected"), RowsHigh: rows.Draw(t, "at most"), Arrived: rows.Draw(t, "arrived"),
	}
	if rapid.Bool().Draw(t, "peak is due") {
		one.Finish = drawNear(t, "finish")
	}
	return one
}

func drawBacklog(t *rapid.T, queue string, models []string) orchestrator.BacklogView {
	one := orchestrator.BacklogView{
		Tenant: "acme", Queue: queue, Model: model(rapid.SampledFrom(models).Draw(t, "backlog's model")),
		Held: rapid.Int64Range(-1, 1e6).Draw(t, "held"), BatchRows: rapid.IntRange(-1, 1000).Draw(t, "batch"), MostWorkers: rapid.IntRange(-1, 5).Draw(t, "most workers"), RecentRate: adversarialFloats().Draw(t, "recent rate"), DailyRate: adversarialFloats().Draw(t, "daily rate"),
		Reading: orchestrator.Reading{At: midnight.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 5, 61}).Draw(t, "backlog's age")) * time.Second)},
	}
	for range rapid.IntRange(0, 4).Draw(t, "arrivals") {
		one.Waiting = append(one.Waiting, orchestrator.Arrival{
			At:   midnight.Add(-time.Duration(rapid.IntRange(-10, 5000).Draw(t, "arrived")) * time.Second),
			Rows: rapid.OneOf(rapid.Int64Range(-1, 1e6), rapid.Just(int64(math.MaxInt64))).Draw(t, "rows"),
		})
	}
	return one
}

func drawJob(t *rapid.T, i int, models []string) orchestrator.JobView {
	rows := rapid.OneOf(rapid.Int64Range(-1, 1e6), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0}))
	one := orchestrator.JobView{
		JobKey: orchestrator.JobKey{Tenant: "acme", Queue: fmt.Sprintf("q%d", rapid.IntRange(0, 4).Draw(t, "job's queue")), ID: fmt.Sprintf("j%d", i)},
		State: rapid.SampledFrom([]orchestrator.JobState{
			"queued", "queued", "validating", "planning", "running", "finalizing", "succeeded", "cancelled",
		}).Draw(t, "job state"),
		Model:     model(rapid.SampledFrom(models).Draw(t, "model")),
		Submitted: midnight.Add(-time.Duration(rapid.IntRange(0, 3).Draw(t, "submitted")) * time.Hour),
		RowsTotal: rows.Draw(t, "total"), RowsLeft: rows.Draw(t, "left"), RowsUncut: rows.Draw(t, "uncut"), RowBytes: adversarialFloats().Draw(t, "row bytes"),
		BatchRows: oftenSmall(512).Draw(t, "batch"), ShardsLeft: oftenSmall(5000).Draw(t, "shards left"), CutAll: rapid.Bool().Draw(t, "cut all"),
	}
	if rapid.Bool().Draw(t, "has deadline") {
		one.Deadline = midnight.Add(time.Duration(rapid.SampledFrom([]int{-3600, 0, 1, 60, 600, 600, 36_000, 1e9}).Draw(t, "deadline")) * time.Second)
	}
	return one
}

// Whatever the world, the plan is one that may be carried out: see the sentences in check_test.go. Nor does Compute touch what it was given.
func TestComputeHoldsWhateverTheWorld(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, policy := drawWorld(t)
		before := fmt.Sprintf("%+v %+v", o, policy)
		plan := Compute(o, policy, midnight)
		checkPlan(t, o, policy, midnight, plan)
		if after := fmt.Sprintf("%+v %+v", o, policy); after != before {
			t.Fatalf("Compute changes what it was given: (-before +after)\n%s", cmp.Diff(before, after))
		}
		Explain(plan)
	})
}

// The order of the lists in a world means nothing.
func TestComputeIsDeterministic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, policy := drawWorld(t)
		shuffled, shuffledPolicy := o, policy
		shuffled.Jobs = rapid.Permutation(o.Jobs).Draw(t, "jobs in another order")
		shuffled.Backlogs = rapid.Permutation(o.Backlogs).Draw(t, "backlogs in another order")
		shuffled.Peaks = rapid.Permutation(o.Peaks).Draw(t, "peaks in another order")
		shuffled.Caps = rapid.Permutation(o.Caps).Draw(t, "caps")
		shuffled.Pools = rapid.Permutation(o.Pools).Draw(t, "pools")
		shuffled.Workers = rapid.Permutation(o.Workers).Draw(t, "workers")
		shuffled.Speeds = rapid.Permutation(o.Speeds).Draw(t, "speeds")
		shuffled.Memory.Pools = rapid.Permutation(o.Memory.Pools).Draw(t, "memory")
		shuffled.Memory.Speeds = rapid.Permutation(o.Memory.Speeds).Draw(t, "learned")
		shuffledPolicy.Pools = rapid.Permutation(policy.Pools).Draw(t, "pool documents")
		shuffledPolicy.Queues = rapid.Permutation(policy.Queues).Draw(t, "queue documents")
		want, got := Compute(o, policy, midnight), Compute(shuffled, shuffledPolicy, midnight)
		if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// With a steady input the plan settles and then stays: carrying it out a few times over, as often as steps have to double, comes to a point where the next is the same.
func TestComputeSettles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, policy := drawWorld(t)
		lively := rapid.Bool().Draw(t, "workers come and take shards")
		var last orchestrator.Plan
		for range 12 {
			last = Compute(o, policy, midnight)
			o = applied(o, last)
			if lively {
				o = lived(o, policy, last)
			}
		}
		next := Compute(o, policy, midnight)
		for i, p := range next.Pools {
			if p.Replicas != last.Pools[i].Replicas {
				t.Fatalf("pool %s still moves:\n%s\n%s", p.Name, explainPool(last.Pools[i]), explainPool(p))
			}
		}
		if diff := cmp.Diff(last.Open, next.Open); diff != "" {
			t.Fatalf("open jobs still change (-last +next):\n%s", diff)
		}
		if diff := cmp.Diff(last.Memory.Pools, next.Memory.Pools); diff != "" {
			t.Fatalf("the memory still changes (-last +next):\n%s", diff)
		}
		if !reflect.DeepEqual(last.Workers, next.Workers) {
			t.Fatalf("assignments still change (-last +next):\n%s", cmp.Diff(last.Workers, next.Workers))
		}
	})
}

// lived is the observation a while after the plan was carried out: workers that were told to drain are gone, those that were bought are there,
// and each holds a shard of the first job it was given.
func lived(o orchestrator.Observation, policy orchestrator.Policy, plan orchestrator.Plan) orchestrator.Observation {
	first := map[string]*orchestrator.Order{}
	for _, one := range plan.Workers {
		if len(one.Jobs) > 0 {
			first[one.Worker] = one.Jobs[0]
		}
	}
	var workers []orchestrator.WorkerView
	taken := map[string]bool{}
	for _, one := range o.Workers {
		if one.Draining || one.State == orchestrator.WorkerDraining {
			continue
		}
		one.State, one.Job = orchestrator.WorkerIdle, ""
		if order, has := first[one.ID]; has {
			one.State, one.Job, one.Model = orchestrator.WorkerBusy, order.ID, order.Model
		}
		workers = append(workers, one)
		taken[fmt.Sprintf("%s/%d", one.Pool, one.Slot)] = true
	}
	for _, p := range plan.Pools {
		slots := 1
		for _, one := range policy.Pools {
			if one.Name == p.Name {
				slots = max(one.SlotsPerReplica, 1)
			}
		}
		for slot := range min(p.Replicas*slots, 60) {
			if id := fmt.Sprintf("%s/%d", p.Name, slot); !taken[id] {
				workers = append(workers, orchestrator.WorkerView{ID: id, Pool: p.Name, Slot: slot, State: orchestrator.WorkerStarting})
			}
		}
	}
	o.Workers = workers
	return o
}

// A worker that holds a shard is drained only after every idle one, and no more replicas are drained than have to go.
func TestComputeDrainsTheIdleFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 12).Draw(t, "workers")
		most := rapid.IntRange(0, 12).Draw(t, "most")
		o := orchestrator.Observation{Pools: []orchestrator.PoolView{{Name: "a", Replicas: count, Reading: orchestrator.Reading{At: midnight}}}}
		policy := orchestrator.Policy{Pools: []orchestrator.PoolPolicy{{Name: "a", Max: most, Min: most}}}
		busy := 0
		for i := range count {
			one := orchestrator.WorkerView{ID: fmt.Sprintf("w%02d", i), Pool: "a", Slot: i, State: orchestrator.WorkerIdle}
			if rapid.Bool().Draw(t, "busy") {
				one.State, busy = orchestrator.WorkerBusy, busy+1
			}
			o.Workers = append(o.Workers, one)
		}
		drained, busyDrained := 0, 0
		for i, one := range Compute(o, policy, midnight).Workers {
			if one.Drain {
				drained++
				if o.Workers[i].State == orchestrator.WorkerBusy {
					busyDrained++
				}
			}
		}
		if want := max(count-most, 0); drained != want || busyDrained != max(want-(count-busy), 0) {
			t.Fatalf("%d of %d drained, %d of the %d busy; at most %d stay", drained, count, busyDrained, busy, most)
		}
	})
}

// Where more queues share a pool than a list is long, every queue is still the first of some worker.
func TestComputeGivesEveryQueueAWorker(t *testing.T) {
	t.Parallel()
	const queues = 3 * mostOrders
	o := orchestrator.Observation{Pools: []orchestrator.PoolView{{Name: "a", Replicas: queues, Reading: orchestrator.Reading{At: midnight}}}}
	policy := orchestrator.Policy{Pools: []orchestrator.PoolPolicy{{Name: "a", Max: queues}}}
	for i := range queues {
		name := fmt.Sprintf("q%03d", i)
		policy.Queues = append(policy.Queues, orchestrator.QueuePolicy{Name: name, Pools: []string{"a"}, MaxOpenJobs: 1})
		o.Jobs = append(o.Jobs, orchestrator.JobView{
			JobKey: orchestrator.JobKey{Queue: name, ID: "j" + name}, State: orchestrator.JobRunning, Model: model(name), ShardsLeft: 9, RowsLeft: -1, RowsUncut: -1,
		})
		o.Workers = append(o.Workers, orchestrator.WorkerView{ID: name, Pool: "a", Slot: i, State: orchestrator.WorkerIdle})
	}
	first := map[string]bool{}
	for _, one := range Compute(o, policy, midnight).Workers {
		if len(one.Jobs) != mostOrders {
			t.Fatalf("a list of %d jobs", len(one.Jobs))
		}
		first[one.Jobs[0].Queue] = true
	}
	if len(first) != queues {
		t.Errorf("%d of %d queues come first anywhere", len(first), queues)
	}
}

// TestEveryStepMatters takes each step out of the list and expects at least one plan of the transcripts to change.
func TestEveryStepMatters(t *testing.T) {
	t.Parallel()
	moments := recorded(t)
	if len(moments) < 20 {
		t.Fatalf("only %d plans in testdata", len(moments))
	}
	for i, left := range steps {
		without := slices.Delete(slices.Clone(steps), i, i+1)
		matters := false
		for _, m := range moments {
			whole, part := decide(m.observation, m.policy, m.now, steps).plan(), decide(m.observation, m.policy, m.now, without).plan()
			matters = matters || !reflect.DeepEqual(whole, part)
		}
		if !matters {
			t.Errorf("no transcript shows what step %q is for", left.name)
		}
	}
}

// recorded are the moments at which the transcripts make a plan.
func recorded(t *testing.T) []moment {
	t.Helper()
	paths, err := filepath.Glob("testdata/plans/*")
	if err != nil {
		t.Fatal(err)
	}
	var all []moment
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := &story{}
		datadriven.RunTestFromString(t, string(text), func(t *testing.T, d *datadriven.TestData) string { s.command(t, d); return d.Expected })
		all = append(all, s.moments...)
	}
	return all
}
