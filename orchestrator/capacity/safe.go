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
func (a Account) Safe(spot, onDemand int) bool { return a.ledger().safe(spot, onDemand) }

// ledger has the sums that make many questions about one account cheap.
type ledger struct {
	Account
	spot, onDemand sums
	newDone        time.Duration // in this tick, of a worker that starts
	newAfter       time.Duration // from the next tick on, of an on-demand worker that starts in this one
	idleAfter      time.Duration // likewise, of one that starts in the next
}

// sums are of the first so many running workers of a type, those with the shortest rest first.
type sums struct{ done, after []time.Duration }

func (a Account) ledger() *ledger {
	after := a.Until - a.Tick
	return &ledger{
		Account: a, spot: a.sums(a.Spot), onDemand: a.sums(a.OnDemand), newDone: a.done(a.Start),
		newAfter: max(after-max(a.Start-a.Tick, 0), 0), idleAfter: max(after-a.Start, 0),
	}
}

func (a Account) sums(running []time.Duration) sums {
	all := sums{make([]time.Duration, 1, len(running)+1), make([]time.Duration, 1, len(running)+1)}
	for i, rest := range slices.Sorted(slices.Values(running)) {
		all.done = append(all.done, all.done[i]+a.done(rest))
		all.after = append(all.after, all.after[i]+max(a.Until-a.Tick-max(rest-a.Tick, 0), 0))
	}
	return all
}

// done is the work of a worker in this tick.
func (a Account) done(rest time.Duration) time.Duration { return max(min(a.Tick, a.Until)-rest, 0) }

// of gives the sum of so many workers, of which those beyond the running ones start.
func of(sums []time.Duration, count int, each time.Duration) time.Duration {
	running := min(count, len(sums)-1)
	return sums[running] + time.Duration(count-running)*each
}

func (l *ledger) safe(spot, onDemand int) bool {
	left := l.Left - of(l.spot.done, spot, l.newDone) - of(l.onDemand.done, onDemand, l.newDone)
	if left <= 0 || l.Until <= l.Tick {
		return left <= 0
	}
	return of(l.onDemand.after, onDemand, l.newAfter)+time.Duration(max(l.Width-onDemand, 0))*l.idleAfter >= left
}

// Correct is the safe decision that is nearest to a wish: with the fewest on-demand workers, and of those with the most spot workers. Where none is
// safe any more, spot workers that run stay and on-demand workers fill up the width.
func (a Account) Correct(spot, onDemand, granted int) (nearSpot, nearOnDemand int, safe bool) {
	granted = min(max(granted, 0), a.Width)
	spot = min(max(spot, 0), granted)
	onDemand = min(max(onDemand, 0), a.Width-spot)
	l := a.ledger()
	// More spot workers beside the same on-demand ones are never less safe. At the very end more of them than wished may be what ends in time.
	for _, wish := range [][2]int{{spot, onDemand}, {granted, 0}} {
		for more := wish[1]; more <= a.Width; more++ {
			if most := min(wish[0], a.Width-more); l.safe(most, more) {
				return most, more, true
			}
		}
	}
	spot = min(len(a.Spot), granted)
	return spot, a.Width - spot, false
}
