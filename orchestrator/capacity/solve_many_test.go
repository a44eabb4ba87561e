package capacity

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

var dawn = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func manyParameters(ticks, width int, start time.Duration, onDemand float64) orchestrator.TableParameters {
	return orchestrator.TableParameters{Tick: basis, Ticks: ticks, Start: start, OnDemand: onDemand, Prior: DefaultPrior, Width: width}
}

// evenly is a prior under which what is granted stays with a chance whatever happened before, and goes anywhere else alike.
func evenly(stays float64) orchestrator.SpotPrior {
	constant := [stayTerms]float64{math.Log(stays / (1 - stays))}
	return orchestrator.SpotPrior{Grants: orchestrator.GrantPrior{None: constant, Some: constant, All: constant}}
}

// twoWorkers is a task of two workers in which what is granted is a chain, solved in the plainest way.
type twoWorkers struct {
	p      orchestrator.TableParameters
	chance [3][3]float64
	known  map[twoState]float64
	// decide limits what may be done in a state to one decision; nil leaves the best of all.
	decide func(twoState) (spot, onDemand int)
}

type twoState struct {
	ticks, halves            int // half ticks of work
	spot, onDemand, capacity int
}

func (t *twoWorkers) account(s twoState) Account {
	return Account{
		Tick: basis, Until: time.Duration(s.ticks) * basis, Width: 2, Left: time.Duration(s.halves) * basis / 2, Start: t.p.Start,
		Spot: make([]time.Duration, s.spot), OnDemand: make([]time.Duration, s.onDemand),
	}
}

// cost is what is to be paid: the starts take half a tick, and the last tick is billed as far as it is needed.
func (t *twoWorkers) cost(s twoState) float64 {
	if s.halves <= 0 {
		return 0
	}
	if s.ticks == 0 {
		return math.Inf(1)
	}
	if cost, known := t.known[s]; known {
		return cost
	}
	best := math.Inf(1)
	if t.decide != nil {
		spot, onDemand := t.decide(s)
		best = t.after(s, spot, onDemand)
	} else {
		account := t.account(s)
		for onDemand := range 3 {
			for spot := range min(s.capacity, 2-onDemand) + 1 {
				if account.Safe(spot, onDemand) {
					best = min(best, t.after(s, spot, onDemand))
				}
			}
		}
	}
	t.known[s] = best
	return best
}

func (t *twoWorkers) after(s twoState, spot, onDemand int) float64 {
	done := 2*(spot+onDemand) - max(spot-s.spot, 0) - max(onDemand-s.onDemand, 0)
	cost := float64(spot) + t.p.OnDemand*float64(onDemand)
	if done > s.halves {
		cost *= float64(s.halves) / float64(done)
	}
	for granted, chance := range t.chance[s.capacity] {
		cost += chance * t.cost(twoState{s.ticks - 1, s.halves - done, min(spot, granted), onDemand, granted})
	}
	return cost
}

// In small tasks the table's decisions, corrected, cost little more than the best there are, and are never late.
func TestTablesOfManyAreNearThePlainProgramme(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ stays, onDemand float64 }{"calm": {.95, 4}, "restless": {.4, 2}, "dear": {.8, 10}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := manyParameters(24, 2, basis/2, tc.onDemand)
			p.Prior = evenly(tc.stays)
			table, err := Solve(p)
			if err != nil {
				t.Fatal(err)
			}
			best := &twoWorkers{p: p, known: map[twoState]float64{}}
			for granted := range best.chance {
				belief := grants{float64(granted) / 2, .5, .3}
				best.chance[granted] = [3]float64(belief.goes(&p.Prior, 2, basis))
			}
			ours := &twoWorkers{p: p, known: map[twoState]float64{}, chance: best.chance}
			ours.decide = func(s twoState) (int, int) {
				account := ours.account(s)
				memory := orchestrator.GrantMemory{At: dawn, Granted: s.capacity, Mean: 1, Changes: .3}
				spot, onDemand := ChooseMany(table, account, s.capacity, memory, dawn)
				spot, onDemand, _ = account.Correct(spot, onDemand, s.capacity)
				return spot, onDemand
			}
			leastOfAll, seenOfAll := 0.0, 0.0
			for _, halves := range []int{20, 40, 60, 80} {
				for granted := range 3 {
					start := twoState{ticks: 24, halves: halves, capacity: granted}
					least, seen := best.cost(start), ours.cost(start)
					leastOfAll, seenOfAll = leastOfAll+least, seenOfAll+seen
					if seen < least-1e-9 || !(seen < 1.12*least) {
						t.Errorf("%d half ticks of work, %d granted: %.3f, the least is %.3f", halves, granted, seen, least)
					}
				}
			}
			if !(seenOfAll < 1.04*leastOfAll) { // the grid is coarse for so short a task
				t.Errorf("%.3f in all, the least is %.3f", seenOfAll, leastOfAll)
			}
		})
	}
}

