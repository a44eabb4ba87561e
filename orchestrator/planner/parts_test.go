package planner

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// The fewest workers that make a deadline, against counting up one worker after the other.
func TestNeededIsTheFewest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tenths := func(most int, name string) float64 { return float64(rapid.IntRange(-10, most*10).Draw(t, name)) / 10 }
		s := supply{ready: rapid.IntRange(0, 20).Draw(t, "ready"), spare: rapid.IntRange(0, 20).Draw(t, "spare"), load: max(tenths(30, "load"), 0)}
		s.newDelay = max(tenths(60, "new"), 0)
		s.spareDelay = min(max(tenths(60, "spare delay"), 0), s.newDelay)
		seconds, left := max(tenths(2000, "work"), 0), tenths(200, "left")
		got, reachable := s.needed(seconds, left)
		want, possible := 0, false
		for done := 0.0; want < 30_000; want++ {
			if done >= seconds-1e-6 {
				possible = true
				break
			}
			switch {
			case want < s.ready:
				done += max(left, 0)
			case want < s.ready+s.spare:
				done += max(left-s.spareDelay-s.load, 0)
			default:
				done += max(left-s.newDelay-s.load, 0)
			}
		}
		if reachable != possible || reachable && got != want {
			t.Fatalf("%d (%v), want %d (%v) for %g s of work in %g s with %+v", got, reachable, want, possible, seconds, left, s)
		}
	})
}

// A split hands out everything that can be used, nobody gets more than that, and by weight as long as nobody is full.
func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		total         int
		weights, most []int
		want          string
	}{
		{10, []int{1, 1}, []int{99, 99}, "[5 5]"},
		{10, []int{3, 1}, []int{99, 99}, "[7 3]"},
		{10, []int{3, 1}, []int{2, 99}, "[2 8]"},
		{10, []int{1, 1, 1}, []int{99, 0, 1}, "[9 0 1]"},
		{10, []int{1, 1}, []int{2, 3}, "[2 3]"},
		{0, []int{1}, []int{5}, "[0]"},
		{5, nil, nil, "[]"},
	} {
		if got := fmt.Sprint(split(tc.total, tc.weights, tc.most)); got != tc.want {
			t.Errorf("split(%d, %v, %v) = %s, want %s", tc.total, tc.weights, tc.most, got, tc.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, mostWeight), 1, 8).Draw(t, "weights")
		most := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 30), rapid.Just(endless)), len(weights), len(weights)).Draw(t, "most")
		total := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, endless)).Draw(t, "total")
		given, sum, usable := split(total, weights, most), 0, 0
		for i := range given {
			if given[i] < 0 || given[i] > most[i] {
				t.Fatalf("%v of at most %v", given, most)
			}
			sum, usable = sum+given[i], min(usable+most[i], endless)
		}
		if sum != min(total, usable) {
			t.Fatalf("%d of %d are given out: split(%d, %v, %v) = %v", sum, min(total, usable), total, weights, most, given)
		}
	})
}

// An estimate is total and says nothing that it does not know.
func TestEstimateProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, policy := drawWorld(t)
		r := Request{
			Job: orchestrator.JobKey{Tenant: "acme", Queue: rapid.SampledFrom([]string{"q0", "q1", "nowhere"}).Draw(t, "queue")}, Model: model("bert"),
			Rows:     rapid.OneOf(rapid.Int64Range(-1, 1e9), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64})).Draw(t, "rows"),
			RowBytes: adversarialFloats().Draw(t, "row bytes"), BatchRows: oftenSmall(512).Draw(t, "batch"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "objects") {
			r.Objects = append(r.Objects, orchestrator.Object{
				Size:        rapid.OneOf(rapid.Int64Range(-1, 1e9), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64})).Draw(t, "size"),
				Compression: rapid.SampledFrom([]orchestrator.Compression{"", "gzip"}).Draw(t, "compression"),
			})
		}
		e := Estimate(r, o, policy, midnight)
		if e.Rows < 0 || e.Shards < 0 || e.Workers < 0 || e.Workers > e.Shards || e.Cost.Micros < 0 {
			t.Fatalf("%+v", e)
		}
		switch e.Basis {
		case basisUnknown:
			if !e.Start.IsZero() || !e.Finish.IsZero() || e.Cost.Micros != 0 || len(e.Notes) == 0 {
				t.Fatalf("nothing is known, and this is said: %+v", e)
			}
		case basisMeasured, basisProfile:
			if e.Start.After(e.Finish) || e.FinishLow.After(e.Finish) || e.Finish.After(e.FinishHigh) {
				t.Fatalf("%+v", e)
			}
		default:
			t.Fatalf("basis %q", e.Basis)
		}
	})
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]string{
		0: "0 s", -1: "0 s", math.NaN(): "0 s", 0.04: "0.0 s", 9.96: "10.0 s", 59.6: "60 s", 119: "119 s", 120: "2 min", 7199: "120 min", 7200: "2.0 h",
		math.Inf(1): "277777777777.8 h",
	} {
		if got := span(seconds); got != want {
			t.Errorf("span(%g) = %q, want %q", seconds, got, want)
		}
	}
}
