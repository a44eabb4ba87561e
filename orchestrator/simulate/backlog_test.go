package simulate

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

const flowTick = 10 * time.Second

// fixed starts of a hundred seconds, half of it loading.
func flowOf(limit time.Duration, arrivals ...float64) *Flow {
	return &Flow{Tick: flowTick, Arrivals: arrivals, Limit: limit, Most: 10, Starts: []Start{{50, 50}}}
}

// One worker is asked for at once and does five ticks of work: by hand, what is billed, idle and late.
func TestRunFlow(t *testing.T) {
	t.Parallel()
	flow := flowOf(2*time.Minute, append([]float64{30, 20}, make([]float64, 18)...)...)
	var seen []FlowView
	result := RunFlow(flow, 0, 20, func(v FlowView) int {
		seen = append(seen, FlowView{Tick: v.Tick, Work: v.Work, Ready: v.Ready, Workers: slices.Clone(v.Workers)})
		if v.Tick < 16 {
			return 1
		}
		return 0
	})
	want := FlowResult{Arrived: 50, Served: 50, Billed: 160, Paid: 160, Starts: 1, Idle: 10, Starting: 100, WorstAge: 130, WorstLateness: 10}
	// The last of the 30 s arrives at 10 and is done at 130; that of the other 20 s arrives at 20 and is done at 150: ages 120 and 130 s, with a limit of 120 s.
	want.Late = 20
	if result != want {
		t.Errorf("got %+v, want %+v", result, want)
	}
	if one := seen[9].Workers[0]; !one.Loads || one.Ready || seen[10].Ready != 1 || seen[4].Workers[0].Loads {
		t.Errorf("states: %+v", seen[:11])
	}
	if seen[1].Work != 30 || seen[12].Work != 30 {
		t.Errorf("work: %g and %g", seen[1].Work, seen[12].Work)
	}
	slower := *flow
	slower.Slower = 2
	if got := RunFlow(&slower, 0, 20, func(FlowView) int { return 1 }); got.Starting != 200 || got.Served != 0 {
		t.Errorf("twice as slow: %+v", got)
	}
	if got := RunFlow(flow, 10, 20, func(FlowView) int { return 1 }); got.Billed != 100 || got.Starts != 0 {
		t.Errorf("the second half: %+v", got)
	}
}

// Those that start go first, the youngest first.
func TestRunFlowReleases(t *testing.T) {
	t.Parallel()
	var left []int
	RunFlow(flowOf(time.Hour, make([]float64, 20)...), 0, 20, func(v FlowView) int {
		switch v.Tick {
		case 0:
			return 2
		case 11:
			return 4
		case 12:
			return 3
		case 13:
			return 1
		}
		if v.Tick == 15 {
			for _, one := range v.Workers {
				left = append(left, one.Number)
			}
		}
		return len(v.Workers)
	})
	if !slices.Equal(left, []int{0}) {
		t.Errorf("left: %v", left)
	}
}

// Nothing is lost: what arrives is done or waits; what is billed works, starts or is idle.
func TestFlowAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ticks := rapid.IntRange(1, 300).Draw(t, "ticks")
		flow := flowOf(20*time.Minute, rapid.SliceOfN(rapid.Float64Range(0, 60), ticks, ticks).Draw(t, "arrivals")...)
		wanted := rapid.SliceOfN(rapid.IntRange(0, 12), 1, 20).Draw(t, "workers")
		waiting := 0.0
		result := RunFlow(flow, 0, ticks, func(v FlowView) int {
			waiting = v.Work + flow.Arrivals[v.Tick]
			return wanted[v.Tick*len(wanted)/ticks]
		})
		if off := result.Billed - result.Served - result.Idle - result.Starting; math.Abs(off) > 1e-6*result.Billed+1e-6 {
			t.Fatalf("billed %g is not %g + %g + %g", result.Billed, result.Served, result.Idle, result.Starting)
		}
		if result.Served > result.Arrived+1e-6 || result.Served+waiting < result.Arrived-1e-6 {
			t.Fatalf("arrived %g, served %g, waited %g at last", result.Arrived, result.Served, waiting)
		}
	})
}

// A taut string stays between its boundaries, and no other course is shorter.
func TestTautString(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lower, upper := []float64{0}, []float64{0}
		for range rapid.IntRange(1, 40).Draw(t, "length") {
			upper = append(upper, upper[len(upper)-1]+rapid.Float64Range(0, 9).Draw(t, "arrives"))
		}
		behind := rapid.IntRange(1, 5).Draw(t, "behind")
		for i := 1; i < len(upper); i++ {
			lower = append(lower, upper[max(i-behind, 0)])
		}
		lower[len(lower)-1] = upper[len(upper)-1]
		points := tautString(lower, upper)
		if first, last := points[0], points[len(points)-1]; first.x != 0 || last.x != len(lower)-1 || last.y != upper[len(upper)-1] {
			t.Fatalf("ends at %+v and %+v", first, last)
		}
		length := func(points []point) (length float64) {
			for k := 1; k < len(points); k++ {
				length += math.Hypot(float64(points[k].x-points[k-1].x), points[k].y-points[k-1].y)
			}
			return length
		}
		for k := 1; k < len(points); k++ {
			for x := points[k-1].x; x <= points[k].x; x++ {
				if y := points[k-1].y + points[k-1].slope(points[k])*float64(x-points[k-1].x); y < lower[x]-1e-6 || y > upper[x]+1e-6 {
					t.Fatalf("%g at %d is not in %g..%g", y, x, lower[x], upper[x])
				}
			}
		}
		share := rapid.Float64Range(0, 1).Draw(t, "share")
		var other []point
		for x := range lower {
			other = append(other, point{x, lower[x] + share*(upper[x]-lower[x])})
		}
		if length(points) > length(other)+1e-6 {
			t.Fatalf("%g is longer than %g", length(points), length(other))
		}
	})
}