// Whatever a table says of any number of workers, corrected it never makes late what was safe.
func TestCorrectedTablesOfManyAreNeverLate(t *testing.T) {
	t.Parallel()
	tables := map[int]*orchestrator.Table{}
	for _, width := range []int{2, 3, 20, 64} {
		table, err := Solve(manyParameters(12, width, 6*time.Minute, 3))
		if err != nil {
			t.Fatal(err)
		}
		tables[width] = table
	}
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.SampledFrom([]int{2, 3, 20, 64}).Draw(t, "width")
		ticks := rapid.IntRange(1, 12).Draw(t, "ticks")
		most := time.Duration(width) * (time.Duration(ticks)*basis - 6*time.Minute)
		left := time.Duration(rapid.Int64Range(1, int64(most)).Draw(t, "work"))
		var spot, onDemand []time.Duration
		memory, now := orchestrator.GrantMemory{}, dawn
		for ; left > 0; ticks-- {
			if ticks == 0 {
				t.Fatalf("%v of work is left", left)
			}
			granted := rapid.IntRange(0, width).Draw(t, "granted")
			spot = spot[:min(len(spot), granted)]
			memory = ObserveGrants(&DefaultPrior, memory, now, granted)
			account := Account{Tick: basis, Until: time.Duration(ticks) * basis, Width: width, Left: left, Start: 6 * time.Minute, Spot: spot, OnDemand: onDemand}
			cheap, dear := ChooseMany(tables[width], account, granted, memory, now)
			if cheap < 0 || dear < 0 || cheap > granted || cheap+dear > width {
				t.Fatalf("%d and %d of %d workers, %d granted", cheap, dear, width, granted)
			}
			cheap, dear, safe := account.Correct(cheap, dear, granted)
			if !safe {
				t.Fatalf("not safe: %+v", account)
			}
			left -= time.Duration(cheap+dear)*basis - time.Duration(max(cheap-len(spot), 0)+max(dear-len(onDemand), 0))*6*time.Minute
			spot, onDemand, now = make([]time.Duration, cheap), make([]time.Duration, dear), now.Add(basis)
		}
	})
}

func TestSolveManyRefuses(t *testing.T) {
	t.Parallel()
	good := manyParameters(2, 4, time.Minute, 3)
	if err := Check(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*orchestrator.TableParameters){
		"no tick":          func(p *orchestrator.TableParameters) { p.Tick = 0 },
		"no time":          func(p *orchestrator.TableParameters) { p.Ticks = 0 },
		"too long":         func(p *orchestrator.TableParameters) { p.Ticks = 1 << 20 },
		"a start below 0":  func(p *orchestrator.TableParameters) { p.Start = -1 },
		"a start too long": func(p *orchestrator.TableParameters) { p.Start = basis + 1 },
		"no price":         func(p *orchestrator.TableParameters) { p.OnDemand = math.NaN() },
		"a price too high": func(p *orchestrator.TableParameters) { p.OnDemand = 1e6 },
		"too many workers": func(p *orchestrator.TableParameters) { p.Width = 1 << 30 },
		"fewer than none":  func(p *orchestrator.TableParameters) { p.Width = -1 },
	} {
		p := good
		change(&p)
		if _, err := Solve(p); err == nil {
			t.Errorf("%s: solved", name)
		}
	}
}

// A table for many workers is bounded whatever its time and width.
func TestTablesOfManyAreBounded(t *testing.T) {
	t.Parallel()
	count := 0
	for ticks := range 500 {
		if kept(ticks+1, 500) {
			count++
		}
	}
	if size := count * 4 * shapeOf(&orchestrator.TableParameters{Tick: basis, Width: 1000}).rows() * shapeOf(&orchestrator.TableParameters{Tick: basis, Width: 1000}).row(); size > 40<<20 {
		t.Errorf("%d stages are %d bytes", count, size)
	}
	if points := shapeOf(&orchestrator.TableParameters{Tick: basis, Width: 8}).points; !slices.IsSorted(points[:]) || points[slacks-1] != 8 {
		t.Errorf("slacks %v", points)
	}
}

func BenchmarkSolveMany(b *testing.B) {
	for b.Loop() {
		if _, err := Solve(manyParameters(360, 16, 6*time.Minute, 5)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCoversAnyWorkOfMany(t *testing.T) {
	t.Parallel()
	table := &orchestrator.Table{Parameters: manyParameters(10, 4, time.Minute, 3)}
	m := time.Minute
	for _, tc := range []struct {
		until, work time.Duration
		want        bool
	}{
		{100 * m, m, true}, {100 * m, 400 * m, true}, {109 * m, m, true}, {110 * m, m, false}, {10 * m, m, true}, {9 * m, m, false}, {100 * m, 0, false},
	} {
		if got := Covers(table, tc.until, tc.work); got != tc.want {
			t.Errorf("%s of work in %s: %v", tc.work, tc.until, got)
		}
	}
}

// Nothing is dearer than to go on-demand with all the width at once, which is always allowed, and more slack is never dearer: so it is where slack is scarce and starts
// are what it is needed for, too.
func TestCostsOfManyAreBoundedByOnDemand(t *testing.T) {
	t.Parallel()
	for name, stays := range map[string]float64{"calm": .95, "restless": .3} {
		p := manyParameters(48, 8, basis, 5)
		p.Prior = evenly(stays)
		table, err := Solve(p)
		if err != nil {
			t.Fatal(err)
		}
		shape := shapeOf(&p)
		for _, stage := range table.Stages {
			for row := range len(stage.Costs) / slacks {
				before := math.Inf(1)
				for i, point := range shape.points {
					cost, most := float64(stage.Costs[row*slacks+i]), 5*shape.left(float64(stage.Ticks), point*float64(stage.Ticks), 8)
					if cost < 0 || cost > 1.001*max(most, 0)+.01 || cost > before+.01 {
						t.Fatalf("%s, %d ticks, row %d, slack %g: %g after %g with less, at most %g on-demand", name, stage.Ticks, row, point, cost, before, most)
					}
					before = cost
				}
			}
		}
	}
}
