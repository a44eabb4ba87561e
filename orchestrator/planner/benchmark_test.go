package planner

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// bigWorld has 1,000 queues with five jobs each, and 20,000 workers in so many pools.
func bigWorld(pools int) (orchestrator.Observation, orchestrator.Policy) {
	const queues, workers, jobsPerQueue = 1000, 20_000, 5
	random := rand.New(rand.NewPCG(1, 2))
	var o orchestrator.Observation
	policy := orchestrator.Policy{StaleAfter: time.Minute}
	for i := range pools {
		name := fmt.Sprintf("pool-%03d", i)
		policy.Pools = append(policy.Pools, orchestrator.PoolPolicy{
			Name: name, Max: 2 * workers / pools, SlotsPerReplica: 1, StartSeconds: 60, ScaleDownDelay: 5 * time.Minute, Price: orchestrator.Money{Micros: 3_600_000, Currency: "EUR"},
		})
		o.Pools = append(o.Pools, orchestrator.PoolView{Name: name, Replicas: workers / pools, Reading: orchestrator.Reading{At: midnight}})
	}
	for i := range queues {
		name, modelName := fmt.Sprintf("queue-%04d", i), fmt.Sprintf("model-%d", i%50)
		own, other := fmt.Sprintf("pool-%03d", i%pools), fmt.Sprintf("pool-%03d", (i+7)%pools)
		policy.Queues = append(policy.Queues, orchestrator.QueuePolicy{Name: name, Tenant: "acme", Pools: []string{own, other}, MaxOpenJobs: 2, Weight: 1})
		o.Memory.Speeds = append(o.Memory.Speeds, orchestrator.SpeedMemory{Model: modelName, Pool: own, RowsPerSecond: 1000, LoadSeconds: 30, Rows: 1e6})
		for j := range jobsPerQueue {
			one := orchestrator.JobView{
				JobKey: orchestrator.JobKey{Tenant: "acme", Queue: name, ID: fmt.Sprintf("job-%d-%d", i, j)}, State: orchestrator.JobQueued, Model: model(modelName),
				Submitted: midnight.Add(-time.Duration(random.IntN(3600)) * time.Second), RowsLeft: int64(random.IntN(1e8)), RowBytes: 300, BatchRows: 64,
			}
			if one.RowsUncut = one.RowsLeft; j < 2 {
				one.State, one.ShardsLeft = orchestrator.JobRunning, 100
			}
			if j%2 == 0 {
				one.Deadline = midnight.Add(time.Duration(1+random.IntN(10)) * time.Hour)
			}
			o.Jobs = append(o.Jobs, one)
		}
	}
	for i := range workers {
		job := o.Jobs[(i%queues)*jobsPerQueue]
		o.Workers = append(o.Workers, orchestrator.WorkerView{
			ID: fmt.Sprintf("worker-%05d", i), Pool: fmt.Sprintf("pool-%03d", i%pools), Slot: i / pools, State: orchestrator.WorkerBusy,
			Model: job.Model, Job: job.ID, Seen: midnight,
		})
	}
	return o, policy
}

func BenchmarkCompute(b *testing.B) {
	for _, pools := range []int{200, 1} {
		b.Run(fmt.Sprintf("queues=1000/workers=20000/pools=%d", pools), func(b *testing.B) {
			o, policy := bigWorld(pools)
			b.ReportAllocs()
			for b.Loop() {
				Compute(o, policy, midnight)
			}
		})
	}
}

// BenchmarkWaiting is what a decision and an estimate cost with many jobs that wait in one queue.
func BenchmarkWaiting(b *testing.B) {
	o, policy := bigWorld(1)
	o.Workers, o.Jobs = o.Workers[:2], o.Jobs[:0]
	for i := range 10_000 {
		o.Jobs = append(o.Jobs, orchestrator.JobView{
			JobKey: orchestrator.JobKey{Tenant: "acme", Queue: "queue-0001", ID: fmt.Sprintf("job-%05d", i*7919%10_000)}, State: orchestrator.JobQueued, Model: model("model-1"),
			Submitted: midnight.Add(time.Duration(i) * time.Millisecond), RowsLeft: 1000, RowsUncut: 1000, RowBytes: 100, BatchRows: 64,
		})
	}
	request := Request{Job: orchestrator.JobKey{Tenant: "acme", Queue: "queue-0001"}, Model: model("model-1"), Rows: 1000}
	b.Run("compute", func(b *testing.B) {
		for b.Loop() {
			Compute(o, policy, midnight)
		}
	})
	b.Run("condense", func(b *testing.B) {
		for b.Loop() {
			Condense(o.Jobs, 32)
		}
	})
	short := o
	short.Jobs = Condense(o.Jobs, 32)
	b.Run("estimate", func(b *testing.B) {
		for b.Loop() {
			Estimate(request, short, policy, midnight)
		}
	})
}

func TestComputeOfABigWorld(t *testing.T) {
	t.Parallel()
	o, policy := bigWorld(200)
	checkPlan(t, o, policy, midnight, Compute(o, policy, midnight))
}

// BenchmarkBacklog is what a decision costs for one queue with a backlog: the simulator takes 60,480 for a week.
func BenchmarkBacklog(b *testing.B) {
	policy := orchestrator.Policy{
		StaleAfter: time.Minute,
		Pools:      []orchestrator.PoolPolicy{{Name: "gpu", Max: 100, SlotsPerReplica: 1, StartSeconds: 462}},
		Queues:     []orchestrator.QueuePolicy{{Name: "items", Tenant: "acme", Pools: []string{"gpu"}, MaxOpenJobs: 1, FinishWithin: 15 * time.Minute}},
	}
	backlog := orchestrator.BacklogView{Tenant: "acme", Queue: "items", Model: model("bert"), Reading: orchestrator.Reading{At: midnight}, RecentRate: 8000}
	for i := range 80 {
		backlog.Waiting = append(backlog.Waiting, orchestrator.Arrival{At: midnight.Add(time.Duration(i-81) * 10 * time.Second), Rows: 80_000})
	}
	o := orchestrator.Observation{
		Backlogs: []orchestrator.BacklogView{backlog}, Speeds: []orchestrator.Speed{{Model: "bert", Pool: "gpu", RowsPerSecond: 1000, LoadSeconds: 45}},
		Pools: []orchestrator.PoolView{{Name: "gpu", Replicas: 10, Reading: orchestrator.Reading{At: midnight}}},
	}
	for i := range 10 {
		o.Workers = append(o.Workers, orchestrator.WorkerView{ID: fmt.Sprintf("worker-%02d", i), Pool: "gpu", Slot: i, State: orchestrator.WorkerIdle, Model: model("bert"), Seen: midnight})
	}
	b.ReportAllocs()
	for b.Loop() {
		Compute(o, policy, midnight)
	}
}
