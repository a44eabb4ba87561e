package planner

import (
	"fmt"
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/capacity"
)

// observeSpot remembers how the capacity of spot pools comes and goes.
func observeSpot(w *world) {
	for _, p := range w.pools {
		if p.policy.CapacityType == orchestrator.CapacitySpot && p.doubt == "" && p.view.Available != nil {
			prior := w.priorOf(p)
			p.memory.Spot = capacity.Observe(&prior, p.memory.Spot, w.now, *p.view.Available > 0)
			p.memory.Spot.Grants = capacity.ObserveGrants(&prior, p.memory.Spot.Grants, w.now, p.granted())
		}
	}
}

// priorOf is what is believed of a pool's spot capacity before its memory says more.
func (w *world) priorOf(p *pool) orchestrator.SpotPrior {
	return capacity.Scaled(w.prior, p.policy.TimeScale)
}

// granted is how many spot workers there may be: what the provider would run; where nobody knows, what the pool may have.
func (p *pool) granted() int {
	replicas := p.policy.Max
	if p.view.Available != nil {
		replicas = min(max(*p.view.Available, 0), replicas)
	}
	return min(replicas*p.slots(), endless)
}

// kept is how long the pool's spot capacity usually stays, as far as that was seen; 0: it never went.
func (p *pool) kept() time.Duration {
	up := p.memory.Spot.Up
	if up.Runs == 0 {
		return 0
	}
	unit := capacity.Scaled(orchestrator.SpotPrior{}, p.policy.TimeScale)
	return ofSeconds(capacity.Basis(&unit).Seconds() * math.Exp(up.MeanLog)).Round(time.Millisecond)
}

// belief says in words what is believed of a spot pool.
func (w *world) belief(p *pool) string {
	memory := p.memory.Spot
	if memory.Since.IsZero() {
		return "nothing is known of its spot capacity"
	}
	state, ended := "is not there", memory.Down
	if memory.Available {
		state, ended = "is there", memory.Up
	}
	prior := w.priorOf(p)
	chance := capacity.Stay(&prior, memory, w.now, w.interval)
	return fmt.Sprintf("spot capacity %s since %s and stays so for another %s with a chance of %.1f %% (%s so far, of some %s)",
		state, clock(memory.Since), span(w.interval.Seconds()), 100*chance, counted(ended.Runs, "such time"), span(capacity.Basis(&prior).Seconds()*math.Exp(ended.MeanLog)))
}

// beliefOfMany says in words what is believed of the number of workers that a spot pool grants.
func (w *world) beliefOfMany(p *pool, granted, width int) string {
	memory := p.memory.Spot.Grants
	if memory.At.IsZero() {
		return "nothing is known of its spot capacity"
	}
	prior := w.priorOf(p)
	chance := capacity.StayGranted(&prior, memory, w.now, granted, width, w.interval)
	return fmt.Sprintf("spot capacity for %d of %s is there, and stays so for another %s with a chance of %.1f %% (%.1f on average of the last looks, of which %.0f %% saw a change)",
		granted, counted(width, "worker"), span(w.interval.Seconds()), 100*chance, memory.Mean, 100*memory.Changes)
}

// DefaultPrior is what is believed of spot capacity where nothing was fitted.
var DefaultPrior = capacity.DefaultPrior

// Fit fits a prior to what was seen of other pools, every ten minutes.
func Fit(name string, histories [][]bool) (orchestrator.SpotPrior, error) {
	list := make([]capacity.History, len(histories))
	for i, history := range histories {
		list[i] = history
	}
	return capacity.Fit(name, list)
}

// Grants is how many of so many workers a pool granted, every ten minutes.
type Grants = capacity.GrantHistory

// FitGrants fits a prior to how many workers other pools granted, for tables of many workers.
func FitGrants(name string, histories []Grants) (orchestrator.SpotPrior, error) {
	return capacity.FitGrants(name, histories)
}

// Solve makes a table that a Plan asked for. It takes seconds; Compute only looks up.
func Solve(parameters orchestrator.TableParameters) (*orchestrator.Table, error) {
	return capacity.Solve(parameters)
}

// ladder are the ticks of tables: few, so that queues share them, and so that one goes on being of use while its deadline comes nearer.
var ladder = []time.Duration{
	5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour,
}

const (
	mostTableTicks = 500 // bounds a table
	startsOfTick   = 50  // the start of a table is rounded up to such a part of its tick
)

// tableFor is what a table would have to be made for: with the shortest tick of the ladder that is not below the interval, not so short that the table is too
// large, nor a start too many ticks.
func (w *world) tableFor(a *capacity.Account, onDemand float64, prior orchestrator.SpotPrior) orchestrator.TableParameters {
	tick, phases := w.interval, time.Duration(capacity.MostPhases)
	if a.Width > 1 {
		phases = 1
	}
	if least := max(w.interval, a.Until/mostTableTicks, (a.Start+phases-1)/phases); least > tick {
		tick = ladder[len(ladder)-1]
		for _, step := range ladder {
			if step >= least {
				tick = step
				break
			}
		}
	}
	grain := max(tick/startsOfTick, 1)
	p := orchestrator.TableParameters{
		Tick: tick, Ticks: int(a.Until / tick), Work: a.Left, Start: (a.Start + grain - 1) / grain * grain, OnDemand: onDemand, Prior: prior,
	}
	if p.Prior.Grants = (orchestrator.GrantPrior{}); a.Width > 1 {
		p.Width, p.Work, p.Start, p.Prior.Grants = a.Width, 0, min(p.Start, p.Tick), prior.Grants
	}
	return p
}
