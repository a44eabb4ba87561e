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
)

// starts is how long workers of a pool take from their request until they can load, in seconds.
type starts struct{ mean, deviation float64 }

// starts is what is believed now of several at a time: the mean and the deviation of those that were seen last, and of the prior.
func (p *pool) starts() starts {
	mean, deviation := priorMean*p.policy.StartSeconds, priorSpread*p.policy.StartSeconds
	count, sum, squares := float64(priorStarts), priorStarts*mean, priorStarts*(deviation*deviation+mean*mean)
	for _, one := range p.memory.Starts.Recent {
		one = saneSeconds(one)
		count, sum, squares = count+1, sum+one, squares+one*one
	}
	mean = sum / count
	return starts{mean, math.Sqrt(max(squares/count-mean*mean, 0))}
}

// start is how long one takes at most that is planned with, in seconds: the documented 0.95 quantile, then the measured one.
func (p *pool) start() float64 { return slow(p.memory.Starts.Recent, p.policy.StartSeconds) }

// tail is how many standard deviations above their mean starts are planned with.
const tail = 2

// lead is within what time a number of workers that start at a time do as much as planned: the sum of their starts varies less than each.
func (s starts) lead(workers int) float64 {
	return s.mean + tail*s.deviation/math.Sqrt(float64(max(workers, 1)))
}

// learnStarts takes the workers of each pool into its memory that started when they were last looked at and have started now.
func learnStarts(w *world) {
	for _, p := range w.pools {
		p.learnStarts(w.now)
	}
}

func (p *pool) learnStarts(now time.Time) {
	memory := &p.memory.Starts
	before := memory.Waiting
	memory.Waiting = nil
	for _, one := range p.workers {
		if one.view.State == orchestrator.WorkerStarting && !one.view.Asked.IsZero() {
			memory.Waiting = append(memory.Waiting, orchestrator.StartingWorker{ID: one.view.ID, Asked: one.view.Asked, Seen: now})
			continue
		}
		at, started := slices.BinarySearchFunc(before, one.view.ID, func(have orchestrator.StartingWorker, id string) int { return cmp.Compare(have.ID, id) })
		if started && one.view.State != orchestrator.WorkerFailed {
			p.learnStart(before[at], now)
		}
	}
	slices.SortFunc(memory.Waiting, func(a, b orchestrator.StartingWorker) int { return cmp.Compare(a.ID, b.ID) })
}

// sharpStart is the share of a start that it may have ended before it was seen to have ended.
const sharpStart = 0.1

// learnStart remembers when the start was seen to have ended, where that is when it ended, or is no longer than documented.
func (p *pool) learnStart(one orchestrator.StartingWorker, now time.Time) {
	took := now.Sub(one.Asked).Seconds()
	if now.Sub(one.Seen).Seconds() <= sharpStart*took || took <= p.policy.StartSeconds {
		p.memory.Starts.Recent = remember(p.memory.Starts.Recent, took)
	}
}
