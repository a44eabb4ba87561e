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
	leastWorth = 1. // of a tick of work: what spot capacity costs
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
	goes   [][]towards
	best   []float32 // before the decision, by row, on-demand level, slack
	worth  []float32 // of a unit of slack there
	after  []float32 // after the decision
	now    []float32 // of each decision of one row, all that start on-demand being free
	slopes []float32 // worth of slack after it
	places [mostLevels + 1][slacks]place
}

// towards is a row to which a belief goes.
type towards struct {
	row, granted int
	chance       float32
}

var vectors gonum.Implementation

// solveMany makes the table of many workers.
func solveMany(parameters orchestrator.TableParameters) *orchestrator.Table {
	s := &manySolver{shape: shapeOf(&parameters)}
	size := s.rows() * s.row()
	s.best, s.worth, s.after = make([]float32, size), make([]float32, size), make([]float32, size)
	s.now, s.slopes = make([]float32, s.row()), make([]float32, s.row())
	s.findGoes(&parameters)
	table := &orchestrator.Table{Parameters: parameters}
	for ticks := 1; ticks <= parameters.Ticks; ticks++ {
		s.decide(ticks)
		s.price(ticks)
		s.expect()
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

// decide finds the least cost of every state. More on-demand levels cost nothing more than their ticks, since their starts do not touch the slack.
func (s *manySolver) decide(ticks int) {
	for idle := range s.levels + 1 {
		for i, point := range s.points {
			if ticks > 1 {
				s.places[idle][i] = locate(s.points[:], (point*float64(ticks)-float64(idle))/float64(ticks-1))
			}
		}
	}
	for row := range s.rows() {
		granted := row / len(meanShares) % (s.levels + 1)
		best, after := s.best[row*s.row():(row+1)*s.row()], s.after[row*s.row():(row+1)*s.row()]
		if ticks == 1 {
			s.last(granted, best)
			continue
		}
		for onDemand := range s.levels + 1 {
			s.run(ticks, granted, onDemand, after[onDemand*slacks:(onDemand+1)*slacks])
		}
		for i, point := range s.points {
			s.choose(ticks, granted, i, point*float64(ticks), best)
		}
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

// run is the cost of a tick with so many on-demand levels, and of what comes after, and what slack is worth then.
func (s *manySolver) run(ticks, granted, onDemand int, after []float32) {
	spot := s.spotBeside(granted, onDemand)
	idle := s.levels - onDemand - spot
	pays := float64(spot) + s.ratio*float64(onDemand)
	for i, point := range s.points {
		at := onDemand*slacks + i
		slack := point*float64(ticks) - float64(idle)
		if s.now[at], s.slopes[at] = never, 0; slack < 0 {
			continue
		}
		place := s.places[idle][i]
		low, high := after[place.at], after[place.at+1]
		s.slopes[at] = float32(max(float64(low-high)/((s.points[place.at+1]-s.points[place.at])*float64(ticks-1)), leastWorth))
		if over := -s.left(float64(ticks-1), slack, float64(onDemand)); over >= 0 { // the work ends in this tick
			s.now[at] = float32(pays * max(1-over/float64(max(onDemand+spot, 1)), 0))
			continue
		}
		s.now[at] = float32(pays) + low + float32(place.above)*(high-low)
	}
}

// choose takes the best decision for a slack: to leave on-demand capacity costs the starts that this makes, at what slack is worth.
func (s *manySolver) choose(ticks, granted, i int, slack float64, best []float32) {
	cheapest := float32(never)
	for onDemand := s.levels; onDemand >= 0; onDemand-- {
		at := onDemand*slacks + i
		cheapest = min(cheapest, s.now[at])
		least := cheapest
		spot := s.spotBeside(granted, onDemand)
		for less := range onDemand {
			if s.now[less*slacks+i] >= least {
				continue
			}
			starts := s.start * float64(onDemand-less+s.spotBeside(granted, less)-spot)
			if slack-float64(s.levels-less-s.spotBeside(granted, less))-starts >= 0 {
				least = min(least, s.now[less*slacks+i]+s.slopes[less*slacks+i]*float32(starts))
			}
		}
		if s.left(float64(ticks), slack, float64(onDemand)) <= 0 {
			least = 0
		}
		best[at] = least
	}
}

// price says what a unit of slack is worth in every state.
func (s *manySolver) price(ticks int) {
	for at := 0; at < len(s.best); at += slacks {
		best, worth := s.best[at:at+slacks], s.worth[at:at+slacks]
		for i := range worth {
			low, high := max(i-1, 0), min(i+1, slacks-1)
			worth[i] = float32(max(float64(best[low]-best[high])/((s.points[high]-s.points[low])*float64(ticks)), leastWorth))
		}
	}
}

// expect averages over what is granted next. What is granted beyond what ran starts, at what slack is worth.
func (s *manySolver) expect() {
	clear(s.after)
	for row, all := range s.goes {
		after, granted := s.after[row*s.row():(row+1)*s.row()], row/len(meanShares)%(s.levels+1)
		for _, to := range all {
			vectors.Saxpy(s.row(), to.chance, s.best[to.row*s.row():], 1, after, 1)
			for onDemand := range s.levels - granted {
				if more := s.spotBeside(to.granted, onDemand) - s.spotBeside(granted, onDemand); more > 0 {
					vectors.Saxpy(slacks, to.chance*float32(s.start*float64(more)), s.worth[to.row*s.row()+onDemand*slacks:], 1, after[onDemand*slacks:], 1)
				}
			}
		}
	}
}
