package simulate

import "time"

// need is how many ticks so much work takes on one on-demand worker that has to start.
func (w *World) need(work time.Duration) int {
	if work <= 0 {
		return 0
	}
	return int((work + w.Start + w.Gap - 1) / w.Gap)
}

// Safe corrects a policy of a world of width one so that it is never late where that is possible: waiting is allowed only if on-demand from the next tick on
// still ends in time, and so is spot, which may be lost at the next tick. The bound is exact: less would be late in some future, more is not needed
// in any.
func Safe(policy Policy) Policy {
	return func(v View) Workers {
		wanted := policy(v)
		after := v.Remaining() - 1
		left := v.Left
		switch {
		case wanted.OnDemand > 0:
			return wanted
		case wanted.Spot > 0 && v.Granted > 0:
			left -= v.progress()
		}
		if v.World.need(left) <= after {
			return wanted
		}
		return onDemand.workers()
	}
}

// progress is what a spot worker does in this tick, whether it runs or starts now.
func (v View) progress() time.Duration {
	starting := v.World.Start
	if v.runs() == spot {
		starting = v.Starting[0]
	}
	return max(v.World.Gap-starting, 0)
}
