package simulate

import "math"

// PeersOfMany are the published policies for many workers under a deadline, in the order of the tables. Each is a constructor, because some remember.
func PeersOfMany() []PeerOfMany {
	stateless := func(policy Policy) func() Policy { return func() Policy { return policy } }
	return []PeerOfMany{
		{"on-demand", "all work on on-demand capacity", stateless(allOnDemand)},
		{"greedy", "spot as granted; the least on-demand that the deadline forces", stateless(granted)},
		{"uniform-progress-all", "Wu et al., NSDI 2024, for a gang: as many as there may be, by one line", newUniformGang},
		{"spot-and-fill", "a spot group and an on-demand group that fills up to the width, as with two worker groups of a RayCluster", stateless(spotAndFill)},
		{"uniform-progress-each", "Wu et al., NSDI 2024, for each worker by itself, with an equal share of the work", newUniformEach},
		{"uniform-progress-sum", "Wu et al., NSDI 2024, on the sum: on-demand fills up to the pace of the line when behind it, and goes when ahead of it two starts later", stateless(uniformSum)},
	}
}

// PeerOfMany is a published policy for a world of any width.
type PeerOfMany struct {
	Name   string
	Source string
	New    func() Policy
}

func allOnDemand(v View) Workers { return Workers{OnDemand: v.World.Width} }

func granted(v View) Workers { return Workers{Spot: v.Granted} }

func spotAndFill(v View) Workers { return Workers{v.Granted, v.World.Width - v.Granted} }

// line says whether the work is behind the straight line to the deadline, and whether it is ahead of where that is two starts later.
func (v View) line() (behind, ahead bool) {
	done, all := (v.World.Work - v.Left).Seconds(), v.World.Work.Seconds()
	tick, end := float64(v.Tick), float64(v.World.Deadline)
	later := tick + 2*v.World.Start.Seconds()/v.World.Gap.Seconds()
	return done < all*tick/end-1e-9, done >= all*later/end
}

// pace is how many workers keep to the line.
func (v View) pace() int {
	return int(math.Ceil(v.World.Work.Seconds()/(float64(v.World.Deadline)*v.World.Gap.Seconds()) - 1e-9))
}

// uniformSum keeps the sum of all workers to the line.
func uniformSum(v View) Workers {
	stay := min(v.OnDemand, v.World.Width-v.Granted)
	switch behind, ahead := v.line(); {
	case behind:
		return Workers{v.Granted, max(min(v.pace(), v.World.Width)-v.Granted, stay, 0)}
	case ahead:
		return Workers{Spot: v.Granted}
	}
	return Workers{v.Granted, stay}
}

// newUniformGang runs all or none: on spot when all are granted, on-demand from when it is behind the line until all are granted and it is ahead again.
func newUniformGang() Policy {
	onDemand := false
	return func(v View) Workers {
		behind, ahead := v.line()
		all := v.Granted >= v.World.Width
		onDemand = onDemand && !(all && ahead) || !onDemand && !all && behind
		switch {
		case onDemand:
			return Workers{OnDemand: v.World.Width}
		case all:
			return Workers{Spot: v.World.Width}
		}
		return Workers{}
	}
}

// newUniformEach gives every worker an equal share of the work and a line of its own; spot capacity goes to those that run on it, then to those furthest behind.
func newUniformEach() Policy {
	type share struct {
		done float64 // seconds
		runs one
		rest float64 // of a start
	}
	var workers []share
	return func(v View) Workers {
		left, start, gap, _ := v.seconds()
		if workers == nil {
			workers = make([]share, v.World.Width)
		}
		all := (left + doneOf(workers, func(s share) float64 { return s.done })) / float64(len(workers))
		lost := v.Lost
		for i := len(workers) - 1; i >= 0 && lost > 0; i-- {
			if workers[i].runs == spot {
				workers[i].runs, lost = none, lost-1
			}
		}
		free := v.Granted
		for _, one := range workers {
			if one.runs == spot {
				free--
			}
		}
		var wanted Workers
		for i := range workers {
			w := &workers[i]
			rate, now := all/(float64(v.World.Deadline)*gap), float64(v.Tick)*gap
			next := w.runs
			switch {
			case w.done >= all-1e-6:
				next = none
			case w.runs == spot:
			case w.runs == onDemand && w.done < rate*(now+2*start):
			case free > 0:
				next, free = spot, free-1
			case w.runs == onDemand, w.done < rate*now:
				next = onDemand
			}
			if next != w.runs && next != none {
				w.rest = start
			}
			if w.runs = next; next != none {
				used := math.Min(w.rest, gap)
				w.rest -= used
				w.done += gap - used
			}
			switch next {
			case spot:
				wanted.Spot++
			case onDemand:
				wanted.OnDemand++
			}
		}
		return wanted
	}
}

func doneOf[T any](list []T, of func(T) float64) (sum float64) {
	for _, one := range list {
		sum += of(one)
	}
	return sum
}
