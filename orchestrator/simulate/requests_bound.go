package simulate

import (
	"math"
	"time"
)

// LeastBusy is a time for which workers are busy at least in every schedule that has all requests in time, but for those that take longer than they have: the executions and
// a bound on the loads.
//
// Time is cut into cells. A schedule begins each request in some cell of its window while a worker has the model, and at each border of cells no more models are
// held or loaded than there are workers. That is all that is asked for (a relaxation), and the condition at the borders gets prices, whatever they are not
// below zero (Lagrange). Then each model is for itself: it pays a load whenever it comes, and the price of each border at which it is there. Its cheapest plan
// is found exactly, and the sum of all, less the prices of all workers, is at most what any schedule pays. Prices rise where too much is held and
// fall where workers are left (subgradients); the best of some rounds counts.
//
// Known is how long loads take in a schedule that is known; by it the steps of prices are chosen.
func LeastBusy(world *RequestWorld, known time.Duration) time.Duration {
	b := newLoadBound(world)
	best, good := 0.0, 0
	step := 1.0
	for round := 0; round < boundRounds && step > 1e-3; round++ {
		value := b.value()
		if value > best+1e-4*best {
			best, good = max(best, value), round
		} else if best = max(best, value); round-good >= boundPatience {
			step, good = step/2, round
		}
		if !b.move(step * (max(known.Seconds(), best*1.01) - value)) {
			break // no more is held than there are workers: the plans are a schedule's
		}
	}
	return world.Work() + ofSeconds(math.Floor(best))
}

// LeastLoads is the same for any schedule, whatever is late: the executions, and a load of each model that is asked for.
func LeastLoads(world *RequestWorld) time.Duration {
	least, asked := world.Work(), make([]bool, len(world.Models))
	for _, one := range world.Requests {
		if !asked[one.Model] {
			asked[one.Model] = true
			least += world.Models[one.Model].Load
		}
	}
	return least
}

const (
	boundRounds   = 100
	boundPatience = 8
	boundCells    = 100_000 // at most
)

// loadBound is the relaxed problem with its prices.
type loadBound struct {
	workers int
	cells   int
	cell    time.Duration
	models  []boundModel
	prices  []float64 // of holding a model at the border before each cell
	sums    []float64 // of the prices before
	held    []int32
	// Of the model that is looked at: the cheapest plan whose last cell is this one, what came before, and whether it was held at the border before.
	costs      []float64
	from       []int32
	stays      []bool
	queue      []int32
	head, tail int
}

// boundModel is a model with its windows.
type boundModel struct {
	load  float64
	ahead int // borders for which a load takes at least
	after []int32
}

func newLoadBound(world *RequestWorld) *loadBound {
	last := world.Requests[len(world.Requests)-1].Arrival + world.Due
	cell := max(last/boundCells, world.Due/30, time.Second)
	b := &loadBound{workers: world.Workers, cells: int(last/cell) + 1, cell: cell}
	b.models = make([]boundModel, len(world.Models))
	for i, one := range world.Models {
		b.models[i] = boundModel{load: one.Load.Seconds(), ahead: int(one.Load / cell), after: make([]int32, b.cells+1)}
		for k := range b.models[i].after {
			b.models[i].after[k] = -1
		}
	}
	for _, one := range world.Requests {
		if one.Work > world.Due {
			continue
		}
		after := b.models[one.Model].after
		end := int((one.Arrival + world.Due - one.Work) / cell)
		after[end+1] = max(after[end+1], int32(one.Arrival/cell))
	}
	for _, one := range b.models {
		for k := 1; k < len(one.after); k++ {
			one.after[k] = max(one.after[k], one.after[k-1])
		}
	}
	b.prices, b.sums, b.held = make([]float64, b.cells), make([]float64, b.cells+1), make([]int32, b.cells)
	b.costs, b.from, b.stays, b.queue = make([]float64, b.cells), make([]int32, b.cells), make([]bool, b.cells), make([]int32, b.cells+1)
	return b
}

// value is the bound that the prices give; it counts who holds what.
func (b *loadBound) value() float64 {
	clear(b.held)
	for k, price := range b.prices {
		b.sums[k+1] = b.sums[k] + price
	}
	sum := -float64(b.workers) * b.sums[b.cells]
	for i := range b.models {
		if one := &b.models[i]; one.after[b.cells] >= 0 {
			sum += b.plan(one)
		}
	}
	return sum
}

// plan is what the model's cheapest plan costs. In it, cells are served one after another: those in which the model is there. Between one that it leaves and the next no
// window may lie.
func (b *loadBound) plan(one *boundModel) float64 {
	on := math.Inf(1) // it is held at the next border
	b.open()
	for k := range b.cells {
		enter := b.before(one.after[k]) + one.load + b.sums[k+1] - b.sums[max(k+1-one.ahead, 0)]
		on += b.prices[k]
		b.from[k], b.stays[k] = b.queue[b.head], on < enter
		on = min(on, enter)
		b.close(k, on)
	}
	total := b.before(one.after[b.cells])
	b.hold(one, b.queue[b.head])
	return total
}

// open begins with no cell served. The queue has served cells that may be the last before the next one, their costs ascending.
func (b *loadBound) open() {
	b.queue[0], b.head, b.tail = -1, 0, 1
}

// before is the least that a plan costs whose last cell is not before this one.
func (b *loadBound) before(first int32) float64 {
	for b.queue[b.head] < first {
		b.head++
	}
	return b.cost(b.queue[b.head])
}

func (b *loadBound) cost(k int32) float64 {
	if k < 0 {
		return 0
	}
	return b.costs[k]
}

// close adds a cell and what a plan costs whose last it is.
func (b *loadBound) close(k int, cost float64) {
	b.costs[k] = cost
	for b.head < b.tail && b.cost(b.queue[b.tail-1]) >= cost {
		b.tail--
	}
	b.queue[b.tail] = int32(k) //nolint:gosec // a count of cells
	b.tail++
}

// hold counts the borders at which a plan holds the model.
func (b *loadBound) hold(one *boundModel, last int32) {
	for k := int(last); k >= 0; {
		if b.stays[k] {
			b.held[k]++
			k--
			continue
		}
		for i := max(k+1-one.ahead, 0); i <= k; i++ {
			b.held[i]++
		}
		k = int(b.from[k])
	}
}

// move changes the prices by a gradient, so that the bound would rise by so much if it were linear; false: nothing is to be changed.
func (b *loadBound) move(rise float64) bool {
	length := 0.0
	for k, held := range b.held {
		if off := float64(held) - float64(b.workers); off > 0 || b.prices[k] > 0 {
			length += off * off
		}
	}
	if length == 0 {
		return false
	}
	for k, held := range b.held {
		b.prices[k] = max(b.prices[k]+rise/length*(float64(held)-float64(b.workers)), 0)
	}
	return true
}
