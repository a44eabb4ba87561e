package planner

import (
	"cmp"
	"math"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// What is believed of a pool's starts before it has been seen: a distribution whose 0.95 quantile is what its document says. It counts as a few starts.
const (
	priorMean   = 0.7              // of the documented start time
	priorSpread = (1 - .7) / 1.645 // standard deviation, likewise
	priorStarts = 3
	leastWeight = 1.0 / 50 // of the newest start
)

// starts is how long workers of a pool take from their request until they can load, in seconds.
type starts struct{ mean, deviation float64 }

// starts is what is believed now.
func (p *pool) starts() starts {
	memory := p.memory.Starts
	if memory.Count <= 0 {
		return starts{priorMean * p.policy.StartSeconds, priorSpread * p.policy.StartSeconds}
	}
	return starts{saneSeconds(memory.Mean), math.Sqrt(saneSeconds(memory.Variance))}
}

// tail is how many standard deviations above their mean starts are planned with.
const tail = 2

// lead is within what time a number of workers that start at a time do as much as planned: the sum of their starts varies less than each.
func (s starts) lead(workers int) float64 {
	return s.mean + tail*s.deviation/math.Sqrt(float64(max(workers, 1)))
}

// learnStarts takes the workers of a pool into its memory that started when they were last looked at and have started now.
func (p *pool) learnStarts(now time.Time) {
	memory := &p.memory.Starts
	before := memory.Waiting
	memory.Waiting = nil
	for _, one := range p.workers {
		if one.view.State == orchestrator.WorkerStarting && !one.view.Asked.IsZero() {
			memory.Waiting = append(memory.Waiting, orchestrator.StartingWorker{ID: one.view.ID, Asked: one.view.Asked})
			continue
		}
		at, started := slices.BinarySearchFunc(before, one.view.ID, func(have orchestrator.StartingWorker, id string) int { return cmp.Compare(have.ID, id) })
		if started && one.view.State != orchestrator.WorkerFailed {
			p.learnStart(now.Sub(before[at].Asked).Seconds())
		}
	}
	slices.SortFunc(memory.Waiting, func(a, b orchestrator.StartingWorker) int { return cmp.Compare(a.ID, b.ID) })
}

// learnStart averages; the first averages begin with the prior.
func (p *pool) learnStart(took float64) {
	memory, have := &p.memory.Starts, p.starts()
	weight := max(leastWeight, 1/float64(max(memory.Count, 0)+priorStarts+1))
	off := saneSeconds(took) - have.mean
	memory.Mean = have.mean + weight*off
	memory.Variance = (1 - weight) * (have.deviation*have.deviation + weight*off*off)
	memory.Count++
}
