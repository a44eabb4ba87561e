package simulate

import (
	"math"
	"math/bits"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawFewRequests is a world that is small enough to try everything.
func drawFewRequests(t *rapid.T) *RequestWorld {
	world := drawRequests(t)
	world.Requests = world.Requests[:min(len(world.Requests), 5)]
	world.Workers = min(world.Workers, 2)
	world.Due /= 4
	return world
}

// The number of requests that one fast worker cannot have in time is exact, by trying every choice, and no schedule of the real workers has fewer late.
func TestForcedLate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		world := drawFewRequests(t)
		most := 0
		for chosen := range uint(1 << len(world.Requests)) {
			if fastInTime(world, chosen) {
				most = max(most, bits.OnesCount(chosen))
			}
		}
		forced := ForcedLate(world)
		if want := len(world.Requests) - most; forced != want {
			t.Fatalf("%d forced late, by trying everything %d", forced, want)
		}
		if late, _, _ := bestSchedule(world); late < forced {
			t.Fatalf("%d late in a schedule, %d forced", late, forced)
		}
	})
}

// fastInTime says whether one worker as fast as all has the chosen requests in time.
func fastInTime(world *RequestWorld, chosen uint) bool {
	end := time.Duration(0)
	for i, one := range world.Requests {
		if chosen>>i&1 == 0 {
			continue
		}
		workers := time.Duration(world.Workers)
		end = max(end, one.Arrival*workers) + one.Work
		if one.Work > world.Due || end > (one.Arrival+world.Due)*workers {
			return false
		}
	}
	return true
}

// No schedule that has all requests in time keeps workers less busy than the bound says.
func TestLeastBusy(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		world := drawFewRequests(t)
		world.Due *= 4
		late, busy, billed := bestSchedule(world)
		if late > TooLong(world) {
			return
		}
		if bound := LeastBusy(world, busy-world.Work()); bound > busy {
			t.Fatalf("busy for %s, at least %s", busy, bound)
		}
		if bound := LeastBilled(world); bound > billed {
			t.Fatalf("billed for %s, at least %s", billed, bound)
		}
	})
}

// bestSchedule tries all: the fewest that are late, and the least that workers are busy then, and are billed if they come and go at no cost.
func bestSchedule(world *RequestWorld) (late int, busy, billed time.Duration) {
	late, busy, billed = math.MaxInt, math.MaxInt64, math.MaxInt64
	free, has := make([]time.Duration, world.Workers), make([]int, world.Workers)
	for i := range has {
		has[i] = -1
	}
	var try func(open uint, missed int, spent, idle time.Duration)
	try = func(open uint, missed int, spent, idle time.Duration) {
		switch {
		case open > 0:
		case missed < late:
			late, busy, billed = missed, spent, spent+idle
		case missed == late:
			busy, billed = min(busy, spent), min(billed, spent+idle)
		}
		for i, one := range world.Requests {
			if open>>i&1 == 0 {
				continue
			}
			for k := range free {
				was, had := free[k], has[k]
				takes := one.Work
				begin := max(was, one.Arrival)
				waits := min(begin-was, world.Models[one.Model].Load) // or it goes, and another loads
				if had != one.Model {
					waits = 0
					takes += world.Models[one.Model].Load
					begin = max(was, one.Arrival-world.Models[one.Model].Load) // loaded ahead by who knows the future
				}
				free[k], has[k] = begin+takes, one.Model
				lateNow := missed
				if free[k]-one.Arrival > world.Due {
					lateNow++
				}
				try(open&^(1<<i), lateNow, spent+takes, idle+waits)
				free[k], has[k] = was, had
			}
		}
	}
	try(1<<len(world.Requests)-1, 0, 0, 0)
	return late, busy, billed
}

// Three models in turn on two workers, each soon due: a worker can keep one of them, so that of three rounds the bound sees more loads than one of each model. With
// time for all, one of each is the bound.
func TestLeastBusyCountsLoads(t *testing.T) {
	t.Parallel()
	world := &RequestWorld{Workers: 2, Due: 30 * time.Second, Models: []RequestModel{{"a", 10 * time.Second}, {"b", 10 * time.Second}, {"c", 10 * time.Second}}}
	for i := range 9 {
		world.Requests = append(world.Requests, Request{Arrival: time.Duration(20*i) * time.Second, Model: i % 3, Work: time.Second})
	}
	loads := func() float64 { return (LeastBusy(world, 90*time.Second) - world.Work()).Seconds() / 10 }
	if got := loads(); got < 4 || got > 6 {
		t.Errorf("at least %.1f loads", got)
	}
	world.Due = time.Hour
	if got := loads(); got != 3 {
		t.Errorf("at least %.1f loads, want 3", got)
	}
}
