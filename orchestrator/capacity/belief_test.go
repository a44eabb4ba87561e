package capacity

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

func TestObserve(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	memory := Observe(&DefaultPrior, orchestrator.SpotMemory{}, at(0), true)
	if diff := cmp.Diff(Begin(at(0), true), memory); diff != "" {
		t.Fatalf("the first look (-want +got):\n%s", diff)
	}
	memory = Observe(&DefaultPrior, memory, at(10), true)
	memory = Observe(&DefaultPrior, memory, at(30), false) // a run of three bases
	memory = Observe(&DefaultPrior, memory, at(40), true)  // and one of one
	want := orchestrator.SpotMemory{
		Available: true, Since: at(40),
		Up: orchestrator.RunMemory{MeanLog: 2.5 + (math.Log(3)-2.5)/3, Runs: 1}, Down: orchestrator.RunMemory{MeanLog: 1.5 - 1.5/3, Runs: 1},
	}
	if diff := cmp.Diff(want, memory, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("after two runs (-want +got):\n%s", diff)
	}
	memory.Up.Runs = 1000
	if got := Observe(&DefaultPrior, memory, at(50), false).Up.MeanLog; math.Abs(got-memory.Up.MeanLog*.8) > 1e-12 {
		t.Errorf("a run of one base after very many has the weight %g, want a fifth", 1-got/memory.Up.MeanLog)
	}
	if got := Observe(&DefaultPrior, memory, at(0), false).Up.MeanLog; math.IsNaN(got) || math.IsInf(got, 0) {
		t.Errorf("a clock that jumps back gives %g", got)
	}
}

// What has lasted long stays longer than what has just begun, more so where runs were long; shorter ticks change less.
func TestStay(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	of := func(available bool, age time.Duration, up, down float64, tick time.Duration) float64 {
		memory := orchestrator.SpotMemory{Available: available, Since: now.Add(-age), Up: orchestrator.RunMemory{MeanLog: up}, Down: orchestrator.RunMemory{MeanLog: down}}
		return Stay(&DefaultPrior, memory, now, tick)
	}
	for _, available := range []bool{true, false} {
		if young, old := of(available, 0, 2, 2, basis), of(available, 5*time.Hour, 2, 2, basis); young >= old {
			t.Errorf("available %v: %g when young, %g when old", available, young, old)
		}
		if short, long := of(available, time.Hour, 1, 1, basis), of(available, time.Hour, 4, 4, basis); short >= long {
			t.Errorf("available %v: %g after short runs, %g after long ones", available, short, long)
		}
		if six, one := math.Pow(of(available, 30*time.Minute, 2, 2, time.Minute), 10), of(available, 21*time.Minute, 2, 2, basis); math.Abs(six-one) > 1e-9 {
			t.Errorf("available %v: ten minutes one by one %g, at once %g", available, six, one)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		chance := of(rapid.Bool().Draw(t, "available"), time.Duration(rapid.Int64Range(-1<<40, 1<<60).Draw(t, "age")), rapid.Float64Range(-50, 50).Draw(t, "up"),
			rapid.Float64Range(-50, 50).Draw(t, "down"), time.Duration(rapid.Int64Range(1, 1<<50).Draw(t, "tick")))
		if !(chance >= 0 && chance <= 1) {
			t.Fatalf("a chance of %g", chance)
		}
	})
}

// Histories made with known chances are told by the fit: runs that stay by three quarters, and by a quarter.
func TestFit(t *testing.T) {
	t.Parallel()
	var histories []History
	for i := range 40 {
		history, available, seed := History{}, true, uint64(i)*7919+1
		for range 20_000 {
			seed = seed*6364136223846793005 + 1442695040888963407
			leaves := uint64(3) // of four
			if available {
				leaves = 1
			}
			if seed>>62 < leaves {
				available = !available
			}
			history = append(history, available)
		}
		histories = append(histories, history)
	}
	prior, err := Fit("made", histories)
	if err != nil {
		t.Fatal(err)
	}
	belief := state{true, 3, 1, .2}
	if got := stay(&prior, belief, basis); math.Abs(got-.75) > .03 {
		t.Errorf("with capacity it stays by %.3f, made with 0.75", got)
	}
	belief = state{false, 1, 1, .2}
	if got := stay(&prior, belief, basis); math.Abs(got-.25) > .05 {
		t.Errorf("without capacity it stays by %.3f, made with 0.25", got)
	}
	// Where nothing was seen the default prior is what is left.
	nothing, err := Fit("nothing", []History{nil, {true}})
	if err != nil {
		t.Fatal(err)
	}
	nothing.Name = DefaultPrior.Name
	if diff := cmp.Diff(DefaultPrior, nothing, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
		t.Errorf("of nothing (-default +got):\n%s", diff)
	}
}

// Capacity that comes and goes two hundred times faster is believed of as if its clock went as fast.
func TestScaled(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	fast := Scaled(DefaultPrior, 200)
	if fast.Unit != 3*time.Second || Scaled(DefaultPrior, 1) != DefaultPrior || Scaled(DefaultPrior, 0) != DefaultPrior {
		t.Errorf("ten minutes are %s", fast.Unit)
	}
	var usual, quick orchestrator.SpotMemory
	for hours, available := range []bool{true, true, false, true, false, false, true} {
		at := time.Duration(hours) * time.Hour
		usual, quick = Observe(&DefaultPrior, usual, start.Add(at), available), Observe(&fast, quick, start.Add(at/200), available)
	}
	if usual.Up != quick.Up || usual.Down != quick.Down || usual.Up.Runs != 2 {
		t.Errorf("runs are remembered as %v and %v, by the clock as %v and %v", quick.Up, quick.Down, usual.Up, usual.Down)
	}
	now, tick := 7*time.Hour, 20*time.Minute
	if by, got := Stay(&DefaultPrior, usual, start.Add(now), tick), Stay(&fast, quick, start.Add(now/200), tick/200); math.Abs(by-got) > 1e-12 {
		t.Errorf("a chance of %g, by the clock %g", got, by)
	}
	parameters := orchestrator.TableParameters{Tick: 5 * time.Minute, Ticks: 60, Work: 3 * time.Hour, Start: 2 * time.Minute, OnDemand: 3, Prior: DefaultPrior}
	slow, err := Solve(parameters)
	if err != nil {
		t.Fatal(err)
	}
	parameters.Tick, parameters.Work, parameters.Start, parameters.Prior = parameters.Tick/200, parameters.Work/200, parameters.Start/200, fast
	table, err := Solve(parameters)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slow.Ranges, table.Ranges); diff != "" {
		t.Errorf("the table differs from the one by the clock:\n%s", diff)
	}
	for left := 10 * time.Minute; left < 3*time.Hour; left += 10 * time.Minute {
		by := Choose(slow, 4*time.Hour, left, Spot, 0, usual, start.Add(now))
		if got := Choose(table, 4*time.Hour/200, left/200, Spot, 0, quick, start.Add(now/200)); got != by {
			t.Errorf("with %s left: %v, by the clock %v", left, got, by)
		}
	}
}
