package simulate

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawMany is a world of several workers that on-demand alone can do in time.
func drawMany(t *rapid.T) *World {
	world := hours(0, rapid.IntRange(2, 8).Draw(t, "deadline"), rapid.SliceOfN(rapid.IntRange(0, 5), 8, 8).Draw(t, "granted")...)
	world.Width = rapid.IntRange(1, 4).Draw(t, "width")
	world.OnDemand = rapid.SampledFrom([]float64{1.5, 3, 10}).Draw(t, "on-demand")
	world.Start = time.Duration(rapid.IntRange(0, 4).Draw(t, "start")) * 15 * time.Minute
	most := int(time.Duration(world.Width) * (time.Duration(world.Deadline)*world.Gap - world.Start) / (15 * time.Minute))
	world.Work = time.Duration(rapid.IntRange(1, max(1, most)).Draw(t, "quarters of an hour")) * 15 * time.Minute
	if most < 1 {
		t.Skip("no time for any work")
	}
	return world
}

// No safe policy is late, and none is cheaper than the bound but for what Run trims of the last tick.
func TestSafePoliciesOfManyAreNeverLateNorBelowTheBound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		world := drawMany(t)
		bound := Bound(world)
		for _, peer := range PeersOfMany() {
			result := Run(world, Safe(peer.New()))
			if result.Late {
				t.Fatalf("%s is late: %+v, %+v", peer.Name, result, world)
			}
			if trimmed := float64(world.Width) * world.OnDemand * world.Gap.Hours(); result.Cost < bound-trimmed-1e-6 {
				t.Fatalf("%s costs %g, the bound is %g: %+v", peer.Name, result.Cost, bound, world)
			}
		}
		if world.Width == 1 {
			if exact := Optimum(world); bound > exact+1e-6 {
				t.Fatalf("the bound %g is above the optimum %g: %+v", bound, exact, world)
			}
		}
	})
}

// The bound against the dual worked out by trying every way to run, for a few prices of work.
func TestBoundIsTheGreatestDual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		world := drawMany(t)
		world.Width, world.Deadline = min(world.Width, 2), min(world.Deadline, 4)
		if world.Work = min(world.Work, time.Duration(world.Width)*(time.Duration(world.Deadline)*world.Gap-world.Start)); world.Work <= 0 {
			t.Skip("no time for any work")
		}
		bound := Bound(world)
		for _, price := range []float64{0, .5, 1, 1.3, 2, 4, 9} {
			var least func(tick, spot, onDemand int) float64
			least = func(tick, spot, onDemand int) float64 {
				if tick == world.Deadline {
					return 0
				}
				best := math.Inf(1)
				spot = min(spot, world.granted(tick))
				for s := range world.granted(tick) + 1 {
					for o := range world.Width - s + 1 {
						started := float64(max(s-spot, 0) + max(o-onDemand, 0))
						cost := float64(s)*world.Spot + float64(o)*world.OnDemand - price*(float64(s+o)-started*world.Start.Hours())
						best = math.Min(best, cost+least(tick+1, s, o))
					}
				}
				return best
			}
			if dual := least(0, 0, 0) + price*world.Work.Hours(); dual > bound+1e-4 {
				t.Fatalf("at a price of %g the dual is %g, above the bound %g: %+v", price, dual, bound, world)
			}
		}
	})
}

func TestPeersOfMany(t *testing.T) {
	t.Parallel()
	world := hours(32, 16)
	world.Width, world.Start = 4, 30*time.Minute
	view := func(tick, granted, spot, onDemand int, done time.Duration) View {
		return View{
			World: world, Tick: tick, Granted: granted, Spot: spot, OnDemand: onDemand, Left: world.Work - done, Starting: make([]time.Duration, spot+onDemand),
		}
	}
	for name, want := range map[string]struct{ behind, between, ahead Workers }{
		"on-demand":            {Workers{0, 4}, Workers{0, 4}, Workers{0, 4}},
		"greedy":               {Workers{1, 0}, Workers{1, 0}, Workers{1, 0}},
		"spot-and-fill":        {Workers{1, 3}, Workers{1, 3}, Workers{1, 3}},
		"uniform-progress-all": {Workers{0, 4}, Workers{}, Workers{}},
		"uniform-progress-sum": {Workers{1, 2}, Workers{1, 2}, Workers{1, 0}},
	} {
		at := slices.IndexFunc(PeersOfMany(), func(peer PeerOfMany) bool { return peer.Name == name })
		peer := PeersOfMany()[at]
		// The pace is two workers: after 4 ticks the line is at 8 hours, and at 10 two starts later.
		if got := peer.New()(view(4, 1, 1, 2, 7*time.Hour)); got != want.behind {
			t.Errorf("%s, behind: %+v, want %+v", name, got, want.behind)
		}
		if got := peer.New()(view(4, 1, 1, 2, 9*time.Hour)); got != want.between {
			t.Errorf("%s, between: %+v, want %+v", name, got, want.between)
		}
		if got := peer.New()(view(4, 1, 1, 2, 10*time.Hour)); got != want.ahead {
			t.Errorf("%s, ahead: %+v, want %+v", name, got, want.ahead)
		}
	}
	gang := newUniformGang()
	if first, then, last := gang(view(4, 1, 0, 0, 7*time.Hour)), gang(view(5, 4, 0, 4, 11*time.Hour)), gang(view(6, 4, 0, 4, 15*time.Hour)); first.OnDemand != 4 || then.OnDemand != 4 || last.Spot != 4 {
		t.Errorf("a gang goes on demand when behind and comes back when ahead: %+v, %+v, %+v", first, then, last)
	}
}
