package simulate

import (
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// PlannedRequests lets planner.Compute decide about requests for models: each model is a queue with a backlog. The policy remembers, so that each run needs its own.
func (i Installation) PlannedRequests(world *RequestWorld) (RequestPolicy, error) {
	p := &plannedRequests{Installation: i, world: world, queues: map[string]int{}, rates: make([]arrivalRates, len(world.Models))}
	if len(i.Policy.Pools) != 1 || len(i.Policy.Queues) != len(world.Models) {
		return nil, fmt.Errorf("a simulated installation for requests has one pool and a queue for each of %d models, not %d and %d", len(world.Models), len(i.Policy.Pools), len(i.Policy.Queues))
	}
	for model, one := range world.Models {
		p.queues[one.Name] = model
	}
	for _, one := range i.Policy.Queues {
		if _, has := p.queues[one.Name]; !has {
			return nil, fmt.Errorf("queue %s has no model of that name", one.Name)
		}
	}
	p.backlogs = make([]orchestrator.BacklogView, len(world.Models))
	p.waiting = make([][]orchestrator.Arrival, len(world.Models))
	for _, q := range i.Policy.Queues {
		model := p.queues[q.Name]
		p.backlogs[model] = orchestrator.BacklogView{Tenant: q.Tenant, Queue: q.Name, Model: orchestrator.ModelRef{Name: q.Name}}
	}
	for worker := range world.Workers {
		p.workers = append(p.workers, fmt.Sprintf("worker-%d", worker))
	}
	return p.decide, nil
}

type plannedRequests struct {
	Installation
	world    *RequestWorld
	queues   map[string]int // model
	backlogs []orchestrator.BacklogView
	waiting  [][]orchestrator.Arrival
	rates    []arrivalRates
	workers  []string
	there    []int // the workers of the observation
	memory   orchestrator.Memory
}

// arrivalRates counts what came lately.
type arrivalRates struct {
	all         []time.Duration
	recent, day int // the first of the last ten minutes, and of the last day
}

func (r *arrivalRates) of(now time.Duration) (recent, daily float64) {
	for r.recent < len(r.all) && r.all[r.recent] <= now-10*time.Minute {
		r.recent++
	}
	for r.day < len(r.all) && r.all[r.day] <= now-24*time.Hour {
		r.day++
	}
	over := func(length time.Duration) float64 { return max(min(length, now), time.Second).Seconds() }
	return float64(len(r.all)-r.recent) / over(10*time.Minute), float64(len(r.all)-r.day) / over(24*time.Hour)
}

func (p *plannedRequests) decide(view *RequestView) RequestDecision {
	now := beginning.Add(view.Now)
	plan := planner.Compute(p.observe(view, now), p.Policy, now)
	p.memory = plan.Memory
	decision := RequestDecision{Serve: make([]int, len(view.Workers)), Within: make([]time.Duration, len(view.Workers)), Check: plan.NextCheck.Sub(beginning)}
	for i := range decision.Serve {
		decision.Serve[i] = -1
	}
	if view.World.Start > 0 {
		decision.Stay = make([]bool, len(view.Workers))
	}
	staying := 0
	for at, one := range plan.Workers {
		i := p.there[at]
		if len(one.Jobs) > 0 {
			decision.Serve[i], decision.Within[i] = p.queues[one.Jobs[0].Queue], one.Jobs[0].Within
		}
		if decision.Stay != nil && !one.Drain {
			decision.Stay[i] = true
			staying++
		}
	}
	for i := range decision.Stay {
		if view.Workers[i].Away && staying < plan.Pools[0].Replicas {
			decision.Stay[i] = true
			staying++
		}
	}
	return decision
}

// observe puts the view in the planner's terms.
func (p *plannedRequests) observe(view *RequestView, now time.Time) orchestrator.Observation {
	read := orchestrator.Reading{At: now, Source: "simulation"}
	observation := orchestrator.Observation{
		Speeds: p.Speeds, Memory: p.memory, Backlogs: p.backlogs, Workers: make([]orchestrator.WorkerView, 0, len(view.Workers)),
	}
	p.there = p.there[:0]
	for model, came := range view.Arrived {
		b := &p.backlogs[model]
		b.Reading = read
		p.follow(model, came, view.Waiting[model])
		b.Waiting = p.waiting[model]
		b.RecentRate, b.DailyRate = p.rates[model].of(view.Now)
		b.Held = 0
	}
	for i, one := range view.Workers {
		if one.Away {
			continue
		}
		worker := orchestrator.WorkerView{ID: p.workers[i], Pool: p.Policy.Pools[0].Name, Slot: i, State: orchestrator.WorkerIdle, Since: beginning.Add(one.Since), Seen: now}
		if one.Model >= 0 {
			worker.Model = orchestrator.ModelRef{Name: p.world.Models[one.Model].Name}
		}
		if one.Busy {
			worker.State, worker.Job = orchestrator.WorkerBusy, "backlog"
			p.backlogs[one.Model].Held++
		}
		if one.Loading {
			worker.State = orchestrator.WorkerLoading
		}
		if one.Starting {
			worker.State, worker.Asked = orchestrator.WorkerStarting, beginning.Add(one.Asked)
		}
		observation.Workers, p.there = append(observation.Workers, worker), append(p.there, i)
	}
	observation.Pools = []orchestrator.PoolView{{Name: p.Policy.Pools[0].Name, Reading: read, Replicas: len(observation.Workers)}}
	return observation
}

// follow keeps the list of a model's waiting requests in the planner's terms.
func (p *plannedRequests) follow(model, came int, waiting []time.Duration) {
	rates := &p.rates[model]
	fresh := came - len(rates.all)
	rates.all = append(rates.all, waiting[len(waiting)-fresh:]...)
	if fresh > 0 || len(waiting) != len(p.waiting[model]) {
		list := p.waiting[model][:0]
		for _, at := range waiting {
			list = append(list, orchestrator.Arrival{At: beginning.Add(at), Rows: 1})
		}
		p.waiting[model] = list
	}
}
