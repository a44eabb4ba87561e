package capacity

import (
	"fmt"
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// The work left is counted in units: fine ones where the slack is small, since they decide what is still allowed.
const (
	finestUnits = 20 // of a tick
	shortTicks  = 72 // of work, up to which the finest units make no larger table than the fine ones do of longer work
	fineUnits   = 5  // of a tick
	coarseUnits = 2  // of a tick
	looseTicks  = 60 // of slack, from which coarse units will do
	mostTicks   = 5000
	mostWidth   = 1 << 20
	mostRatio   = 1000
)

// late is the cost of what cannot be.
const late = 1e12

// Solve makes the table of a task: a backward programme over the ticks left, the belief and what runs, with the least expected cost for every amount of
// work that may be left then. Between the points of the grid costs are interpolated.
func Solve(parameters orchestrator.TableParameters) (*orchestrator.Table, error) {
	if err := Check(parameters); err != nil {
		return nil, err
	}
	p := &parameters
	if p.Width > 1 {
		return solveMany(parameters), nil
	}
	perTick, unit := unitOf(p)
	s := &solver{parameters: p, unit: unit, perTick: perTick, work: int((p.Work + unit - 1) / unit), kinds: kindsOf(p)}
	table := &orchestrator.Table{Parameters: parameters, Unit: unit}
	s.begin()
	for ticks := 1; ticks <= p.Ticks; ticks++ {
		s.step(ticks, table)
	}
	table.First = append(table.First, uint32(len(table.Ranges)))
	return table, nil
}

// Check says what is wrong with parameters.
func Check(p orchestrator.TableParameters) error {
	switch _, unit := unitOf(&p); {
	case p.Width < 0 || p.Width > mostWidth || p.Width > 1 && (p.Tick <= 0 || p.Start < 0 || p.Start > p.Tick || p.Ticks < 1 || p.Ticks > mostTicks || !(p.OnDemand > 0) || p.OnDemand > mostRatio):
		return fmt.Errorf("solve a table of %v ticks of %v for %d workers with starts of %v at price %v: a start is at most a tick, there are 1 to %d ticks, at most %d workers, prices are above 0 and at most %d",
			p.Ticks, p.Tick, p.Width, p.Start, p.OnDemand, mostTicks, mostWidth, mostRatio)
	case p.Width > 1:
		return nil
	case p.Tick <= 0 || p.Start < 0 || p.Start > MostPhases*p.Tick || p.Ticks < 1 || p.Ticks > mostTicks || p.Work <= 0 || !(p.OnDemand > 0):
		return fmt.Errorf("solve a table of %v ticks of %v for %v of work with starts of %v at price %v: a start is at most %d ticks, there are 1 to %d ticks, and the others are above 0",
			p.Ticks, p.Tick, p.Work, p.Start, p.OnDemand, MostPhases, mostTicks)
	case unit <= 0 || p.Work/unit >= mostUnits:
		return fmt.Errorf("solve a table of %v of work in units of %v: that are more than %d", p.Work, unit, mostUnits)
	}
	return nil
}

// unitOf is how many units a tick has, and how long one is.
func unitOf(p *orchestrator.TableParameters) (perTick int, unit time.Duration) {
	perTick = fineUnits
	switch {
	case p.Tick > 0 && p.Ticks-int(p.Work/p.Tick) >= looseTicks:
		perTick = coarseUnits
	case p.Tick > 0 && p.Work <= shortTicks*p.Tick:
		perTick = finestUnits
	}
	return perTick, p.Tick / time.Duration(perTick)
}

// solver holds the least costs of the step before, and of the present one, by kind and cell and work left.
type solver struct {
	parameters *orchestrator.TableParameters
	unit       time.Duration
	perTick    int // units
	work       int // units
	kinds      kinds
	stands     []stand        // for which each kind does
	progress   []progress     // of a tick, by the phase in which it begins; that of a new start last
	moves      [2][cells]move // by availability
	later, now [][][]float32  // by kind, cell, units
	idle       []float32      // expectations of the step before
	running    [2][][]float32 // likewise, of spot and of on-demand capacity by phase
	choices    []Choice
	limits     []int // most units with which spot capacity is safe, by phase, the new start last
	wait       int   // most units with which waiting is safe
	least      int   // units of work that may be left in this step
	most       int
	before     int // most units that may be left in the step before
}

// progress is what a worker does in a tick, in units.
type progress struct {
	whole int
	part  float32
}

// move is where a belief goes: to two cells of its own availability if it stays, else to two of the other.
type move struct {
	stay, other [2]target
}

type target struct {
	cell   int
	chance float32
}

func (s *solver) begin() {
	for phase := range s.kinds.phases + 1 {
		done := max(float64(s.parameters.Tick-s.kinds.rest(phase))/float64(s.unit), 0)
		whole := int(done + 1e-9)
		s.progress = append(s.progress, progress{whole, float32(max(done-float64(whole), 0))})
	}
	s.findMoves()
	s.stands = s.kinds.all()
	for range s.stands {
		costs := rows(s.work)
		for _, row := range costs {
			for units := 1; units <= s.work; units++ {
				row[units] = late
			}
		}
		s.later, s.now = append(s.later, costs), append(s.now, rows(s.work))
	}
	s.idle, s.choices = make([]float32, s.work+1), make([]Choice, s.work+1)
	for range s.kinds.phases {
		for of := range s.running {
			s.running[of] = append(s.running[of], make([]float32, s.work+1))
		}
	}
	s.limits = make([]int, s.kinds.phases+1)
}

func rows(work int) [][]float32 {
	all, list := make([]float32, cells*(work+1)), make([][]float32, cells)
	for i := range list {
		list[i] = all[i*(work+1) : (i+1)*(work+1)]
	}
	return list
}

// findMoves works out the chances of the prior at every point of the grid.
func (s *solver) findMoves() {
	for cell := range cells {
		age, up, down := cell/(len(means)*len(means)), cell/len(means)%len(means), cell%len(means)
		for i, available := range []bool{false, true} {
			belief := state{available, max(ages[age], bases(&s.parameters.Prior, s.parameters.Tick)), means[up], means[down]}
			s.moves[i][cell] = s.moveOf(belief, up, down)
		}
	}
}

// moveOf is where a belief at a point of the grid goes in a tick.
func (s *solver) moveOf(belief state, up, down int) (m move) {
	tick := bases(&s.parameters.Prior, s.parameters.Tick)
	chance := stay(&s.parameters.Prior, belief, s.parameters.Tick)
	for i, age := range locate(ages[:], belief.age+tick).both() {
		m.stay[i] = target{cellOf(age.at, up, down), float32(chance * age.weight)}
	}
	mean := means[down]
	if belief.available {
		mean = means[up]
	}
	mean += leastWeight * (math.Log(belief.age) - mean)
	for i, ended := range locate(means[:], mean).both() {
		if belief.available {
			up = ended.at
		} else {
			down = ended.at
		}
		m.other[i] = target{cellOf(locate(ages[:], tick).at, up, down), float32((1 - chance) * ended.weight)}
	}
	return m
}

// step solves for so many ticks left, with the solution for one less.
func (s *solver) step(ticks int, table *orchestrator.Table) {
	p := s.parameters
	s.least = max(s.work-(p.Ticks-ticks)*s.perTick, 1)
	s.most = min(s.work, ticks*s.perTick)
	s.before = min(s.work, (ticks-1)*s.perTick)
	rest := Account{Tick: p.Tick, Until: time.Duration(ticks) * p.Tick, Width: 1, Start: p.Start}
	s.wait = s.allowed(rest, 0)
	for phase := range s.limits {
		rest.Spot = []time.Duration{s.kinds.rest(phase)}
		s.limits[phase] = s.allowed(rest, 1)
	}
	for cell := range cells {
		for _, available := range []bool{false, true} {
			s.expect(available, cell)
			for kind := s.kinds.of(available, Wait, 0); kind < s.kinds.end(available); kind++ {
				s.choose(kind, s.now[kind][cell])
				s.write(table)
			}
		}
	}
	s.later, s.now = s.now, s.later
}

// choose takes the best of what is safe for every amount of work.
func (s *solver) choose(kind int, costs []float32) {
	available, runs, phase := s.stands[kind].available, s.stands[kind].runs, s.stands[kind].phase
	begins := s.kinds.phases // the phase of a new start
	spot, onDemand := begins, begins
	switch runs {
	case Spot:
		spot = phase
	case OnDemand:
		onDemand = phase
	}
	certain := float32(s.parameters.OnDemand)
	afterSpot, afterOnDemand := s.running[0][s.kinds.next(spot)], s.running[1][s.kinds.next(onDemand)]
	for units := s.least; units <= s.most; units++ {
		cost, choice := certain+s.after(afterOnDemand, units, onDemand), OnDemand
		if available && units <= s.limits[spot] {
			if risk := 1 + s.after(afterSpot, units, spot); risk <= cost {
				cost, choice = risk, Spot
			}
		}
		if units <= s.wait && s.idle[units] <= cost {
			cost, choice = s.idle[units], Wait
		}
		costs[units], s.choices[units] = cost, choice
	}
}

// allowed is the most work, in units, with which a tick on spot capacity, or a tick of waiting, is safe.
func (s *solver) allowed(rest Account, spot int) int {
	units := s.most
	for ; units > 0; units-- {
		if rest.Left = time.Duration(units) * s.unit; rest.Safe(spot, 0) {
			break
		}
	}
	return units
}

// after is the cost after a tick that began in a phase. What no on-demand worker could do any more is taken as the most that it could: the rest of
// a unit is not what makes a job late, and safety is asked for elsewhere.
func (s *solver) after(costs []float32, units, phase int) float32 {
	done := s.progress[phase]
	low := costs[min(max(units-done.whole, 0), s.before)]
	if done.part == 0 {
		return low
	}
	return low + done.part*(costs[min(max(units-done.whole-1, 0), s.before)]-low)
}

// expect averages the costs of the step before over what capacity may do.
func (s *solver) expect(available bool, cell int) {
	m := &s.moves[0][cell]
	down, up := &m.stay, &m.other
	if available {
		m = &s.moves[1][cell]
		down, up = &m.other, &m.stay
	}
	to := min(s.most, s.before)
	from := min(max(s.least-s.perTick, 0), to+1) // there may be more work than the ticks can hold
	mix := func(into []float32, whenDown, whenUp int) {
		low, high := s.later[whenDown], s.later[whenUp]
		average(into[from:to+1], low[down[0].cell][from:], low[down[1].cell][from:], high[up[0].cell][from:], high[up[1].cell][from:],
			down[0].chance, down[1].chance, up[0].chance, up[1].chance)
		for units := to + 1; units <= s.most; units++ {
			into[units] = late
		}
	}
	idle := s.kinds.of(false, Wait, 0)
	mix(s.idle, idle, s.kinds.of(true, Wait, 0))
	for phase := range s.kinds.phases {
		mix(s.running[1][phase], s.kinds.of(false, OnDemand, phase), s.kinds.of(true, OnDemand, phase))
		if available {
			mix(s.running[0][phase], idle, s.kinds.of(true, Spot, phase))
		}
	}
}

func average(into, a, b, c, d []float32, ofA, ofB, ofC, ofD float32) {
	a, b, c, d = a[:len(into)], b[:len(into)], c[:len(into)], d[:len(into)]
	for i := range into {
		into[i] = ofA*a[i] + ofB*b[i] + ofC*c[i] + ofD*d[i]
	}
}

// write adds the choices of one row to the table.
func (s *solver) write(table *orchestrator.Table) {
	table.First = append(table.First, uint32(len(table.Ranges)))
	for units := s.least; units <= s.most; units++ {
		if units == s.most || s.choices[units+1] != s.choices[units] {
			table.Ranges = append(table.Ranges, uint16(s.choices[units])<<choiceShift|uint16(units))
		}
	}
	if s.least > s.most {
		table.Ranges = append(table.Ranges, uint16(OnDemand)<<choiceShift|mostUnits)
	}
}
