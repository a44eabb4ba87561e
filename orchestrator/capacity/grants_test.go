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

func TestObserveGrants(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return dawn.Add(time.Duration(minutes) * time.Minute) }
	memory := ObserveGrants(&DefaultPrior, orchestrator.GrantMemory{}, at(0), 6)
	memory = ObserveGrants(&DefaultPrior, memory, at(5), 12) // too soon to count
	if diff := cmp.Diff(orchestrator.GrantMemory{At: at(0), Granted: 6, Mean: 6, Changes: .2}, memory); diff != "" {
		t.Fatalf("the first look (-want +got):\n%s", diff)
	}
	memory = ObserveGrants(&DefaultPrior, memory, at(10), 12)
	memory = ObserveGrants(&DefaultPrior, memory, at(20), 12)
	want := orchestrator.GrantMemory{At: at(20), Granted: 12, Mean: 7 + 5./6, Changes: (.2 + .8/6) * 6 / 7, Looks: 2}
	want.Hours[pieceOfDay(dawn)] = orchestrator.HourMemory{Mean: 12 - 6*11./13, Losses: .1 * 11 / 13, Looks: 2}
	if diff := cmp.Diff(want, memory, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("after three looks (-want +got):\n%s", diff)
	}
	for minutes := 30; minutes < 30+10*200; minutes += 10 {
		memory = ObserveGrants(&DefaultPrior, memory, at(minutes), 12)
	}
	if memory.Looks != mostLooks || math.Abs(memory.Mean-12) > 1e-6 || memory.Changes > .01 {
		t.Errorf("after many looks: %+v", memory)
	}
}

// What changed often stays less, and all chances are chances.
func TestGoes(t *testing.T) {
	t.Parallel()
	for _, granted := range []int{0, 5, 16} {
		calm := StayGranted(&DefaultPrior, orchestrator.GrantMemory{At: dawn, Mean: float64(granted), Changes: .02}, dawn, granted, 16, basis)
		restless := StayGranted(&DefaultPrior, orchestrator.GrantMemory{At: dawn, Mean: float64(granted), Changes: .6}, dawn, granted, 16, basis)
		if calm <= restless || calm < .9 {
			t.Errorf("%d granted: stays by %.3f where it was calm, by %.3f where it was not", granted, calm, restless)
		}
	}
	if ten, one := StayGranted(&DefaultPrior, orchestrator.GrantMemory{}, dawn, 3, 8, basis), StayGranted(&DefaultPrior, orchestrator.GrantMemory{}, dawn, 3, 8, basis/10); math.Abs(math.Pow(one, 10)-ten) > 1e-9 {
		t.Errorf("ten minutes one by one %g, at once %g", math.Pow(one, 10), ten)
	}
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(0, 1)
		belief := grants{share.Draw(t, "granted"), share.Draw(t, "mean"), share.Draw(t, "changes")}
		levels, sum := rapid.IntRange(1, 16).Draw(t, "levels"), 0.0
		for to, chance := range belief.goes(&DefaultPrior, levels, time.Duration(rapid.Int64Range(1, 1<<50).Draw(t, "tick"))) {
			if sum += chance; !(chance >= 0 && chance <= 1) {
				t.Fatalf("%d by %g", to, chance)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("the chances are %g in all", sum)
		}
	})
}

// Histories made with known chances are told by the fit.
func TestFitGrants(t *testing.T) {
	t.Parallel()
	history, granted, seed := GrantHistory{Width: 4}, 4, uint64(1)
	draw := func(below uint64) uint64 {
		seed = seed*6364136223846793005 + 1442695040888963407
		return seed >> 33 % below
	}
	for range 10_000 {
		if draw(10) < 3 { // of ten
			granted = (granted + 1 + int(draw(4))) % 5
		}
		history.Granted = append(history.Granted, granted)
	}
	prior, err := FitGrants("made", []GrantHistory{history})
	if err != nil {
		t.Fatal(err)
	}
	for granted := range 5 {
		chances := grants{float64(granted) / 4, .5, .3}.goes(&prior, 4, basis)
		for to, chance := range chances {
			want := .3 / 4
			if to == granted {
				want = .7
			}
			if math.Abs(chance-want) > .03 {
				t.Errorf("from %d to %d by %.3f, made with %.3f", granted, to, chance, want)
			}
		}
	}
	nothing, err := FitGrants("nothing", []GrantHistory{{}, {Width: 4, Granted: []int{3}}})
	if err != nil {
		t.Fatal(err)
	}
	nothing.Name = DefaultPrior.Name
	if diff := cmp.Diff(DefaultPrior, nothing); diff != "" {
		t.Errorf("of nothing (-default +got):\n%s", diff)
	}
}

// What is granted two hundred times faster is believed of as if its clock went as fast.
func TestGrantsScaled(t *testing.T) {
	t.Parallel()
	fast := Scaled(DefaultPrior, 200)
	var usual, quick orchestrator.GrantMemory
	for hours, granted := range []int{4, 4, 0, 2, 2, 8} {
		at := time.Duration(hours) * time.Hour
		usual, quick = ObserveGrants(&DefaultPrior, usual, dawn.Add(at), granted), ObserveGrants(&fast, quick, dawn.Add(at/200), granted)
	}
	if usual.Mean != quick.Mean || usual.Changes != quick.Changes || usual.Looks != 5 {
		t.Errorf("remembered as %+v, by the clock %+v", quick, usual)
	}
	now, tick := 7*time.Hour, 20*time.Minute
	if by, got := StayGranted(&DefaultPrior, usual, dawn.Add(now), 8, 16, tick), StayGranted(&fast, quick, dawn.Add(now/200), 8, 16, tick/200); math.Abs(by-got) > 1e-12 {
		t.Errorf("a chance of %g, by the clock %g", got, by)
	}
}