// By hand: three workers' worth of work for a while and one worker's after it are three rises from none; with enough time two workers do it all.
func TestFlowOptimum(t *testing.T) {
	t.Parallel()
	flow := flowOf(0, slices.Concat(slices.Repeat([]float64{30}, 100), slices.Repeat([]float64{10}, 100))...)
	for limit, rises := range map[time.Duration]float64{0: 3, 1000 * time.Second: 2} {
		flow.Limit = limit
		if got, want := FlowOptimum(flow, 0, 200), rises*100/4000; math.Abs(got-want) > 1e-9 {
			t.Errorf("limit %s: %g, want %g", limit, got, want)
		}
	}
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	rates := []float64{1, 3, 0, 4}
	even := Even(rates, time.Minute, flowTick, 2)
	if len(even) != 24 || even[0] != 10 || even[6] != 30 || even[12] != 0 || math.Abs(mean(even)-20) > 1e-9 {
		t.Errorf("even: %v", even)
	}
	long := slices.Repeat(rates, 200)
	bursts := Bursts(long, time.Minute, flowTick, 2, 2*time.Minute, 30*time.Second, 1)
	if math.Abs(mean(bursts)-20) > 1e-9 || slices.Equal(bursts, Bursts(long, time.Minute, flowTick, 2, 2*time.Minute, 30*time.Second, 2)) ||
		!slices.Equal(bursts, Bursts(long, time.Minute, flowTick, 2, 2*time.Minute, 30*time.Second, 1)) {
		t.Errorf("bursts have a mean of %g, or the seed does not decide them", mean(bursts))
	}
	starts := DrawStarts(20_000, 120, 480, 22.7, 45.4, 1)
	slices.SortFunc(starts, func(a, b Start) int { return int(math.Copysign(1, a.Load-b.Load)) })
	if median, p95 := starts[10_000].Load, starts[19_000].Load; math.Abs(median-22.7) > 1 || math.Abs(p95-45.4) > 2 {
		t.Errorf("loads: %g and %g", median, p95)
	}
	if first := DrawStarts(1, 120, 480, 0, 0, 1)[0]; first.Load != 0 || first.Start < 120 || first.Start > 480 {
		t.Errorf("without loads: %+v", first)
	}
}

// wavyFlow is two synthetic days of waves, with a pause each.
func wavyFlow(limit time.Duration) *Flow {
	flow := &Flow{Tick: flowTick, Limit: limit, Most: 50, Starts: DrawStarts(1000, 120, 480, 22.7, 45.4, 3)}
	for i := range 2 * 8640 {
		rate := 6 + 3*math.Sin(float64(i)/700)
		if i%8640 > 8000 {
			rate = 0
		}
		flow.Arrivals = append(flow.Arrivals, rate*flowTick.Seconds())
	}
	return flow
}

func flowInstallation(limit time.Duration) Installation {
	return Installation{
		Policy: orchestrator.Policy{
			StaleAfter: time.Minute,
			Pools:      []orchestrator.PoolPolicy{{Name: "gpu", CapacityType: orchestrator.CapacityOnDemand, Max: 50, SlotsPerReplica: 1, StartSeconds: 462}},
			Queues:     []orchestrator.QueuePolicy{{Name: "items", Tenant: "acme", Pools: []string{"gpu"}, MaxOpenJobs: 1, Weight: 1, FinishWithin: limit}},
		},
		Speeds: []orchestrator.Speed{{Model: "bert", Pool: "gpu", RowsPerSecond: 1000, LoadSeconds: 45.4, Basis: "profile"}},
	}
}

// The planner is on time and wastes less than every tuned peer, also when starts take twice as long as declared, once it has learned that.
func TestPlannedFlow(t *testing.T) {
	t.Parallel()
	for _, slower := range []float64{1, 2} {
		flow := wavyFlow(15 * time.Minute)
		flow.Slower = slower
		policy, err := flowInstallation(flow.Limit).PlannedFlow(flow)
		if err != nil {
			t.Fatal(err)
		}
		ours := RunFlow(flow, 8640, 2*8640, policy)
		if !ours.OnTime(flow) || ours.Served < .9*ours.Arrived {
			t.Errorf("starts %g times as long: %+v", slower, ours)
		}
		if least := FlowOptimum(flow, 8640, 2*8640); slower == 1 && ours.Waste() < least {
			t.Errorf("%g is below the optimum %g", ours.Waste(), least)
		}
		for _, peer := range FlowPeers() {
			best, grid := Tune(peer, flow, 8640)
			if theirs := RunFlow(flow, 8640, 2*8640, peer.New(best.FlowSetting)); theirs.OnTime(flow) && theirs.Waste() <= ours.Waste() {
				t.Errorf("starts %g times as long: %s wastes %g, we %g", slower, peer.Name, theirs.Waste(), ours.Waste())
			}
			if len(grid) != len(FlowLags)*len(peer.Waits) {
				t.Errorf("%s: %d settings tried", peer.Name, len(grid))
			}
			for _, one := range grid {
				if one.better(best) {
					t.Errorf("%s: %+v is better than %+v", peer.Name, one, best)
				}
			}
		}
	}
	if _, err := (Installation{}).PlannedFlow(wavyFlow(time.Hour)); err == nil {
		t.Error("an installation without documents decides")
	}
}
