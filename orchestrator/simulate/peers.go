package simulate

import "math"

// Peer is a published policy for a world of width one, with its source.
type Peer struct {
	Name   string
	Source string
	Policy Policy // it remembers nothing
}

// Peers are the published policies for one worker under a deadline, in the order of the tables.
func Peers() []Peer {
	return []Peer{
		{"on-demand", "all work on on-demand capacity", onDemandOnly},
		{"greedy", "FrontierCS/Frontier-CS, cant_be_late, initial_greedy: spot or wait until the deadline forces on-demand", greedy},
		{"uniform-progress", "Wu et al., Can't Be Late, NSDI 2024, section 4: progress on the straight line to the deadline", uniformProgress},
		{"uniform-progress-stay", "the same, but it leaves on-demand whenever there is spot, and for nothing else", uniformProgressStay},
		{"GEPA", "Agrawal et al., GEPA, 2025: its evolved cant_be_late policy", gepa},
		{"LEVI", "ttanv/levi, examples/ADRS/cant_be_late, best of its published results", levi},
	}
}

// one is a decision in a world of width one.
type one uint8

const (
	none one = iota
	spot
	onDemand
)

func (o one) workers() Workers {
	switch o {
	case spot:
		return Workers{Spot: 1}
	case onDemand:
		return Workers{OnDemand: 1}
	}
	return Workers{}
}

// runs is what runs now, after a loss.
func (v View) runs() one {
	switch {
	case v.Spot > 0:
		return spot
	case v.OnDemand > 0:
		return onDemand
	}
	return none
}

// seconds gives the work left, a start, a tick and the time until the deadline.
func (v View) seconds() (left, start, gap, time float64) {
	gap = v.World.Gap.Seconds()
	return v.Left.Seconds(), v.World.Start.Seconds(), gap, float64(v.Remaining()) * gap
}

func onDemandOnly(View) Workers { return Workers{OnDemand: 1} }

// greedy takes spot or waits. When only one more start can be afforded it leaves neither a spot worker that runs nor, once there, on-demand; when none can,
// it goes to on-demand.
func greedy(v View) Workers {
	left, start, gap, _ := v.seconds()
	forced := math.Ceil((left+start)/gap) >= float64(v.Remaining())
	close := math.Ceil((left+2*start)/gap) >= float64(v.Remaining())
	switch {
	case forced:
		return onDemand.workers()
	case close && v.runs() != spot:
		return onDemand.workers()
	case v.Granted > 0:
		return spot.workers()
	case close:
		return onDemand.workers()
	}
	return none.workers()
}

// uniformProgress keeps the work done on the straight line from nothing at the start to everything at the deadline: behind it and idle it takes on-demand,
// and leaves that for spot only when it is ahead of where the line is two starts later. Safe decides near the deadline.
func uniformProgress(v View) Workers {
	done := (v.World.Work - v.Left).Seconds()
	rate := v.World.Work.Seconds() / (float64(v.World.Deadline) * v.World.Gap.Seconds())
	now := float64(v.Tick) * v.World.Gap.Seconds()
	switch {
	case v.runs() == onDemand && done < rate*(now+2*v.World.Start.Seconds()):
		return onDemand.workers()
	case v.Granted > 0:
		return spot.workers()
	case v.runs() == onDemand, done < rate*now:
		return onDemand.workers()
	}
	return none.workers()
}

// uniformProgressStay takes spot when it is there, stays on on-demand otherwise, and goes there from nothing when it is behind the line.
func uniformProgressStay(v View) Workers {
	done := (v.World.Work - v.Left).Seconds()
	switch {
	case v.Granted > 0:
		return spot.workers()
	case v.runs() == onDemand, done*float64(v.World.Deadline) < v.World.Work.Seconds()*float64(v.Tick):
		return onDemand.workers()
	}
	return none.workers()
}

// gepa takes spot when it is there and stays on on-demand otherwise; from nothing it goes there when less than a fifth of the work left is slack.
func gepa(v View) Workers {
	left, start, _, time := v.seconds()
	switch {
	case v.Granted > 0:
		return spot.workers()
	case v.runs() == onDemand, (time-left-start)/left < 0.2:
		return onDemand.workers()
	}
	return none.workers()
}

// levi is like gepa with a slack of two ticks and a tenth of the work left. When a tick and a start are all the slack there is, it takes no spot worker that
// does not run already.
func levi(v View) Workers {
	left, start, gap, time := v.seconds()
	switch {
	case time <= left+start+gap && v.runs() != spot:
		return onDemand.workers()
	case v.Granted > 0:
		return spot.workers()
	case v.runs() == onDemand, time <= left+start+2*gap+0.1*left:
		return onDemand.workers()
	}
	return none.workers()
}

// Published is a policy as the published runner takes it: near the deadline it overrules, and it looks at the type that ran before a loss; so a worker
// that was lost at that moment is asked for again as spot, in vain, and the job may be late.
func Published(policy Policy) Policy {
	return func(v View) Workers {
		wanted := policy(v)
		left, start, gap, _ := v.seconds()
		if math.Ceil((left+start)/gap) < float64(v.Remaining()) {
			return wanted
		}
		if v.Lost > 0 || v.runs() == spot && v.Starting[0] == 0 {
			return Workers{Spot: min(v.Granted, 1)}
		}
		return onDemand.workers()
	}
}
