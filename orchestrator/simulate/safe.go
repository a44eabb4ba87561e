package simulate

import "time"

// Safe corrects a policy so that it is never late where that is possible. A decision is allowed if the work still ends in time when all spot capacity ends
// with this tick and never comes back, and all the width is on-demand from the next one on: less would be late in some future, more is not needed in any. Where a
// decision is not allowed, it is the nearest that is: the fewest on-demand workers, then the most spot workers.
func Safe(policy Policy) Policy {
	return func(v View) Workers {
		wanted := policy(v)
		wanted.Spot = min(max(wanted.Spot, 0), v.Granted)
		wanted.OnDemand = min(max(wanted.OnDemand, 0), v.World.Width-wanted.Spot)
		for onDemand := wanted.OnDemand; onDemand <= v.World.Width; onDemand++ {
			for spot := min(wanted.Spot, v.World.Width-onDemand); spot >= 0; spot-- {
				if tried := (Workers{spot, onDemand}); v.allowed(tried) {
					return tried
				}
			}
		}
		return Workers{OnDemand: v.World.Width}
	}
}

// allowed says whether the work ends in time when no spot worker is left after this tick.
func (v View) allowed(wanted Workers) bool {
	spot, onDemand := v.Starting[:v.Spot], v.Starting[v.Spot:]
	left := v.Left - v.progress(spot, wanted.Spot) - v.progress(onDemand, wanted.OnDemand)
	if left <= 0 {
		return v.Remaining() > 0
	}
	after := time.Duration(v.Remaining()-1) * v.World.Gap
	for worker := range v.World.Width {
		starting := v.World.Start
		if worker < wanted.OnDemand {
			starting = max(v.starting(onDemand, worker)-v.World.Gap, 0)
		}
		left -= max(after-starting, 0)
	}
	return left <= 0
}

// progress is what so many workers of a type do in this tick; of the running ones those go first whose start is longest.
func (v View) progress(running []time.Duration, count int) (done time.Duration) {
	for worker := range count {
		done += max(v.World.Gap-v.starting(running, worker), 0)
	}
	return done
}

// starting is what a worker has left of its start: one that runs, or a new one.
func (v View) starting(running []time.Duration, worker int) time.Duration {
	if worker < len(running) {
		return running[worker]
	}
	return v.World.Start
}
