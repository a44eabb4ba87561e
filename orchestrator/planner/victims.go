package planner

import (
	"cmp"
	"math"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// loss is what would be lost with a replica: consumers that may not go, workers that hold shards first, since what they hold would be done later or twice, then seconds of workers that were paid for and would have to be paid for again.
type loss struct {
	stays   int
	busy    int
	seconds float64
}

// leastLost puts the replicas whose end loses least first; among equal ones the highest slot.
func (p *pool) leastLost(now time.Time, groups []*group) {
	loads := p.neededLoads()
	for _, g := range groups {
		if g.stays {
			g.lost.stays = 1
		}
		for _, one := range g.workers {
			if one.busy() || one.turns {
				g.lost.busy++
			}
			g.lost.seconds += one.lost(p, loads, now)
		}
	}
	slices.SortStableFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.lost.stays, b.lost.stays), cmp.Compare(a.lost.busy, b.lost.busy), cmp.Compare(a.lost.seconds, b.lost.seconds), cmp.Compare(b.replica, a.replica))
	})
}

// neededLoads are the seconds that each model takes to load which an open job of the pool needs or a peak will, at least one: that it is loaded is worth something.
func (p *pool) neededLoads() map[orchestrator.ModelRef]float64 {
	loads := map[orchestrator.ModelRef]float64{}
	for _, j := range p.line {
		if j.open && j.hasWork() {
			loads[j.view.Model] = math.Max(math.Max(loads[j.view.Model], j.speed.load), 1)
		}
	}
	for _, r := range p.reserves {
		loads[r.peak.view.Model] = math.Max(math.Max(loads[r.peak.view.Model], r.peak.speed.load), 1)
	}
	return loads
}

// lost are the seconds that went into the worker: its start as far as it is known, and the load of a model that is needed. Of a load that goes on it is half, since nobody says how far it is.
func (w *worker) lost(p *pool, loads map[orchestrator.ModelRef]float64, now time.Time) float64 {
	start, load := p.start(), loads[w.view.Model]
	switch {
	case w.view.State == orchestrator.WorkerFailed || w.view.LoadFailures > 0:
		return 0
	case w.view.State == orchestrator.WorkerStarting && w.view.Asked.IsZero():
		return 0
	case w.view.State == orchestrator.WorkerStarting:
		return math.Min(math.Max(now.Sub(w.view.Asked).Seconds(), 0), start)
	case w.view.State == orchestrator.WorkerLoading:
		return start + load/2
	}
	return start + load
}
