package metrics

import "nightshift.dev/nightshift/orchestrator"

// workerStates are all that a worker may be in.
var workerStates = []orchestrator.WorkerState{
	orchestrator.WorkerStarting, orchestrator.WorkerLoading, orchestrator.WorkerBusy, orchestrator.WorkerIdle, orchestrator.WorkerDraining, orchestrator.WorkerFailed,
	orchestrator.WorkerUnknown,
}

// pools are as they were when decided on, and as they shall be.
func (s scrape) pools(policy orchestrator.Policy, last *decision) {
	states := map[string]map[orchestrator.WorkerState]int{}
	for _, worker := range last.observation.Workers {
		if states[worker.Pool] == nil {
			states[worker.Pool] = map[orchestrator.WorkerState]int{}
		}
		state := worker.State
		if worker.Draining {
			state = orchestrator.WorkerDraining
		}
		states[worker.Pool][state]++
	}
	wanted := map[string]orchestrator.PoolPlan{}
	for _, pool := range last.plan.Pools {
		wanted[pool.Name] = pool
	}
	views := map[string]orchestrator.PoolView{}
	for _, view := range last.observation.Pools {
		views[view.Name] = view
	}
	for _, pool := range policy.Pools {
		if plan, planned := wanted[pool.Name]; planned {
			s.wanted(pool, plan)
		}
		if view, seen := views[pool.Name]; seen && view.Reading.Err == "" && last.plan.At.Sub(view.Reading.At) <= policy.StaleAfter {
			s.present(pool, view)
		}
		for _, state := range workerStates {
			s.gauge(workers, float64(states[pool.Name][state]), pool.Name, string(pool.CapacityType), string(state))
		}
	}
}

// wanted is the size that was decided on, and by which rules.
func (s scrape) wanted(pool orchestrator.PoolPolicy, plan orchestrator.PoolPlan) {
	s.gauge(wantedReplicas, float64(plan.Replicas), pool.Name, string(pool.CapacityType))
	changes := map[string]int{}
	for _, reason := range plan.Reasons {
		changes[reason.Code] += reason.To - reason.From
	}
	for code, change := range changes {
		s.gauge(ruleReplicas, float64(change), pool.Name, string(pool.CapacityType), code)
	}
}

// present is what the engine says of the pool, and what it costs.
func (s scrape) present(pool orchestrator.PoolPolicy, view orchestrator.PoolView) {
	capacity := string(pool.CapacityType)
	s.gauge(replicas, float64(view.Replicas), pool.Name, capacity)
	if price := pool.PriceAt(s.now); price.Currency != "" {
		cost := price.Times(float64(view.Replicas))
		s.gauge(costPerHour, float64(cost.Micros)/1e6, pool.Name, capacity, price.Currency)
	}
	for _, phase := range view.Phases {
		s.gauge(startPhase, phase.Median, pool.Name, capacity, phase.Phase, "median")
		s.gauge(startPhase, phase.P95, pool.Name, capacity, phase.Phase, "p95")
	}
	if ledger := view.Ledger; !ledger.Since.IsZero() {
		s.counter(billedSeconds, ledger.Seconds, pool.Name, capacity)
		s.counter(takenWorkers, float64(ledger.Taken), pool.Name, capacity)
		s.counter(killedWorkers, float64(ledger.Killed), pool.Name, capacity)
		s.counter(refusals, float64(ledger.Refused), pool.Name, capacity)
	}
}
