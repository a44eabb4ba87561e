package simulate

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// Installation is what the planner is given besides a world: what its documents say, for one queue with a spot and an on-demand pool.
type Installation struct {
	Policy orchestrator.Policy
	Speeds []orchestrator.Speed // of the queue's model, on both pools, the same
	Tables *Tables
	// Past is how many spot workers would have been granted in the ticks before the world begins, when there was no job; negative: nobody looked.
	Past []int
}

// The world begins at this time.
var beginning = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Planned lets planner.Compute decide for one job in a world. The policy remembers, so that each job needs its own. The error says what the documents lack.
func (i Installation) Planned(world *World) (Policy, error) {
	if len(i.Policy.Queues) != 1 || len(i.Speeds) == 0 {
		return nil, errors.New("a simulated installation has one queue, and a model with a profile")
	}
	p := &planned{Installation: i, queue: i.Policy.Queues[0], speed: i.Speeds[0]}
	for _, pool := range i.Policy.Pools {
		if pool.CapacityType == orchestrator.CapacitySpot {
			p.spot = pool.Name
		} else {
			p.onDemand = pool.Name
		}
	}
	if p.spot == "" || p.onDemand == "" {
		return nil, errors.New("a simulated installation has a spot and an on-demand pool")
	}
	p.Policy.Interval = world.Gap
	p.watch(world.Gap)
	return p.decide, nil
}

type planned struct {
	Installation
	queue          orchestrator.QueuePolicy
	speed          orchestrator.Speed
	spot, onDemand string
	memory         orchestrator.Memory
}

// watch lets the planner see the past.
func (p *planned) watch(gap time.Duration) {
	for i, granted := range p.Past {
		now := beginning.Add(-time.Duration(len(p.Past)-i) * gap)
		pool := orchestrator.PoolView{Name: p.spot, Reading: orchestrator.Reading{At: now, Source: "simulation"}}
		if granted >= 0 {
			pool.Available = &granted
		}
		p.memory = planner.Compute(orchestrator.Observation{Pools: []orchestrator.PoolView{pool}, Memory: p.memory}, p.Policy, now).Memory
	}
}

// decide asks the planner, and once more when it lacked a table.
func (p *planned) decide(view View) Workers {
	now := beginning.Add(time.Duration(view.Tick) * view.World.Gap)
	observation := p.observe(view, now)
	plan := planner.Compute(observation, p.Policy, now)
	if len(plan.Tables) > 0 {
		for _, lacking := range plan.Tables {
			observation.Tables = append(observation.Tables, p.Tables.solve(lacking))
		}
		plan = planner.Compute(observation, p.Policy, now)
	}
	p.memory = plan.Memory
	var wanted Workers
	for _, pool := range plan.Pools {
		if pool.Name == p.spot {
			wanted.Spot = pool.Replicas
		} else {
			wanted.OnDemand = pool.Replicas
		}
	}
	return wanted
}

// observe puts the view in the planner's terms.
func (p *planned) observe(view View, now time.Time) orchestrator.Observation {
	rows := func(work time.Duration) int64 { return int64(work.Seconds()*p.speed.RowsPerSecond + .5) }
	job := orchestrator.JobView{
		JobKey: orchestrator.JobKey{Tenant: p.queue.Tenant, Queue: p.queue.Name, ID: "job"}, State: orchestrator.JobRunning, Model: orchestrator.ModelRef{Name: p.speed.Model},
		Submitted: beginning, Deadline: beginning.Add(time.Duration(view.World.Deadline) * view.World.Gap),
		RowsTotal: rows(view.World.Work), RowsLeft: rows(view.Left), RowsUncut: rows(view.Left), BatchRows: 1,
	}
	available := view.Granted
	read := orchestrator.Reading{At: now, Source: "simulation"}
	observation := orchestrator.Observation{
		Jobs: []orchestrator.JobView{job}, Speeds: p.Speeds, Memory: p.memory, Tables: p.Tables.all(),
		Pools: []orchestrator.PoolView{
			{Name: p.spot, Reading: read, Replicas: view.Spot, Available: &available}, {Name: p.onDemand, Reading: read, Replicas: view.OnDemand},
		},
	}
	for i, rest := range view.Starting {
		pool, slot := p.spot, i
		if i >= view.Spot {
			pool, slot = p.onDemand, i-view.Spot
		}
		worker := orchestrator.WorkerView{
			ID: fmt.Sprintf("%s-%d", pool, slot), Pool: pool, Slot: slot, State: orchestrator.WorkerIdle, Model: job.Model, Seen: now,
		}
		if rest > 0 {
			worker.State, worker.Model, worker.Asked = orchestrator.WorkerStarting, orchestrator.ModelRef{}, now.Add(rest-view.World.Start)
		}
		observation.Workers = append(observation.Workers, worker)
	}
	return observation
}

// mostTables bounds what is kept: some ten to forty megabytes each.
const mostTables = 8

// Tables solves each table once and keeps the last few. It is safe for concurrent use.
type Tables struct {
	mu   sync.Mutex
	kept []*solved // the newest last
}

type solved struct {
	parameters orchestrator.TableParameters
	once       sync.Once
	table      *orchestrator.Table
}

func (t *Tables) solve(parameters orchestrator.TableParameters) *orchestrator.Table {
	t.mu.Lock()
	var one *solved
	for _, kept := range t.kept {
		if kept.parameters == parameters {
			one = kept
		}
	}
	if one == nil {
		one = &solved{parameters: parameters}
		t.kept = append(t.kept, one)
		if len(t.kept) > mostTables {
			t.kept = append([]*solved(nil), t.kept[1:]...)
		}
	}
	t.mu.Unlock()
	one.once.Do(func() {
		table, err := planner.Solve(parameters)
		if err != nil {
			panic(err) // the planner asks only for what can be solved
		}
		t.mu.Lock()
		one.table = table
		t.mu.Unlock()
	})
	return one.table
}

// all are the tables that are ready.
func (t *Tables) all() (tables []*orchestrator.Table) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.kept {
		if one.table != nil {
			tables = append(tables, one.table)
		}
	}
	return tables
}
