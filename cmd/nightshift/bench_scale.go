package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// planScale is one run of bench plan-scale.
type planScale struct {
	queues, pools, workers, rounds int
	seed                           uint64
}

// scaleReport is what it prints: of one decision, the median of several.
type scaleReport struct {
	Queues  int        `json:"queues"`
	Pools   int        `json:"pools"`
	Workers int        `json:"workers"`
	Jobs    int        `json:"jobs"`
	Rounds  int        `json:"rounds"`
	Seed    uint64     `json:"seed"`
	Rows    []scaleRow `json:"rows"`
}

type scaleRow struct {
	Cell        string  `json:"cell"` // QUEUES/POOLS/WORKERS
	Policy      string  `json:"policy"`
	Seconds     float64 `json:"seconds"`
	Least       float64 `json:"least_seconds"`
	Most        float64 `json:"most_seconds"`
	Allocations uint64  `json:"allocations"`
	Bytes       uint64  `json:"allocated_bytes"`
	HeapBytes   uint64  `json:"heap_bytes"` // in use with the observation and a plan
}

const jobsPerQueue = 5

func (p *program) benchScaleCommand() *cobra.Command {
	run := planScale{}
	var format *printFormat
	command := &cobra.Command{
		Use:   "plan-scale",
		Short: "Time one decision for many queues, pools and workers",
		Long: `Plan-scale makes a world of busy workers and queues with five jobs each, half of them with a deadline (synthetic, by seed), and times one decision of the
planner on one core: nothing is observed or applied.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return p.runBench(command, format, run.check(), func() (benchReport, error) { return run.run(), nil })
		},
	}
	flags := command.Flags()
	flags.IntVar(&run.queues, "queues", 1000, "queues, with five jobs each")
	flags.IntVar(&run.pools, "pools", 200, "pools")
	flags.IntVar(&run.workers, "workers", 20_000, "workers")
	flags.IntVar(&run.rounds, "rounds", 20, "decisions that are timed")
	flags.Uint64Var(&run.seed, "seed", 1, "seed of the world")
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// check says what is wrong with the flags.
func (s planScale) check() string {
	for _, flag := range []struct {
		name  string
		value int
	}{{"queues", s.queues}, {"pools", s.pools}, {"workers", s.workers}, {"rounds", s.rounds}} {
		if flag.value < 1 || flag.value > 1_000_000 {
			return fmt.Sprintf("--%s: %d; allowed: 1 to 1000000", flag.name, flag.value)
		}
	}
	return ""
}

func (s planScale) run() *scaleReport {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	now := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	observation, policy := s.world(now)
	row := scaleRow{Cell: fmt.Sprintf("%d/%d/%d", s.queues, s.pools, s.workers), Policy: ours}
	var times []float64
	var before, after runtime.MemStats
	plan := planner.Compute(observation, policy, now) // the first is not timed
	runtime.ReadMemStats(&before)
	for range s.rounds {
		began := time.Now()
		plan = planner.Compute(observation, policy, now)
		times = append(times, time.Since(began).Seconds())
	}
	runtime.ReadMemStats(&after)
	row.Allocations, row.Bytes = (after.Mallocs-before.Mallocs)/uint64(s.rounds), (after.TotalAlloc-before.TotalAlloc)/uint64(s.rounds)
	runtime.GC()
	runtime.ReadMemStats(&after)
	row.HeapBytes = after.HeapAlloc
	runtime.KeepAlive(plan)
	slices.Sort(times)
	row.Seconds, row.Least, row.Most = times[len(times)/2], times[0], times[len(times)-1]
	return &scaleReport{Queues: s.queues, Pools: s.pools, Workers: s.workers, Jobs: len(observation.Jobs), Rounds: s.rounds, Seed: s.seed, Rows: []scaleRow{row}}
}

// world is what a large installation looks like at one moment.
func (s planScale) world(now time.Time) (orchestrator.Observation, orchestrator.Policy) {
	random := rand.New(rand.NewPCG(s.seed, 0))
	var o orchestrator.Observation
	policy := orchestrator.Policy{StaleAfter: time.Minute}
	pool := func(i int) string { return fmt.Sprintf("pool-%d", i%s.pools) }
	model := func(i int) orchestrator.ModelRef {
		name := fmt.Sprintf("model-%d", i%50)
		return orchestrator.ModelRef{Name: name, Digest: name}
	}
	for i := range s.pools {
		policy.Pools = append(policy.Pools, orchestrator.PoolPolicy{
			Name: pool(i), CapacityType: orchestrator.CapacityOnDemand, Max: 2*s.workers/s.pools + 1, SlotsPerReplica: 1, StartSeconds: 60, ScaleDownDelay: 5 * time.Minute,
			Price: orchestrator.Money{Micros: 3_600_000, Currency: "USD"},
		})
		o.Pools = append(o.Pools, orchestrator.PoolView{Name: pool(i), Replicas: s.workers / s.pools, Reading: orchestrator.Reading{At: now}})
	}
	for i := range s.queues {
		name := fmt.Sprintf("queue-%d", i)
		policy.Queues = append(policy.Queues, orchestrator.QueuePolicy{Name: name, Tenant: "t", Pools: []string{pool(i), pool(i + 7)}, MaxOpenJobs: 2, Weight: 1})
		o.Speeds = append(o.Speeds, orchestrator.Speed{Model: model(i).Name, Pool: pool(i), RowsPerSecond: 1000, LoadSeconds: 30, Basis: "profile"})
		for j := range jobsPerQueue {
			rows := int64(random.IntN(1e8))
			one := orchestrator.JobView{
				JobKey: orchestrator.JobKey{Tenant: "t", Queue: name, ID: fmt.Sprintf("job-%d-%d", i, j)}, State: orchestrator.JobQueued, Model: model(i),
				Submitted: now.Add(-time.Duration(random.IntN(3600)) * time.Second), RowsTotal: rows, RowsLeft: rows, RowsUncut: rows, RowBytes: 300, BatchRows: 64,
			}
			if j < 2 {
				one.State, one.ShardsLeft = orchestrator.JobRunning, 100
			}
			if j%2 == 0 {
				one.Deadline = now.Add(time.Duration(1+random.IntN(10)) * time.Hour)
			}
			o.Jobs = append(o.Jobs, one)
		}
	}
	for i := range s.workers {
		job := o.Jobs[(i%s.queues)*jobsPerQueue]
		o.Workers = append(o.Workers, orchestrator.WorkerView{
			ID: fmt.Sprintf("worker-%d", i), Pool: pool(i), Slot: i / s.pools, State: orchestrator.WorkerBusy, Model: job.Model, Job: job.ID, Seen: now,
		})
	}
	return o, policy
}

func (r *scaleReport) print(out screen) error {
	fmt.Fprintf(out, "%d queues, %d jobs, %d pools, %d workers (synthetic, seed %d), one core, %d decisions\n\n", r.Queues, r.Jobs, r.Pools, r.Workers, r.Seed, r.Rounds)
	list := [][]cell{cells("ONE DECISION", "LEAST..MOST", "ALLOCATIONS", "ALLOCATED", "HEAP WITH IT")}
	for _, row := range r.Rows {
		list = append(list, cells(milliseconds(row.Seconds), milliseconds(row.Least)+".."+milliseconds(row.Most), number(int64(row.Allocations)), bytesText(int64(row.Bytes)), bytesText(int64(row.HeapBytes))))
	}
	return out.table(list)
}
