package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// PeakNights is a row of nights on each of which work is known to come at one time, and comes as Case says. Each lasts Night and has its peak in the middle.
type PeakNights struct {
	Count  int
	Night  time.Duration
	Tick   time.Duration
	Length time.Duration // in which it comes, evenly
	Work   float64       // seconds of one worker, expected
	Spread float64       // of the sizes: standard deviation of their logarithm
	Case   PeakCase
	Seed   uint64
}

// PeakCase is how what comes differs from what is known.
type PeakCase struct {
	Name  string
	After time.Duration // it comes so much later than known, or earlier
	Times float64       // as much of it
}

// PeakCases are those of docs/peaks.md.
func PeakCases() []PeakCase {
	return []PeakCase{
		{"on time", 0, 1}, {"early", -5 * time.Minute, 1}, {"late", 4 * time.Minute, 1}, {"very late", 20 * time.Minute, 1}, {"double", 0, 2}, {"missing", 0, 0},
	}
}

// night is how many ticks a night has.
func (n *PeakNights) night() int { return int(n.Night / n.Tick) }

// known is the known tick of the peak of a night.
func (n *PeakNights) known(night int) int { return night*n.night() + n.night()/2 }

// Flow is a world with these arrivals, and the ticks at which each peak begins.
func (n *PeakNights) Flow(flow Flow) (world Flow, begins []int) {
	random := rand.New(rand.NewPCG(n.Seed, 3))
	flow.Tick, flow.Arrivals = n.Tick, make([]float64, n.Count*n.night())
	length := max(int(n.Length/n.Tick), 1)
	for night := range n.Count {
		work := n.Work * n.Case.Times * math.Exp(n.Spread*random.NormFloat64())
		begin := n.known(night) + int(n.Case.After/n.Tick)
		for i := begin; i < begin+length && work > 0; i++ {
			flow.Arrivals[i] += work / float64(length)
		}
		if work > 0 {
			begins = append(begins, begin)
		}
	}
	return flow, begins
}

// Peaks is what is known at a tick of the peaks of this night and the next, for a queue: their times, the rows that are expected, and those that hardly more come than, by the spread.
func (n *PeakNights) Peaks(queue orchestrator.QueuePolicy, speed orchestrator.Speed) func(FlowView) []orchestrator.Peak {
	arrived, of := 0.0, -1 // since the beginning of which night
	return func(v FlowView) []orchestrator.Peak {
		night := v.Tick / n.night()
		if of != night {
			arrived, of = 0, night
		}
		if v.Tick > night*n.night() {
			arrived += v.Flow.Arrivals[v.Tick-1]
		}
		var peaks []orchestrator.Peak
		for i := night; i < min(night+2, n.Count); i++ {
			from := beginning.Add(time.Duration(n.known(i)) * n.Tick)
			one := orchestrator.Peak{
				Tenant: queue.Tenant, Queue: queue.Name, Model: orchestrator.ModelRef{Name: speed.Model}, Identity: fmt.Sprintf("night-%d", i), From: from, Until: from.Add(n.Length),
				Rows: int64(n.Work * speed.RowsPerSecond), RowsHigh: int64(n.Work * math.Exp(1.645*n.Spread) * speed.RowsPerSecond),
			}
			if i == night {
				one.Arrived = int64(arrived * speed.RowsPerSecond)
			}
			peaks = append(peaks, one)
		}
		return peaks
	}
}

// CronScaler holds a number of workers in a window around each known peak, as KEDA's cron trigger does, beside a policy that looks at the backlog: the larger one counts.
func (n *PeakNights) CronScaler(workers int, before, after time.Duration, beside FlowPolicy) FlowPolicy {
	return func(v FlowView) int {
		wanted := beside(v)
		at := time.Duration(v.Tick%n.night()-n.night()/2) * n.Tick
		if at >= -before && at < after {
			return max(wanted, workers)
		}
		return wanted
	}
}
