package simulate

import (
	"slices"
	"time"
)

// World is one job and what may be had while it runs.
type World struct {
	Gap       time.Duration // length of a tick
	Deadline  int           // in whole ticks from the start
	Width     int           // most workers at a time
	Work      time.Duration // of workers
	Start     time.Duration // of a worker, billed without progress
	Spot      float64       // price of a worker and hour
	OnDemand  float64       // likewise
	Available []int         // spot workers that are granted in each tick; beyond its end none
}

// granted is how many spot workers there may be in a tick.
func (w *World) granted(tick int) int {
	if tick >= len(w.Available) {
		return 0
	}
	return min(max(w.Available[tick], 0), w.Width)
}

// View is what a policy sees at the start of a tick, after losses and before its decision.
type View struct {
	World    *World // its future must not be looked at; Available[:Tick+1] may
	Tick     int
	Granted  int // spot workers that may run now
	Spot     int // that still run
	OnDemand int // that run
	Lost     int // spot workers that were lost just now
	Left     time.Duration
	// Starting is what the running workers have left of their starts, spot workers first, each type ascending.
	Starting []time.Duration
}

// Remaining is the number of ticks until the deadline, this one included.
func (v View) Remaining() int { return v.World.Deadline - v.Tick }

// Workers is a decision: how many run during the tick.
type Workers struct{ Spot, OnDemand int }

// Policy decides, once for each tick, in order. It may remember what it saw.
type Policy func(View) Workers

// Result is how a job went.
type Result struct {
	Cost  float64 // in the currency of the prices
	Ticks int     // until the work was done
	Late  bool
	Done  bool // false: given up long after the deadline
}

// patience is how many times its deadline a job may take before it is given up.
const patience = 4

// Run takes a job to its end. Decisions beyond what is granted, or beyond the width, are cut down, on-demand first.
func Run(world *World, policy Policy) Result {
	state := running{world: world, left: world.Work}
	result := Result{}
	for ; state.left > 0; result.Ticks++ {
		if result.Ticks >= patience*max(world.Deadline, 1) {
			return Result{Cost: result.Cost, Ticks: result.Ticks, Late: true}
		}
		granted := world.granted(result.Ticks)
		lost := max(len(state.spot)-granted, 0)
		state.spot = state.spot[:len(state.spot)-lost] // the youngest are lost: nobody knows better
		wanted := policy(View{
			World: world, Tick: result.Ticks, Granted: granted, Spot: len(state.spot), OnDemand: len(state.onDemand), Lost: lost, Left: state.left,
			Starting: slices.Concat(state.spot, state.onDemand),
		})
		wanted.Spot = min(max(wanted.Spot, 0), granted)
		wanted.OnDemand = min(max(wanted.OnDemand, 0), world.Width-wanted.Spot)
		state.spot = resize(state.spot, wanted.Spot, world.Start)
		state.onDemand = resize(state.onDemand, wanted.OnDemand, world.Start)
		result.Cost += state.tick()
	}
	result.Done, result.Late = true, result.Ticks > world.Deadline
	return result
}

// running is the state of a job: what each worker has left of its start, ascending.
type running struct {
	world          *World
	spot, onDemand []time.Duration
	left           time.Duration
}

// resize lets the workers with the longest rest of their start go, or starts new ones.
func resize(workers []time.Duration, count int, start time.Duration) []time.Duration {
	if count <= len(workers) {
		return workers[:count]
	}
	return append(workers, slices.Repeat([]time.Duration{start}, count-len(workers))...)
}

// tick lets the workers run for one and gives what that costs. In the last tick only those are billed that the work needs, the cheaper first.
func (r *running) tick() (cost float64) {
	hours := r.world.Gap.Hours()
	for _, group := range []struct {
		workers []time.Duration
		price   float64
	}{{r.spot, r.world.Spot}, {r.onDemand, r.world.OnDemand}} {
		for i, starting := range group.workers {
			if r.left <= 0 {
				return cost
			}
			cost += group.price * hours
			used := min(starting, r.world.Gap)
			group.workers[i] = starting - used
			r.left -= r.world.Gap - used
		}
	}
	return cost
}
