package capacity

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawAccount is a small account in ticks of ten minutes and units of a minute.
func drawAccount(t *rapid.T) (a Account, granted int) {
	minutes := func(most int, name string) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Minute
	}
	a = Account{Tick: 10 * time.Minute, Width: rapid.IntRange(1, 4).Draw(t, "width"), Start: minutes(25, "start")}
	a.Until = time.Duration(rapid.IntRange(0, 6).Draw(t, "ticks")) * a.Tick
	a.Left = minutes(240, "left")
	rest := func(name string) time.Duration { return min(minutes(25, name), a.Start) }
	running := rapid.IntRange(0, a.Width).Draw(t, "running")
	for range running {
		if rapid.Bool().Draw(t, "is spot") {
			a.Spot = append(a.Spot, rest("rest of spot"))
		} else {
			a.OnDemand = append(a.OnDemand, rest("rest of on-demand"))
		}
	}
	return a, rapid.IntRange(0, 4).Draw(t, "granted")
}

// onDemandOnly plays the ticks from a decision on when all spot capacity ends after the first: all the width is on-demand then.
func onDemandOnly(a Account, spot, onDemand int) (inTime bool) {
	left := a.Left
	resized := func(running []time.Duration, count int) []time.Duration {
		all := slices.Sorted(slices.Values(running))
		if count <= len(all) {
			return all[:count]
		}
		return append(all, slices.Repeat([]time.Duration{a.Start}, count-len(all))...)
	}
	steady, risky := resized(a.OnDemand, onDemand), resized(a.Spot, spot)
	for until := a.Until; until > 0; until -= a.Tick {
		for _, workers := range [][]time.Duration{steady, risky} {
			for i, rest := range workers {
				left -= max(a.Tick-rest, 0)
				workers[i] = max(rest-a.Tick, 0)
			}
		}
		steady, risky = append(steady, slices.Repeat([]time.Duration{a.Start}, a.Width-len(steady))...), nil
	}
	return left <= 0
}

// Safe is exactly what survives the end of all spot capacity.
func TestSafeIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, _ := drawAccount(t)
		spot := rapid.IntRange(0, a.Width).Draw(t, "spot")
		onDemand := rapid.IntRange(0, a.Width-spot).Draw(t, "on-demand")
		if got, want := a.Safe(spot, onDemand), onDemandOnly(a, spot, onDemand); got != want {
			t.Fatalf("Safe(%d, %d) = %v, want %v: %+v", spot, onDemand, got, want, a)
		}
	})
}

// A corrected decision is safe where one is, keeps within what there is, and takes no more on-demand workers than it must.
func TestCorrect(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, granted := drawAccount(t)
		a.Spot = a.Spot[:min(len(a.Spot), granted)] // the others are lost
		wishedSpot, wished := rapid.IntRange(0, 5).Draw(t, "wished spot"), rapid.IntRange(0, 5).Draw(t, "wished on-demand")
		spot, onDemand, safe := a.Correct(wishedSpot, wished, granted)
		if spot < 0 || onDemand < 0 || spot > granted || spot+onDemand > a.Width {
			t.Fatalf("%d and %d of at most %d and %d", spot, onDemand, granted, a.Width)
		}
		possible := false
		for s := range min(granted, a.Width) + 1 {
			for o := range a.Width - s + 1 {
				possible = possible || a.Safe(s, o)
			}
		}
		if a.Safe(spot, onDemand) != possible || safe != possible {
			t.Fatalf("Correct(%d, %d) = %d, %d, safe: %v; something is: %v: %+v", wishedSpot, wished, spot, onDemand, safe, possible, a)
		}
		if possible && onDemand > wished && a.Safe(spot, onDemand-1) {
			t.Fatalf("Correct(%d, %d) = %d, %d; one on-demand worker less is safe: %+v", wishedSpot, wished, spot, onDemand, a)
		}
	})
}

func TestSlack(t *testing.T) {
	t.Parallel()
	m := time.Minute
	for name, tc := range map[string]struct {
		account Account
		want    time.Duration
	}{
		"one worker that has to start": {Account{Until: 60 * m, Width: 1, Left: 40 * m, Start: 3 * m}, 17 * m},
		"on-demand already":            {Account{Until: 60 * m, Width: 1, Left: 40 * m, Start: 3 * m, OnDemand: []time.Duration{0}}, 20 * m},
		"it still starts":              {Account{Until: 60 * m, Width: 1, Left: 40 * m, Start: 3 * m, OnDemand: []time.Duration{m}}, 19 * m},
		"no time for a start":          {Account{Until: 2 * m, Width: 2, Left: 4 * m, Start: 3 * m, OnDemand: []time.Duration{0}}, -2 * m},
		"spot workers count nothing":   {Account{Until: 60 * m, Width: 2, Left: 40 * m, Start: 3 * m, Spot: []time.Duration{0, 0}}, 74 * m},
		"after the deadline":           {Account{Until: -m, Width: 2, Left: 40 * m, Start: 3 * m}, -40 * m},
	} {
		if got := tc.account.Slack(); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// A decision on very many workers is as quick as any.
func BenchmarkCorrect(b *testing.B) {
	a := Account{Tick: 5 * time.Second, Until: time.Hour, Width: 10_000, Left: 11_000 * time.Hour, Start: time.Minute, Spot: make([]time.Duration, 5000)}
	for b.Loop() {
		if _, _, safe := a.Correct(5000, 0, 5000); safe {
			b.Fatal("it cannot be")
		}
	}
}
