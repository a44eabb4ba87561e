package capacity

import (
	"math"

	"gonum.org/v1/gonum/blas/gonum"

	"nightshift.dev/nightshift/orchestrator"
)

// Many workers are counted in levels, a level of one worker or, of a width above 16, of a part of the width. Work is counted in ticks of a level. The state is the slack
// (what could be done beyond the work left, were all on-demand from now on) as a share of all that could be done, the number of on-demand levels, how many
// are granted, and the belief. In each tick the slack falls by every level that idles, and by the start of each one that starts on spot capacity or leaves on-demand capacity.
const (
	mostLevels = 16
	slacks     = 24  // points of the grid of slacks, closer together where there is little
	slackPower = 1.5 // how much closer
	never      = 1e9
)

// The grid of beliefs of many workers: mean and rate of changes.
var (
	meanShares  = [...]float64{0, .25, .5, .75, 1}
	changeRates = [...]float64{.01, .05, .14, .3, .5, .75}
)

const beliefsOfMany = len(meanShares) * len(changeRates)

func levelsOf(width int) int { return min(width, mostLevels) }

// shape is what solving and looking up share.
type shape struct {
	levels int
	start  float64 // in ticks
	ratio  float64 // price on demand
	points [slacks]float64
}

func shapeOf(p *orchestrator.TableParameters) *shape {
	s := &shape{levels: levelsOf(p.Width), start: float64(p.Start) / float64(p.Tick), ratio: p.OnDemand}
	for i := range s.points {
		s.points[i] = float64(s.levels) * math.Pow(float64(i)/(slacks-1), slackPower)
	}
	return s
}

func (s *shape) row() int { return (s.levels + 1) * slacks }

// rowOf is the state of a belief.
func (s *shape) rowOf(changes, granted, mean int) int {
	return (changes*(s.levels+1)+granted)*len(meanShares) + mean
}

func (s *shape) rows() int { return (s.levels + 1) * beliefsOfMany }

// spotBeside is how many levels run on spot capacity beside so many on-demand.
func (s *shape) spotBeside(granted, onDemand int) int { return min(granted, s.levels-onDemand) }

// left is the work left with so much slack.
func (s *shape) left(ticks, slack, onDemand float64) float64 {
	return float64(s.levels)*ticks - s.start*(float64(s.levels)-onDemand) - slack
}

// manySolver holds the costs of a step.
type manySolver struct {
	*shape
	goes  [][]towards
	best  []float32 // before the decision, by row, on-demand level, slack
	after []float32 // after the decision
	now   []float32 // of each decision of one row, all that start on-demand being free
	then  []float32 // of one row, when so many are granted
	runs  [mostLevels + 1][2*mostLevels + 1][slacks]lower
	waits [mostLevels + 1][slacks]lower
}

// towards is a row to which a belief goes.
type towards struct {
	row, granted int
	chance       float32
}

// lower is a slack after some of it is gone, and where it lies in the grid; at is -1 where there was not so much.
type lower struct {
	at    int32
	above float32
	slack float32
}

// in is the cost there.
func (l lower) in(costs []float32) float32 {
	low := costs[l.at]
	return low + l.above*(costs[l.at+1]-low)
}

var vectors gonum.Implementation

// solveMany makes the table of many workers.
func solveMany(parameters orchestrator.TableParameters) *orchestrator.Table {
	s := &manySolver{shape: shapeOf(&parameters)}
	size := s.rows() * s.row()
	s.best, s.after, s.now, s.then = make([]float32, size), make([]float32, size), make([]float32, s.row()), make([]float32, s.row())
	s.findGoes(&parameters)
	table := &orchestrator.Table{Parameters: parameters}
	for ticks := 1; ticks <= parameters.Ticks; ticks++ {
		s.decide(ticks)
		s.expect(ticks)
		if kept(ticks, parameters.Ticks) {
			table.Stages = append(table.Stages, orchestrator.Stage{Ticks: ticks, Costs: append([]float32(nil), s.after...)})
		}
	}
	return table
}

// kept says which steps are kept: costs are nearly linear in time.
func kept(ticks, all int) bool {
	step := 1
	for ticks >= 8*step {
		step *= 2
	}
	return ticks%step == 0 || ticks == all
}

// lowered is where so much slack of the ticks is after a fall, when so many are left.
func (s *shape) lowered(point, fall float64, ticks, left int) lower {
	slack := point*float64(ticks) - fall
	if slack < 0 {
		return lower{at: -1}
	}
	place := locate(s.points[:], slack/float64(left))
	return lower{int32(place.at), float32(place.above), float32(slack)}
}

