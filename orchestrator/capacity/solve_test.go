package capacity

import (
	"math"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// fixed is a prior under which capacity stays with these chances whatever happened before.
func fixed(up, down float64) orchestrator.SpotPrior {
	logit := func(chance float64) float64 { return math.Log(chance / (1 - chance)) }
	return orchestrator.SpotPrior{Up: [terms]float64{logit(up)}, Down: [terms]float64{logit(down)}}
}

func parameters(ticks int, work, start time.Duration, onDemand float64, prior orchestrator.SpotPrior) orchestrator.TableParameters {
	return orchestrator.TableParameters{Tick: basis, Ticks: ticks, Work: work, Start: start, OnDemand: onDemand, Prior: prior}
}

// chain solves the same task for a belief that is a chain of two states, in the plainest way.
func chain(p orchestrator.TableParameters, up, down float64) func(ticks int, left time.Duration, available bool, runs Choice, rest time.Duration) (float64, Choice) {
	type key struct {
		ticks     int
		left      time.Duration
		available bool
		runs      Choice
		rest      time.Duration
	}
	type value struct {
		cost   float64
		choice Choice
	}
	known := map[key]value{}
	var solve func(key) value
	solve = func(k key) value {
		if k.left <= 0 {
			return value{}
		}
		if k.ticks == 0 {
			return value{math.Inf(1), Wait}
		}
		if found, has := known[k]; has {
			return found
		}
		best := value{cost: math.Inf(1)}
		account := Account{Tick: p.Tick, Until: time.Duration(k.ticks) * p.Tick, Width: 1, Left: k.left, Start: p.Start}
		switch k.runs {
		case Spot:
			account.Spot = []time.Duration{k.rest}
		case OnDemand:
			account.OnDemand = []time.Duration{k.rest}
		}
		for choice, price := range map[Choice]float64{Wait: 0, Spot: 1, OnDemand: p.OnDemand} {
			if choice == Spot && (!k.available || !account.Safe(1, 0)) || choice == Wait && !account.Safe(0, 0) {
				continue
			}
			rest := p.Start
			if choice == k.runs {
				rest = k.rest
			}
			next := key{ticks: k.ticks - 1, left: k.left, runs: choice, rest: max(rest-p.Tick, 0)}
			if choice == Wait {
				next.rest = 0
			} else {
				next.left -= max(p.Tick-rest, 0)
			}
			cost := price
			for _, available := range []bool{true, false} {
				chance := up
				if !k.available {
					chance = 1 - down
				}
				if !available {
					chance = 1 - chance
				}
				then := next
				then.available = available
				if !available && choice == Spot {
					then.runs, then.rest = Wait, 0
				}
				cost += chance * solve(then).cost
			}
			if cost < best.cost-1e-12 || cost < best.cost+1e-12 && choice < best.choice {
				best = value{cost, choice}
			}
		}
		known[k] = best
		return best
	}
	return func(ticks int, left time.Duration, available bool, runs Choice, rest time.Duration) (float64, Choice) {
		found := solve(key{ticks, left, available, runs, rest})
		return found.cost, found.choice
	}
}

// Where the belief is a chain of two states, a table decides as the plain programme does, starts of several ticks included.
func TestSolveAgreesWithThePlainProgramme(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		up, down float64
		start    time.Duration
		onDemand float64
	}{
		"calm":                {.95, .9, 4 * time.Minute, 3},
		"restless":            {.6, .7, 4 * time.Minute, 3},
		"a start of a tick":   {.8, .8, 10 * time.Minute, 2},
		"a start of two":      {.9, .8, 14 * time.Minute, 3},
		"starts cost nothing": {.5, .5, 0, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parameters(18, 100*time.Minute, tc.start, tc.onDemand, fixed(tc.up, tc.down))
			table, err := Solve(p)
			if err != nil {
				t.Fatal(err)
			}
			plain, now := chain(p, tc.up, tc.down), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			asked, wrong := 0, 0
			for ticks := 2; ticks <= p.Ticks; ticks++ {
				for left := max(p.Work-time.Duration(p.Ticks-ticks)*p.Tick, 2*time.Minute); left <= min(p.Work, time.Duration(ticks-1)*p.Tick-p.Start); left += 2 * time.Minute {
					for _, stand := range kindsOf(&p).all() {
						rest := kindsOf(&p).rest(stand.phase)
						if cost, want := plain(ticks, left, stand.available, stand.runs, rest); !math.IsInf(cost, 1) {
							asked++
							if Choose(table, time.Duration(ticks)*p.Tick, left, stand.runs, rest, Begin(now, stand.available), now) != want {
								wrong++
							}
						}
					}
				}
			}
			if asked < 500 || wrong*50 > asked { // between the points of the grid, and where two decisions cost the same, they may differ
				t.Errorf("%d of %d decisions differ from those of the plain programme", wrong, asked)
			}
		})
	}
}

