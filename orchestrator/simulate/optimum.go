package simulate

import (
	"math"
	"time"
)

// Optimum is the least cost of a world of width one whose whole future is known, by a backward dynamic programme over the ticks, what runs, how many ticks ago
// it began its start, and the work left. It is infinite when the deadline cannot be met.
func Optimum(world *World) float64 {
	unit := greatestCommonDivisor(world.Gap, greatestCommonDivisor(world.Start, world.Work))
	if unit <= 0 {
		return 0 // no work
	}
	o := optimum{
		gap: int(world.Gap / unit), work: int(world.Work / unit),
		prices: [...]float64{spot: world.Spot * world.Gap.Hours(), onDemand: world.OnDemand * world.Gap.Hours()},
	}
	for rest := int(world.Start / unit); ; rest -= o.gap {
		o.starting = append(o.starting, max(rest, 0)) // 0 stands for any worker that has started
		if rest <= 0 {
			break
		}
	}
	later := o.values(math.Inf(1))
	earlier := o.values(0)
	for tick := world.Deadline - 1; tick >= 0; tick-- {
		o.step(earlier, later, world.granted(tick) > 0)
		earlier, later = later, earlier
	}
	return later[none][0][o.work]
}

func greatestCommonDivisor(a, b time.Duration) time.Duration {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// optimum works in units of time that gap, start and work are multiples of.
type optimum struct {
	gap, work int
	starting  []int // rest of a start, by the ticks since it began
	prices    [3]float64
}

// values are the least costs from a tick on, by what ran in the tick before, its ticks since the start, and the work left.
type values [3][][]float64

func (o *optimum) values(unfinished float64) *values {
	var all values
	for runs := range all {
		all[runs] = make([][]float64, len(o.starting))
		for age := range all[runs] {
			all[runs][age] = make([]float64, o.work+1)
			for work := 1; work <= o.work; work++ {
				all[runs][age][work] = unfinished
			}
		}
	}
	return &all
}

// step takes every decision of one tick.
func (o *optimum) step(now, next *values, granted bool) {
	for runs := range now {
		for age, into := range now[runs] {
			if runs == int(none) && age > 0 {
				break // what does not run has no age
			}
			copy(into, next[none][0])
			if granted {
				o.take(into, next, spot, o.age(one(runs) == spot, age))
			}
			o.take(into, next, onDemand, o.age(one(runs) == onDemand, age))
		}
	}
	if !granted { // a spot worker is lost before the decision
		for age := range now[spot] {
			copy(now[spot][age], now[none][0])
		}
	}
}

// age is the number of ticks since its start began, of a worker that runs in this tick.
func (o *optimum) age(ran bool, age int) int {
	if !ran {
		return 0
	}
	return age
}

// take offers one decision to every amount of work.
func (o *optimum) take(into []float64, next *values, runs one, age int) {
	done := max(o.gap-o.starting[age], 0)
	then := next[runs][min(age+1, len(o.starting)-1)]
	for work := 1; work < len(into); work++ {
		if cost := o.prices[runs] + then[max(work-done, 0)]; cost < into[work] {
			into[work] = cost
		}
	}
}