// decide finds the least cost of every state. More on-demand levels cost nothing more than their ticks, since their starts do not touch the slack.
func (s *manySolver) decide(ticks int) {
	if ticks > 1 {
		for idle := range s.levels + 1 {
			for starts := range 2*s.levels + 1 {
				for i, point := range s.points {
					s.runs[idle][starts][i] = s.lowered(point, float64(idle)+s.start*float64(starts), ticks, ticks-1)
				}
			}
		}
	}
	var nothing [slacks]float32
	for row := range s.rows() {
		granted := row / len(meanShares) % (s.levels + 1)
		best, after := s.best[row*s.row():(row+1)*s.row()], s.after[row*s.row():(row+1)*s.row()]
		if ticks == 1 {
			s.last(granted, best)
			continue
		}
		for at := range s.now {
			s.now[at] = never
		}
		for onDemand := range s.levels + 1 {
			s.run(ticks, granted, onDemand, 0, after, s.now[onDemand*slacks:(onDemand+1)*slacks], nothing[:])
		}
		s.choose(ticks, granted, after, best)
	}
}

// last are the costs with one tick left: of spot capacity as far as it goes.
func (s *manySolver) last(granted int, best []float32) {
	for onDemand := range s.levels + 1 {
		for i, point := range s.points {
			left := max(s.left(1, point, float64(onDemand)), 0)
			spot := min(left, float64(s.spotBeside(granted, onDemand)))
			best[onDemand*slacks+i] = float32(spot + (left-spot)*s.ratio)
		}
	}
}

// run offers the cost of a tick with so many on-demand levels and starts, and of what comes after, to every slack at which it could be below what it is known to be: not less
// than at least.
func (s *manySolver) run(ticks, granted, onDemand, starts int, after, into, atLeast []float32) {
	spot := s.spotBeside(granted, onDemand)
	runs, pays := float32(max(onDemand+spot, 1)), float32(float64(spot)+s.ratio*float64(onDemand))
	work, costs := float32(s.left(float64(ticks-1), 0, float64(onDemand))), after[onDemand*slacks:(onDemand+1)*slacks]
	for i, then := range &s.runs[s.levels-onDemand-spot][starts] {
		if then.at < 0 || atLeast[i] >= into[i] {
			continue
		}
		cost := pays + then.in(costs)
		if over := then.slack - work; over >= 0 { // the work ends in this tick
			cost = pays * max(1-over/runs, 0)
		}
		into[i] = min(into[i], cost)
	}
}

// choose takes the best decision for every slack. To leave on-demand capacity is to start on spot capacity, and once more on-demand should that end.
func (s *manySolver) choose(ticks, granted int, after, best []float32) {
	var cheapest [slacks]float32
	for i := range cheapest {
		cheapest[i] = never
	}
	for onDemand := s.levels; onDemand >= 0; onDemand-- {
		least, spot := best[onDemand*slacks:(onDemand+1)*slacks], s.spotBeside(granted, onDemand)
		for i, cost := range s.now[onDemand*slacks : (onDemand+1)*slacks] {
			cheapest[i] = min(cheapest[i], cost)
		}
		copy(least, cheapest[:])
		for less := range onDemand {
			starts := onDemand - less + s.spotBeside(granted, less) - spot
			s.run(ticks, granted, less, starts, after, least, s.now[less*slacks:(less+1)*slacks]) // at least as it would be without starts
		}
		for i, point := range s.points {
			if s.left(float64(ticks), point*float64(ticks), float64(onDemand)) <= 0 {
				least[i] = 0
			}
		}
	}
}

// expect averages over what is granted next. What is granted beyond what ran starts, unless all goes on-demand, which takes no slack.
func (s *manySolver) expect(ticks int) {
	for starts := range s.levels + 1 {
		for i, point := range s.points {
			s.waits[starts][i] = s.lowered(point, s.start*float64(starts), ticks, ticks)
		}
	}
	clear(s.after)
	for row, all := range s.goes {
		after, granted := s.after[row*s.row():(row+1)*s.row()], row/len(meanShares)%(s.levels+1)
		for len(all) > 0 {
			to := all[0].granted
			into := after
			if to > granted {
				into = s.then
				clear(into)
			}
			for ; len(all) > 0 && all[0].granted == to; all = all[1:] {
				vectors.Saxpy(s.row(), all[0].chance, s.best[all[0].row*s.row():], 1, into, 1)
			}
			if to > granted {
				s.grant(granted, to, after)
			}
		}
	}
}

// grant adds the costs when more is granted than before.
func (s *manySolver) grant(granted, to int, after []float32) {
	whole := s.levels - granted // from so many on-demand levels on nothing starts
	dear := s.then[s.levels*slacks:]
	for onDemand := range whole {
		of, into := s.then[onDemand*slacks:(onDemand+1)*slacks], after[onDemand*slacks:(onDemand+1)*slacks]
		for i, then := range &s.waits[s.spotBeside(to, onDemand)-s.spotBeside(granted, onDemand)] {
			cost := dear[i]
			if then.at >= 0 {
				cost = min(cost, then.in(of))
			}
			into[i] += cost
		}
	}
	vectors.Saxpy(s.row()-whole*slacks, 1, s.then[whole*slacks:], 1, after[whole*slacks:], 1)
}
