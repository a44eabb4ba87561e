package simulate

import (
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// happen lets everything happen that is due: work ends, replicas are lost and granted, jobs arrive, and workers take what they were told to.
func (c *course) happen() {
	for _, f := range c.fleets {
		for _, one := range f.hands() {
			one.finish(c)
		}
	}
	for _, f := range c.fleets {
		f.lose(c.now)
		f.leave(c.now)
		f.buy(c.now)
	}
	for len(c.waiting) > 0 && !c.waiting[0].At.After(c.now) {
		one := newTask(c.waiting[0])
		c.waiting = c.waiting[1:]
		c.jobs, c.byID[one.ID] = append(c.jobs, one), one
		if one.Rows <= 0 {
			one.report.Finished = c.now
		}
	}
	c.pull()
}

func (c *course) pull() {
	for _, f := range c.fleets {
		for _, one := range f.hands() {
			one.work(c)
		}
	}
}

// decide asks the planner, and once more when it lacked a table.
func (c *course) decide() orchestrator.Plan {
	c.decisions++
	c.memory = planner.Learn(c.memory, c.facts)
	c.facts = nil
	observation := c.observe()
	plan := planner.Compute(observation, c.Policy, c.now)
	if len(plan.Tables) > 0 {
		for _, lacking := range plan.Tables {
			observation.Tables = append(observation.Tables, c.Tables.solve(lacking))
		}
		plan = planner.Compute(observation, c.Policy, c.now)
	}
	c.memory = plan.Memory
	return plan
}

// observe puts the world in the planner's terms.
func (c *course) observe() orchestrator.Observation {
	observation := orchestrator.Observation{Speeds: c.Speeds, Memory: c.memory, Tables: c.Tables.all()}
	for _, job := range c.jobs {
		if !job.done() {
			observation.Jobs = append(observation.Jobs, job.view())
		}
	}
	read := orchestrator.Reading{At: c.now, Source: "simulation"}
	for _, f := range c.fleets {
		view := orchestrator.PoolView{Name: f.policy.Name, Reading: read, Replicas: f.asked}
		if f.provider.Capacity != nil && f.policy.CapacityType == orchestrator.CapacitySpot {
			available := f.capacity(c.now)
			view.Available = &available
		}
		observation.Pools = append(observation.Pools, view)
		for _, one := range f.hands() {
			observation.Workers = append(observation.Workers, one.view(c.now))
		}
	}
	return observation
}

func (h *hand) view(now time.Time) orchestrator.WorkerView {
	view := orchestrator.WorkerView{
		ID: h.id, Pool: h.fleet.policy.Name, Slot: h.slot, State: h.state, Model: orchestrator.ModelRef{Name: h.model}, Draining: h.drain, Seen: now,
	}
	switch h.state {
	case orchestrator.WorkerStarting:
		view.Asked = h.asked
	case orchestrator.WorkerBusy:
		view.Job = h.job.ID
	}
	return view
}

// apply opens jobs, tells workers what to do, and asks for replicas.
func (c *course) apply(plan orchestrator.Plan) {
	for _, key := range plan.Open {
		c.byID[key.ID].open = true
	}
	for _, job := range plan.Jobs {
		if job.ShardRows > 0 {
			c.byID[job.ID].shardRows = job.ShardRows
		}
	}
	told := make(map[string]orchestrator.Assignment, len(plan.Workers))
	for _, one := range plan.Workers {
		told[one.Worker] = one
	}
	sizes := make(map[string]int, len(plan.Pools))
	for _, pool := range plan.Pools {
		sizes[pool.Name] = pool.Replicas
	}
	for _, f := range c.fleets {
		for _, one := range f.hands() {
			one.orders, one.drain = told[one.id].Jobs, one.drain || told[one.id].Drain
		}
		f.leave(c.now)
		f.resize(c.now, sizes[f.policy.Name])
	}
	c.pull()
}

// next is when something happens next, at the latest when the planner wants to look again.
func (c *course) next(check time.Time) time.Time {
	next := c.End
	sooner := func(at time.Time) {
		if at.After(c.now) && at.Before(next) {
			next = at
		}
	}
	sooner(check)
	if len(c.waiting) > 0 {
		sooner(c.waiting[0].At)
	}
	for _, f := range c.fleets {
		f.events(c.now, sooner)
	}
	return next
}
