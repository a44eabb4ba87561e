package simulate

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

func nightly(arrivals []float64) *Flow {
	flow := &Flow{Tick: flowTick, Arrivals: arrivals, Most: 50, Starts: []Start{{250, 50}}}
	flow.Night = &FlowNight{Begins: 22 * time.Hour, Ends: 6 * time.Hour, Price: .5}
	return flow
}

// On which side of a tick a deadline and a price fall.
func TestFlowNight(t *testing.T) {
	t.Parallel()
	flow := nightly(make([]float64, 3*8640))
	const hour = 360
	for tick, want := range map[int]float64{0: 30 * 3600, 22*hour - 1: 30 * 3600, 22 * hour: 54 * 3600, 24 * hour: 54 * 3600} {
		if got := flow.due(tick, 0); got != want {
			t.Errorf("what arrives in tick %d is due at %g, want %g", tick, got, want)
		}
	}
	for tick, want := range map[int]float64{0: .5, 6*hour - 1: .5, 6 * hour: 1, 22*hour - 1: 1, 22 * hour: .5, 30 * hour: 1} {
		if got := flow.price(tick); got != want {
			t.Errorf("tick %d costs %g, want %g", tick, got, want)
		}
	}
	for tick, want := range map[int]int{24 * hour: 22 * hour, 48 * hour: 46 * hour, 22 * hour: 22 * hour, 36 * hour: 22 * hour} {
		if got := flow.NightBefore(tick); got != want {
			t.Errorf("the night before tick %d begins at %d, want %d", tick, got, want)
		}
	}
	// One worker from 05:50 on: five minutes of starting, 300 s of work at night, the rest late.
	flow.Arrivals[hour] = 310
	result := RunFlow(flow, 0, 3*8640, func(v FlowView) int {
		if v.Tick >= 30*hour-60 && v.Tick < 30*hour+1 {
			return 1
		}
		return 0
	})
	if result.Paid != 300+10 || result.Billed != 610 || math.Abs(result.Late-10) > 1e-6 || math.Abs(result.WorstLateness-10) > 1e-6 {
		t.Errorf("%+v", result)
	}
}

func TestNightOptimum(t *testing.T) {
	t.Parallel()
	flow := nightly(make([]float64, 3*8640))
	if got, want := NightOptimum(flow), .5*28800/(28800-300); math.Abs(got-want) > 1e-12 {
		t.Errorf("%g, want %g", got, want)
	}
	flow.Night.Price = 1
	if got := NightOptimum(flow); got != 1 {
		t.Errorf("where the price never changes: %g, want 1, for a worker that never goes", got)
	}
}

// Peers with a schedule have workers at night only.
func TestAtNight(t *testing.T) {
	t.Parallel()
	flow := nightly(slices.Repeat([]float64{10}, 2*8640))
	RunFlow(flow, 0, 2*8640, func(v FlowView) int {
		if got, want := AtNight(func(FlowView) int { return 3 })(v), 3*boolInt(flow.within(v.Tick)); got != want {
			t.Fatalf("tick %d: %d workers, want %d", v.Tick, got, want)
		}
		return 0
	})
}

func nightInstallation() Installation {
	installation := flowInstallation(0)
	installation.Policy.Queues[0].Daily = orchestrator.DailyDeadline{ArrivedBy: 22 * 60, FinishBy: 6 * 60, Zone: time.UTC}
	installation.Policy.Pools[0].Price = orchestrator.Money{Micros: 1e6, Currency: "EUR"}
	installation.Policy.Pools[0].Windows = []orchestrator.PriceWindow{{From: 22 * 60, To: 6 * 60, Zone: time.UTC, Price: orchestrator.Money{Micros: 5e5, Currency: "EUR"}}}
	return installation
}

// Whatever arrives that the pool can do at night, none of it is late, none of it is done by day, and each worker starts once a night at most.
func TestPlannedNights(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var arrivals []float64
		for range 3 * 24 {
			arrivals = append(arrivals, slices.Repeat([]float64{rapid.Float64Range(0, 3000).Draw(t, "rate")}, 12)...)
		}
		flow := nightly(arrivals)
		flow.Tick = 5 * time.Minute // for speed
		flow.Starts = DrawStarts(1000, 120, 480, 22.7, 45.4, rapid.Uint64Range(1, 100).Draw(t, "seed"))
		policy, err := nightInstallation().PlannedFlow(flow)
		if err != nil {
			t.Fatal(err)
		}
		before, changes := 0, 0
		result := RunFlow(flow, 0, len(arrivals), func(v FlowView) int {
			wanted := policy(v)
			if !flow.within(v.Tick) && wanted > 0 {
				t.Fatalf("%d workers by day, at tick %d", wanted, v.Tick)
			}
			if wanted != before {
				before, changes = wanted, changes+1
			}
			return wanted
		})
		if result.Late > 0 {
			t.Fatalf("%+v", result)
		}
		if changes > 3*12 {
			t.Fatalf("the level changed %d times in three nights", changes)
		}
	})
}
