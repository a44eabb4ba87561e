package capacity

import (
	"math"
	"sort"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// Choice is what a worker runs on.
type Choice uint8

// The choices.
const (
	Wait Choice = iota
	Spot
	OnDemand
)

const (
	choiceShift = 14
	mostUnits   = 1<<choiceShift - 1
)

// Covers says whether a task lies in a table: with so much time until the deadline, and work that may be left then.
func Covers(table *orchestrator.Table, until, left time.Duration) bool {
	p := &table.Parameters
	ticks := int(until / p.Tick)
	if p.Width > 1 {
		return ticks >= 1 && ticks <= p.Ticks && left > 0
	}
	least := p.Work - time.Duration(p.Ticks-ticks+1)*p.Tick // one tick more, since the deadline need not be whole ticks away
	return ticks >= 1 && ticks <= p.Ticks && left > 0 && left <= p.Work && left >= least
}

// Choose looks up the best decision: the one that most of the neighbours of the belief in the grid vote for, each as much as it is near. What
// runs is what is left after a loss, and starting what it has left of its start. Whether the decision is safe an Account must say.
func Choose(table *orchestrator.Table, until, left time.Duration, runs Choice, starting time.Duration, memory orchestrator.SpotMemory, now time.Time) Choice {
	at, ticks := stateOf(&table.Parameters.Prior, memory, now, table.Parameters.Tick), int(until/table.Parameters.Tick)
	units := int((left + table.Unit - 1) / table.Unit)
	kinds := kindsOf(&table.Parameters)
	kind := kinds.of(at.available, runs, kinds.phase(starting))
	age, up, down := locate(ages[:], at.age), locate(means[:], at.up), locate(means[:], at.down)
	var votes [3]float64
	for _, i := range age.both() {
		for _, u := range up.both() {
			for _, d := range down.both() {
				votes[choice(table, (ticks-1)*cells+cellOf(i.at, u.at, d.at), kinds.count(), kind, units)] += i.weight * u.weight * d.weight
			}
		}
	}
	best := Wait
	for one := range Choice(len(votes)) {
		if votes[one] > votes[best] {
			best = one
		}
	}
	return best
}

// choice reads one state of the table.
func choice(table *orchestrator.Table, cell, kinds, kind, units int) Choice {
	row := cell*kinds + kind
	ranges := table.Ranges[table.First[row]:table.First[row+1]]
	at := sort.Search(len(ranges), func(i int) bool { return int(ranges[i]&mostUnits) >= units })
	return Choice(ranges[min(at, len(ranges)-1)] >> choiceShift)
}

// MostPhases is how many ticks a start may take at most.
const MostPhases = 4

// kinds are availability with what runs, and for that in how many ticks from now it will still be starting (its phase): without capacity idle and on-demand, then
// with capacity idle, spot and on-demand.
type kinds struct {
	phases      int
	tick, start time.Duration
}

func kindsOf(p *orchestrator.TableParameters) kinds {
	return kinds{max(1, int((p.Start+p.Tick-1)/p.Tick)), p.Tick, p.Start}
}

func (k kinds) count() int { return 2 + 3*k.phases }

// end is the first kind behind those of an availability.
func (k kinds) end(available bool) int {
	if available {
		return k.count()
	}
	return 1 + k.phases
}

func (k kinds) of(available bool, runs Choice, phase int) int {
	switch {
	case !available && runs == OnDemand:
		return 1 + phase
	case !available:
		return 0
	case runs == Spot:
		return 2 + k.phases + phase
	case runs == OnDemand:
		return 2 + 2*k.phases + phase
	}
	return 1 + k.phases
}

// stand is what a kind stands for.
type stand struct {
	available bool
	runs      Choice
	phase     int
}

func (k kinds) all() []stand {
	all := make([]stand, k.count())
	for _, available := range []bool{false, true} {
		for runs := range OnDemand + 1 {
			for phase := range k.phases {
				if available || runs != Spot { // without capacity no spot worker is left
					all[k.of(available, runs, phase)] = stand{available, runs, phase}
				}
			}
		}
	}
	return all
}

// rest is what is left of a start at the beginning of a phase; that of a new start is the number of phases.
func (k kinds) rest(phase int) time.Duration {
	if phase == 0 {
		return 0
	}
	return k.start - time.Duration(k.phases-phase)*k.tick
}

// next is the phase of the tick after.
func (k kinds) next(phase int) int { return max(phase-1, 0) }

// phase is the one in which so much of a start is left.
func (k kinds) phase(rest time.Duration) int {
	return min(max(int((rest+k.tick-1)/k.tick), 0), k.phases-1)
}

// The grid of beliefs.
var (
	ages  = [...]float64{1, 2, 3, 4, 6, 9, 14, 22, 36, 60}
	means = [...]float64{0, 4.4 / 6, 8.8 / 6, 13.2 / 6, 17.6 / 6, 22. / 6, 4.4}
)

const cells = len(ages) * len(means) * len(means) // of each kind: by age, then up, then down

func cellOf(age, up, down int) int { return (age*len(means)+up)*len(means) + down }

// place is where a value lies between two points of a grid.
type place struct {
	at    int     // the lower point
	above float64 // weight of the upper one
}

type neighbour struct {
	at     int
	weight float64
}

func (p place) both() [2]neighbour { return [...]neighbour{{p.at, 1 - p.above}, {p.at + 1, p.above}} }

func locate(points []float64, value float64) place {
	value = math.Min(math.Max(value, points[0]), points[len(points)-1])
	at := min(sort.Search(len(points), func(i int) bool { return points[i] > value })-1, len(points)-2)
	return place{at, (value - points[at]) / (points[at+1] - points[at])}
}
