package capacity

import (
	"math"
	"sort"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// ChooseMany looks one decision ahead: of all numbers of spot and on-demand workers, which costs least with all that is to be expected after it. Spot workers that run
// stay if there is room for them; those that could start and do not will have to start later, should capacity stay. Whether the decision is safe an Account must say.
func ChooseMany(table *orchestrator.Table, account Account, granted int, memory orchestrator.GrantMemory, now time.Time) (spot, onDemand int) {
	c := newChooser(table, account, granted, memory, now)
	best := math.Inf(1)
	spot, onDemand = c.granted, account.Width-c.granted
	for _, dear := range c.counts(0, account.Width, len(account.OnDemand)) {
		most := min(c.granted, account.Width-dear)
		for _, cheap := range c.counts(min(len(account.Spot), most), most, most) {
			if cost := c.cost(cheap, dear); cost < best-1e-9 {
				best, spot, onDemand = cost, cheap, dear
			}
		}
	}
	return spot, onDemand
}

// chooser is a state between the points of the grid.
type chooser struct {
	*shape
	account Account
	granted int
	worker  float64 // in levels
	ticks   float64 // left
	slack   float64
	stages  [2]stageAt
	rows    []neighbour // by the belief, and what is granted
	atLeast []float64   // chance that so many levels are granted after the tick
}

type stageAt struct {
	costs  []float32
	weight float64
}

func newChooser(table *orchestrator.Table, account Account, granted int, memory orchestrator.GrantMemory, now time.Time) *chooser {
	p := &table.Parameters
	c := &chooser{shape: shapeOf(p), account: account, granted: min(max(granted, 0), account.Width)}
	c.worker = float64(c.levels) / float64(account.Width)
	c.ticks = float64(account.Until) / float64(p.Tick)
	c.slack = float64(account.Slack()) / float64(p.Tick) * c.worker
	c.findStages(table, c.ticks-1)
	belief := grantsOf(&p.Prior, memory, now, c.granted, account.Width)
	at := locate(levelPoints[:c.levels+1], belief.granted*float64(c.levels))
	c.atLeast = make([]float64, c.levels+2)
	for _, level := range at.both() {
		if level.weight == 0 {
			continue
		}
		sum, seen := 0.0, belief
		seen.granted = float64(level.at) / float64(c.levels)
		chances := seen.goes(&p.Prior, c.levels, p.Tick)
		for to := c.levels; to >= 0; to-- {
			sum += chances[to]
			c.atLeast[to] += level.weight * sum
		}
		for _, mean := range locate(meanShares[:], belief.mean).both() {
			for _, changes := range locate(changeRates[:], belief.changes).both() {
				if weight := level.weight * mean.weight * changes.weight; weight > 0 {
					c.rows = append(c.rows, neighbour{c.rowOf(changes.at, level.at, mean.at), weight})
				}
			}
		}
	}
	return c
}

// levelPoints are the numbers of levels.
var levelPoints = func() (points [mostLevels + 1]float64) {
	for i := range points {
		points[i] = float64(i)
	}
	return points
}()

// findStages finds the stages on both sides of so many ticks left. With none left nothing is to be paid any more.
func (c *chooser) findStages(table *orchestrator.Table, ticks float64) {
	above := min(sort.Search(len(table.Stages), func(i int) bool { return float64(table.Stages[i].Ticks) >= ticks }), len(table.Stages)-1)
	high := &table.Stages[above]
	c.stages[1] = stageAt{high.Costs, 1}
	if above > 0 {
		low := &table.Stages[above-1]
		share := min(max((ticks-float64(low.Ticks))/float64(high.Ticks-low.Ticks), 0), 1)
		c.stages[0], c.stages[1].weight = stageAt{low.Costs, 1 - share}, share
	}
}

// counts are numbers of workers from least to most, a level apart, and one more.
func (c *chooser) counts(least, most, also int) (list []int) {
	step := max(1, int(math.Round(1/c.worker)))
	for count := least; count < most; count += step {
		if list = append(list, count); count < also && also < count+step {
			list = append(list, also)
		}
	}
	return append(list, most)
}

// cost is what a decision costs with all that is to be expected after it, in ticks of a level on spot capacity.
func (c *chooser) cost(spot, onDemand int) float64 {
	a := &c.account
	runs, dear := c.worker*float64(spot), c.worker*float64(onDemand)
	pays := runs + c.ratio*dear
	starts := c.worker * float64(max(spot-len(a.Spot), 0)+max(len(a.OnDemand)-onDemand, 0))
	slack := c.slack - c.worker*float64(a.Width-spot-onDemand) - c.start*starts
	if over := -c.left(c.ticks-1, slack, dear); over >= -1e-9 {
		return pays * max(1-over/max(runs+dear, c.worker), 0)
	}
	if slack < 0 || c.ticks <= 1 {
		return math.Inf(1)
	}
	expected := c.expected(slack, dear)
	// Those not started now will have to start if capacity stays.
	now := expected
	for worker := spot + 1; worker <= min(c.granted, a.Width-onDemand); worker++ {
		slack -= c.start * c.worker
		later := max(c.expected(max(slack, 0), dear), now)
		level := min(int(math.Ceil(float64(worker)*c.worker-1e-9)), c.levels)
		expected, now = expected+(later-now)*c.atLeast[level], later
	}
	return pays + expected
}

// expected is the cost after a decision that leaves so much slack.
func (c *chooser) expected(slack, onDemand float64) (cost float64) {
	at := locate(c.points[:], slack/(c.ticks-1))
	for _, stage := range c.stages {
		if stage.weight == 0 {
			continue
		}
		for _, row := range c.rows {
			for _, level := range locate(levelPoints[:c.levels+1], onDemand).both() {
				if weight := stage.weight * row.weight * level.weight; weight > 0 {
					costs := stage.costs[row.at*c.row()+level.at*slacks+at.at:]
					low, high := float64(costs[0]), float64(costs[1])
					cost += weight * (low + at.above*(high-low))
				}
			}
		}
	}
	return cost
}
