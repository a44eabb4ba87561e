package simulate

import "math"

// Bound is the most that is known to be needed at least in a world of any width whose whole future is known: the value of the Lagrange dual in which work has a price. For
// each price an exact dynamic programme over the numbers of spot and on-demand workers that run; the greatest value over all prices is that of the linear programme. A start must
// not be longer than a tick. The last tick is billed whole, which is why a policy may cost a little less than a bound that trims it not: Run trims.
func Bound(world *World) float64 {
	d := newDual(world)
	// The dual is concave in the price: golden section.
	ratio := (math.Sqrt(5) - 1) / 2
	// A tick of a worker that starts costs the price of the tick for what is left of it: work is hardly dearer than that.
	most := world.Gap.Hours() / math.Max((world.Gap-world.Start).Hours(), world.Gap.Hours()/20)
	low, high := 0.0, 4*most*math.Max(world.Spot, world.OnDemand)
	a, b := high-ratio*(high-low), low+ratio*(high-low)
	atA, atB := d.value(a), d.value(b)
	for range priceSteps {
		if atA < atB {
			low, a, atA = a, b, atB
			b = low + ratio*(high-low)
			atB = d.value(b)
		} else {
			high, b, atB = b, a, atA
			a = high - ratio*(high-low)
			atA = d.value(a)
		}
	}
	return math.Max(atA, atB)
}

const priceSteps = 40

// dual holds the least costs, less the worth of the work done, by the numbers of spot and on-demand workers that run.
type dual struct {
	world        *World
	width        int
	tick, starts float64 // hours of work of a tick, and those that a start costs
	later, now   []float64
}

func newDual(world *World) *dual {
	size := (world.Width + 1) * (world.Width + 1)
	return &dual{
		world: world, width: world.Width, tick: world.Gap.Hours(), starts: world.Start.Hours(), later: make([]float64, size), now: make([]float64, size),
	}
}

func (d *dual) at(spot, onDemand int) int { return spot*(d.width+1) + onDemand }

// value is the dual at a price of an hour of work.
func (d *dual) value(price float64) float64 {
	clear(d.later)
	for tick := d.world.Deadline - 1; tick >= 0; tick-- {
		d.step(price, d.world.granted(tick))
		d.later, d.now = d.now, d.later
	}
	return d.later[0] + price*d.world.Work.Hours()
}

// step decides for every state at once: to change to a number is free downwards and costs the work of a start upwards, for each type by itself.
func (d *dual) step(price float64, granted int) {
	for spot := range d.width + 1 {
		for onDemand := range d.width + 1 {
			cost := math.Inf(1)
			if spot <= granted && spot+onDemand <= d.width {
				cost = float64(spot)*(d.world.Spot-price)*d.tick + float64(onDemand)*(d.world.OnDemand-price)*d.tick + d.later[d.at(spot, onDemand)]
			}
			d.now[d.at(spot, onDemand)] = cost
		}
	}
	start := price * d.starts
	for other := range d.width + 1 {
		spread(d.width, start, func(count int) *float64 { return &d.now[d.at(other, count)] })
	}
	for other := range d.width + 1 {
		spread(d.width, start, func(count int) *float64 { return &d.now[d.at(count, other)] })
	}
	for spot := granted + 1; spot <= d.width; spot++ { // those above are lost
		for onDemand := range d.width + 1 {
			d.now[d.at(spot, onDemand)] = d.now[d.at(granted, onDemand)]
		}
	}
}

// spread lets every number have the cost of any other, with a start for each worker more.
func spread(width int, start float64, cost func(int) *float64) {
	for count := width - 1; count >= 0; count-- { // from fewer to more
		*cost(count) = math.Min(*cost(count), *cost(count + 1)+start)
	}
	for count := 1; count <= width; count++ { // from more to fewer
		*cost(count) = math.Min(*cost(count), *cost(count - 1))
	}
}
