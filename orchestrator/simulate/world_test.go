package simulate

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// hours is a world of ticks of an hour and a start of 15 minutes, spot at 1 and on-demand at 3.
func hours(work, deadline int, available ...int) *World {
	return &World{
		Gap: time.Hour, Deadline: deadline, Width: 1, Work: time.Duration(work) * time.Hour, Start: 15 * time.Minute, Spot: 1, OnDemand: 3, Available: available,
	}
}

// script decides as told, tick by tick, and then on-demand.
func script(decisions ...Workers) Policy {
	return func(v View) Workers {
		if v.Tick < len(decisions) {
			return decisions[v.Tick]
		}
		return Workers{OnDemand: 1}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	s, o, n := Workers{Spot: 1}, Workers{OnDemand: 1}, Workers{}
	cases := map[string]struct {
		world  *World
		policy Policy
		want   Result
	}{
		"whole ticks are billed, the start too":    {hours(2, 5), script(o, o, o), Result{Cost: 9, Ticks: 3, Done: true}},
		"waiting is free":                          {hours(1, 5, 0, 0, 1, 1), script(n, n, s, s), Result{Cost: 2, Ticks: 4, Done: true}},
		"a spot worker that is lost starts again":  {hours(2, 9, 1, 0, 1, 1), script(s, n, s, s), Result{Cost: 3, Ticks: 4, Done: true}},
		"a change of type is a start":              {hours(2, 9, 1, 1, 1), script(s, o, s), Result{Cost: 5, Ticks: 3, Done: true}},
		"what is not granted does not run":         {hours(1, 9, 0, 0), script(s, s, o, o), Result{Cost: 6, Ticks: 4, Done: true}},
		"after the deadline it is late":            {hours(2, 2), script(o, o), Result{Cost: 9, Ticks: 3, Done: true, Late: true}},
		"one that never works is given up as late": {hours(2, 2), func(View) Workers { return n }, Result{Ticks: 8, Late: true}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Run(tc.world, tc.policy)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A start may be longer than a tick; it goes on and does not begin anew.
func TestStartLongerThanATick(t *testing.T) {
	t.Parallel()
	world := hours(1, 9)
	world.Start = 90 * time.Minute
	if diff := cmp.Diff(Result{Cost: 9, Ticks: 3, Done: true}, Run(world, onDemandOnly)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSurplusOfTheLastTickIsNotBilled(t *testing.T) {
	t.Parallel()
	world := hours(1, 9, 4)
	world.Width, world.Start = 4, 0
	if diff := cmp.Diff(Result{Cost: 1, Ticks: 1, Done: true}, Run(world, func(View) Workers { return Workers{Spot: 3, OnDemand: 1} })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// drawWorld is a small world that on-demand alone can do in time.
func drawWorld(t *rapid.T) *World {
	world := hours(rapid.IntRange(1, 4).Draw(t, "work"), 0, rapid.SliceOfN(rapid.IntRange(0, 1), 8, 8).Draw(t, "granted")...)
	world.Start = time.Duration(rapid.IntRange(0, 5).Draw(t, "start")) * 30 * time.Minute
	world.OnDemand = rapid.SampledFrom([]float64{1.5, 3, 10}).Draw(t, "on-demand")
	least := int((world.Work + world.Start + world.Gap - 1) / world.Gap)
	world.Deadline = rapid.IntRange(least, max(least, 7)).Draw(t, "deadline")
	return world
}

// The optimum is what the best of all decisions costs.
func TestOptimumIsTheBestOfAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		world := drawWorld(t)
		best := math.Inf(1)
		choices := []Workers{{}, {Spot: 1}, {OnDemand: 1}}
		plan := make([]Workers, world.Deadline)
		var try func(tick int)
		try = func(tick int) {
			if tick < world.Deadline {
				for _, choice := range choices {
					plan[tick] = choice
					try(tick + 1)
				}
				return
			}
			if result := Run(world, script(plan...)); !result.Late {
				best = math.Min(best, result.Cost)
			}
		}
		try(0)
		if got := Optimum(world); math.Abs(got-best) > 1e-9 {
			t.Fatalf("optimum %g, the best of all decisions costs %g: %+v", got, best, world)
		}
	})
}

// No policy beats the optimum, and a safe one is never late where on-demand from the start would not be.
func TestSafePoliciesAreNeverLateNorBelowTheOptimum(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		world := drawWorld(t)
		optimum := Optimum(world)
		for _, peer := range Peers() {
			result := Run(world, Safe(peer.Policy))
			if result.Late {
				t.Fatalf("%s is late: %+v, %+v", peer.Name, result, world)
			}
			if result.Cost < optimum-1e-9 {
				t.Fatalf("%s costs %g, below the optimum %g: %+v", peer.Name, result.Cost, optimum, world)
			}
		}
		wild := func(View) Workers {
			return rapid.SampledFrom([]Workers{{}, {Spot: 1}, {OnDemand: 1}}).Draw(t, "decision")
		}
		if result := Run(world, Safe(wild)); result.Late {
			t.Fatalf("a wild policy is late: %+v, %+v", result, world)
		}
	})
}

// One tick less and some future would make it late: the bound lets as much through as it can.
func TestSafeIsExact(t *testing.T) {
	t.Parallel()
	wait := func(View) Workers { return Workers{} }
	for deadline := 3; deadline < 9; deadline++ {
		world := hours(2, deadline) // on-demand needs three ticks
		if got, want := Run(world, Safe(wait)), (Result{Cost: 9, Ticks: deadline, Done: true}); got != want {
			t.Errorf("deadline %d: %+v, want %+v", deadline, got, want)
		}
	}
}

// installation is what the planner knows of a small world.
func installation(world *World) Installation {
	pool := func(name string, capacityType orchestrator.CapacityType, price float64) orchestrator.PoolPolicy {
		return orchestrator.PoolPolicy{
			Name: name, CapacityType: capacityType, Price: orchestrator.Money{Micros: int64(price * 1e6), Currency: "USD"},
			Max: world.Width, SlotsPerReplica: 1, StartSeconds: world.Start.Seconds(),
		}
	}
	return Installation{
		Policy: orchestrator.Policy{
			Pools:  []orchestrator.PoolPolicy{pool("spot", orchestrator.CapacitySpot, world.Spot), pool("steady", orchestrator.CapacityOnDemand, world.OnDemand)},
			Queues: []orchestrator.QueuePolicy{{Name: "q", Pools: []string{"spot", "steady"}, MaxOpenJobs: 1, MaxWorkers: world.Width, Weight: 1}},
		},
		Speeds: []orchestrator.Speed{
			{Model: "m", Pool: "spot", RowsPerSecond: 1000, Basis: "profile"}, {Model: "m", Pool: "steady", RowsPerSecond: 1000, Basis: "profile"},
		},
		Tables: &Tables{},
	}
}

// The planner is never late where on-demand capacity from the start would not be, whatever spot capacity does, with one worker or several; and it finds no
// way below the optimum.
func TestThePlannerIsNeverLate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		world := drawWorld(t)
		if rapid.Bool().Draw(t, "several workers") {
			world.Width = rapid.IntRange(2, 5).Draw(t, "width")
			world.Available = rapid.SliceOfN(rapid.IntRange(0, 5), 8, 8).Draw(t, "granted of several")
			world.Work = time.Duration(world.Width*world.Deadline)*world.Gap - time.Duration(world.Width)*world.Start - time.Duration(rapid.IntRange(0, 8).Draw(t, "slack"))*15*time.Minute
			if world.Work <= 0 {
				t.Skip("no work")
			}
		}
		decide, err := installation(world).Planned(world)
		if err != nil {
			t.Fatal(err)
		}
		result := Run(world, decide)
		if result.Late {
			t.Fatalf("late: %+v, %+v", result, world)
		}
		if world.Width == 1 && result.Cost < Optimum(world)-1e-9 {
			t.Fatalf("cost %g, below the optimum %g: %+v", result.Cost, Optimum(world), world)
		}
	})
}