func TestSolveRefuses(t *testing.T) {
	t.Parallel()
	good := parameters(10, time.Hour, time.Minute, 3, DefaultPrior)
	if err := Check(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*orchestrator.TableParameters){
		"no tick":            func(p *orchestrator.TableParameters) { p.Tick = 0 },
		"a tick too short":   func(p *orchestrator.TableParameters) { p.Tick = 1 },
		"no time":            func(p *orchestrator.TableParameters) { p.Ticks = 0 },
		"too long":           func(p *orchestrator.TableParameters) { p.Ticks = 1 << 20 },
		"no work":            func(p *orchestrator.TableParameters) { p.Work = 0 },
		"too much work":      func(p *orchestrator.TableParameters) { p.Work = 1 << 60 },
		"a start below 0":    func(p *orchestrator.TableParameters) { p.Start = -1 },
		"a start too long":   func(p *orchestrator.TableParameters) { p.Start = 41 * time.Minute },
		"a price of nothing": func(p *orchestrator.TableParameters) { p.OnDemand = 0 },
		"no price":           func(p *orchestrator.TableParameters) { p.OnDemand = math.NaN() },
	} {
		p := good
		change(&p)
		if _, err := Solve(p); err == nil {
			t.Errorf("%s: solved", name)
		}
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	table := &orchestrator.Table{Parameters: parameters(10, time.Hour, time.Minute, 3, DefaultPrior)}
	m := time.Minute
	for _, tc := range []struct {
		until, work time.Duration
		want        bool
	}{
		{100 * m, 60 * m, true}, {100 * m, 50 * m, true}, {100 * m, 49 * m, false}, {109 * m, 60 * m, true}, {110 * m, 60 * m, false}, {50 * m, m, true},
		{10 * m, 1, true}, {9 * m, 1, false}, {100 * m, 61 * m, false}, {10 * m, 0, false},
	} {
		if got := Covers(table, tc.until, tc.work); got != tc.want {
			t.Errorf("%s of work in %s: %v", tc.work, tc.until, got)
		}
	}
}

func BenchmarkSolve(b *testing.B) {
	for b.Loop() {
		if _, err := Solve(parameters(312, 48*time.Hour, 3*time.Minute, 3.145, DefaultPrior)); err != nil {
			b.Fatal(err)
		}
	}
}

// A queue may have more work than there is time for: the table is made all the same, and says that only on-demand capacity is left.
func TestTableOfMoreWorkThanTime(t *testing.T) {
	t.Parallel()
	for _, work := range []time.Duration{4, 5, 40} {
		parameters := orchestrator.TableParameters{Tick: 10 * time.Minute, Ticks: 3, Work: work * 10 * time.Minute, Start: time.Minute, OnDemand: 3, Prior: DefaultPrior}
		table, err := Solve(parameters)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if got := Choose(table, 30*time.Minute, work*10*time.Minute, Wait, 0, Begin(now, true), now); got != OnDemand {
			t.Errorf("%d ticks of work in 3: %v", work, got)
		}
	}
}

// The less slack, and the less work, the finer the units: a start that is no whole number of them blurs what is still allowed.
func TestUnits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ ticks, work, want int }{{312, 288, 5}, {420, 288, 2}, {40, 36, 20}, {80, 72, 20}, {80, 73, 5}, {96, 36, 2}} {
		p := orchestrator.TableParameters{Tick: basis, Ticks: tc.ticks, Work: time.Duration(tc.work) * basis}
		if perTick, unit := unitOf(&p); perTick != tc.want || unit != basis/time.Duration(tc.want) {
			t.Errorf("%d ticks of work in %d: %d units a tick of %v, want %d", tc.work, tc.ticks, perTick, unit, tc.want)
		}
	}
}
