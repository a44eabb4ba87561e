package simulate

// FlowOptimum is the least that a world costs whose whole future is known, as waste: what is billed beyond what is served, as a share of that. Workers are fluid, each
// one more costs the mean of the starts, and none is ever idle.
//
// What has been done by a time lies between what is due by then and what has arrived by then. Of all courses in that corridor the taut string has the
// least rises of its slope, which is the number of workers. That is the optimum where every dip of the slope lasts longer than a start: a shorter one would be better
// filled with idle workers.
func FlowOptimum(flow *Flow, from, to int) float64 {
	due, arrived := flow.corridor()
	points := tautString(due, arrived)
	start := 0.0
	for _, one := range flow.Starts {
		start += (one.Start + one.Load) / float64(len(flow.Starts))
	}
	tick := flow.Tick.Seconds()
	rises, workers := 0.0, 0.0
	for k := 1; k < len(points); k++ {
		slope := (points[k].y - points[k-1].y) / float64(points[k].x-points[k-1].x) / tick
		if at := points[k-1].x; at >= from && at < to {
			rises += max(slope-workers, 0)
		}
		workers = slope
	}
	served := arrived[min(to, len(arrived)-1)] - arrived[min(from, len(arrived)-1)]
	return rises * start / served
}

// corridor is how much work must have been done, and can have been done, by the start of each tick and by the end of the world.
func (f *Flow) corridor() (due, arrived []float64) {
	ticks := len(f.Arrivals)
	due, arrived = make([]float64, ticks+1), make([]float64, ticks+1)
	for i, work := range f.Arrivals {
		arrived[i+1] = arrived[i] + work
	}
	limit := int(f.Limit / f.Tick)
	for i := limit; i <= ticks; i++ {
		due[i] = arrived[i-limit]
	}
	due[ticks] = arrived[ticks]
	return due, arrived
}

type point struct {
	x int
	y float64
}

func (p point) slope(to point) float64 { return (to.y - p.y) / float64(to.x-p.x) }

// tautString is the shortest course between two boundaries that meet at the beginning and at the end, by its corners. Linear time: the funnel from the last
// corner is the concave hull of the lower and the convex hull of the upper boundary; it bends where they would cross.
func tautString(lower, upper []float64) []point {
	apex := point{0, lower[0]}
	corners := []point{apex}
	low, high := []point{apex}, []point{apex}
	for i := 1; i < len(lower); i++ {
		low = hull(low, point{i, lower[i]}, 1)
		high = hull(high, point{i, upper[i]}, -1)
		for len(low) == 2 && len(high) > 2 && low[0].slope(low[1]) > high[0].slope(high[1]) {
			high = high[1:]
			corners = append(corners, high[0])
			low[0] = high[0]
		}
		for len(high) == 2 && len(low) > 2 && high[0].slope(high[1]) < low[0].slope(low[1]) {
			low = low[1:]
			corners = append(corners, low[0])
			high[0] = low[0]
		}
	}
	return append(corners, low[1:]...)
}

// hull adds a point to a chain whose slopes fall (sign 1) or rise (sign -1).
func hull(chain []point, next point, sign float64) []point {
	for len(chain) > 1 && sign*chain[len(chain)-2].slope(chain[len(chain)-1]) <= sign*chain[len(chain)-2].slope(next) {
		chain = chain[:len(chain)-1]
	}
	return append(chain, next)
}