// What was seen of spot capacity before the job is remembered in its first decision; a tick at which nobody looked says nothing.
func TestThePlannerHasWatchedThePast(t *testing.T) {
	t.Parallel()
	world := hours(2, 6, 1, 1, 1, 1, 1, 1)
	documents := installation(world)
	documents.Past = []int{0, 1, 1, -1, 0, 1}
	p := &planned{Installation: documents, spot: "spot"}
	p.watch(world.Gap)
	got := p.memory.Pools[slices.IndexFunc(p.memory.Pools, func(m orchestrator.PoolMemory) bool { return m.Name == "spot" })].Spot
	if got.Up.Runs != 1 || got.Down.Runs != 2 || !got.Available || !got.Since.Equal(beginning.Add(-world.Gap)) {
		t.Errorf("remembered: %+v", got)
	}
}

func TestInstallationsThatLackSomething(t *testing.T) {
	t.Parallel()
	world := hours(1, 9)
	for name, change := range map[string]func(*Installation){
		"a queue":       func(i *Installation) { i.Policy.Queues = nil },
		"a profile":     func(i *Installation) { i.Speeds = nil },
		"a spot pool":   func(i *Installation) { i.Policy.Pools = i.Policy.Pools[1:] },
		"a steady pool": func(i *Installation) { i.Policy.Pools = i.Policy.Pools[:1] },
	} {
		lacking := installation(world)
		change(&lacking)
		if _, err := lacking.Planned(world); err == nil {
			t.Errorf("%s is missing, and nobody says so", name)
		}
	}
}

// Tables are solved once and only the last few kept.
func TestTables(t *testing.T) {
	t.Parallel()
	tables := &Tables{}
	parameters := orchestrator.TableParameters{Tick: time.Hour, Ticks: 3, Work: time.Hour, Start: time.Minute, OnDemand: 2}
	first := tables.solve(parameters)
	if tables.solve(parameters) != first {
		t.Error("the same table is solved twice")
	}
	for i := range 2 * mostTables {
		parameters.Ticks = 4 + i
		tables.solve(parameters)
	}
	if kept := tables.all(); len(kept) != mostTables || kept[0] == first {
		t.Errorf("%d tables are kept, want the last %d", len(kept), mostTables)
	}
}
