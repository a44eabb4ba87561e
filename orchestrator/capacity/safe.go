package capacity

import (
	"slices"
	"time"
)

// Account is what is left to be done for a deadline, and who works on it. It answers which decisions keep the deadline safe whatever spot capacity does: it may
// end at any tick and never come back.
type Account struct {
	Tick  time.Duration // until the next decision
	Until time.Duration // the deadline
	Width int           // most workers at a time
	Left  time.Duration // work, of one worker
	Start time.Duration // of a worker, from p95 of its node, image and model load
	// What each running worker has left of its start.
	Spot, OnDemand []time.Duration
}

// Slack is the work that could be done beyond what is left, were every worker on-demand from now on. Below 0 the deadline is not safe any more.
func (a Account) Slack() time.Duration {
	work := time.Duration(a.Width-min(len(a.OnDemand), a.Width)) * max(a.Until-a.Start, 0)
	for _, rest := range a.OnDemand {
		work += max(a.Until-rest, 0)
	}
	return work - a.Left
}

// Safe says whether so many workers in this tick leave the deadline safe. That is exact: with less some future would be late, more is not needed in
// any. Those that have the longest rest of a start go first.
func (a Account) Safe(spot, onDemand int) bool {
	after := a
	after.Until = a.Until - a.Tick
	after.Left = a.Left - a.progress(a.Spot, spot) - a.progress(a.OnDemand, onDemand)
	if after.Left <= 0 || after.Until <= 0 {
		return after.Left <= 0
	}
	after.OnDemand = nil
	for _, rest := range a.resized(a.OnDemand, onDemand) {
		after.OnDemand = append(after.OnDemand, max(rest-a.Tick, 0))
	}
	return after.Slack() >= 0
}

// progress is the work of so many workers in this tick.
func (a Account) progress(running []time.Duration, count int) (done time.Duration) {
	for _, rest := range a.resized(running, count) {
		done += max(min(a.Tick, a.Until)-rest, 0)
	}
	return done
}

func (a Account) resized(running []time.Duration, count int) []time.Duration {
	all := slices.Sorted(slices.Values(running))
	if count <= len(all) {
		return all[:count]
	}
	return append(all, slices.Repeat([]time.Duration{a.Start}, count-len(all))...)
}

// Correct is the safe decision that is nearest to a wish: with the fewest on-demand workers, and of those with the most spot workers. Where none is
// safe any more, spot workers that run stay and on-demand workers fill up the width.
func (a Account) Correct(spot, onDemand, granted int) (nearSpot, nearOnDemand int, safe bool) {
	spot = min(spot, granted, a.Width)
	onDemand = min(onDemand, a.Width-spot)
	if a.Safe(spot, onDemand) {
		return spot, onDemand, true
	}
	anything := [2]int{min(granted, a.Width), 0} // at the very end more spot workers than wished may be what ends in time
	for _, wish := range [][2]int{{spot, onDemand}, anything} {
		for more := wish[1]; more <= a.Width; more++ {
			for fewer := min(wish[0], a.Width-more); fewer >= 0; fewer-- {
				if a.Safe(fewer, more) {
					return fewer, more, true
				}
			}
		}
	}
	spot = min(len(a.Spot), granted, a.Width)
	return spot, a.Width - spot, false
}
