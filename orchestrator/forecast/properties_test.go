package forecast

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyHistory has loads, and everything that is none.
func anyHistory(t *rapid.T) (History, Settings) {
	period := rapid.IntRange(1, 6).Draw(t, "period")
	load := rapid.OneOf(rapid.Float64Range(0, 1000), rapid.Just(0.), rapid.Just(5.), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), -3, 1e300, 1e99, 1e-300}))
	values := drawn(t, load, rapid.IntRange(0, 16*period).Draw(t, "length"))
	step := time.Duration(rapid.Int64Range(1, int64(48*time.Hour)).Draw(t, "step"))
	return History{monday, step, values}, Settings{Period: period, Horizon: rapid.IntRange(1, 8*period).Draw(t, "horizon"), Holidays: []time.Time{monday.Add(3 * step)}}
}

// drawn are so many loads; a slice of any length is a short one nearly always.
func drawn(t *rapid.T, load *rapid.Generator[float64], length int) []float64 {
	return rapid.SliceOfN(load, length, length).Draw(t, "values")
}

// Whatever the history is, there is a forecast: so many steps, none below 0 or infinite, the quantiles in order; or it is off and nothing is known.
func TestTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history, settings := anyHistory(t)
		f := Fit(history, settings).Predict(history)
		if len(f.Steps) != settings.Horizon || f.Reason == "" {
			t.Fatalf("%+v", f)
		}
		for h, one := range f.Steps {
			switch unknown := math.IsNaN(one.Median) && math.IsNaN(one.P90) && math.IsNaN(one.P95); {
			case unknown && f.On:
				t.Fatalf("on, but nothing is known of step %d", h)
			case unknown:
			case !(one.Median >= 0 && one.Median <= one.P90 && one.P90 <= one.P95) || math.IsInf(one.P95, 0):
				t.Fatalf("step %d: %+v", h, one)
			}
		}
		if first := len(history.Values) / 2; first >= settings.Period {
			Evaluate(history, settings, first)
		}
	})
}

// The unit of a load changes the unit of its forecast, and nothing else. Powers of two leave no rounding.
func TestScale(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		period := rapid.IntRange(2, 6).Draw(t, "period")
		values := drawn(t, rapid.Float64Range(0, 1000).Filter(func(x float64) bool { return x == 0 || x > 1e-6 }), rapid.IntRange(3*period, 18*period).Draw(t, "length"))
		factor := math.Ldexp(1, rapid.IntRange(-20, 20).Draw(t, "exponent"))
		settings := Settings{Period: period, Horizon: period}
		scaled := slices.Clone(values)
		for i := range scaled {
			scaled[i] *= factor
		}
		one, other := History{monday, time.Hour, values}, History{monday, time.Hour, scaled}
		f, g := Fit(one, settings).Predict(one), Fit(other, settings).Predict(other)
		for h, step := range f.Steps {
			if want := (Quantiles{step.Median * factor, step.P90 * factor, step.P95 * factor}); g.Steps[h] != want {
				t.Fatalf("step %d: %+v, want %+v", h, g.Steps[h], want)
			}
		}
		if f.On != g.On || f.Reason != g.Reason || !cmp.Equal(f.Weights, g.Weights) {
			t.Fatalf("%v %s %v, scaled %v %s %v", f.On, f.Reason, f.Weights, g.On, g.Reason, g.Weights)
		}
	})
}

// The back-test looks at nothing after its origin: whatever comes later, it says the same, with the same quantiles; and so do the peers.
func TestNoLookAhead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		period := rapid.IntRange(2, 6).Draw(t, "period")
		load := rapid.OneOf(rapid.Float64Range(0, 1000), rapid.Just(math.NaN()))
		before := drawn(t, load, rapid.IntRange(3*period, 18*period).Draw(t, "length"))
		after := rapid.IntRange(1, 8*period).Draw(t, "steps after")
		settings := Settings{Period: period, Horizon: rapid.IntRange(1, 2*period).Draw(t, "horizon"), Holidays: []time.Time{monday.AddDate(0, 0, 1)}}
		origin := len(before)
		var said [2]outcome
		var byPeers [2][][]float64
		for i := range said {
			values := append(slices.Clone(before), drawn(t, load, after)...)
			w := newWalk(newSeries(History{monday, time.Hour, values}, settings), settings.Horizon)
			for _, one := range append(trialOrigins(origin, period), origin) {
				w.visit(one)
			}
			said[i] = w.ours.open[len(w.ours.open)-1]
			for _, peer := range peers {
				byPeers[i] = append(byPeers[i], peer.predict(w.s, origin, settings.Horizon))
			}
		}
		if said[0].origin != origin || !cmp.Equal(said[0].said, said[1].said) || !cmp.Equal(said[0].upper, said[1].upper) {
			t.Fatalf("at %d of %d:\n%v\n%v", origin, origin+after, said[0], said[1])
		}
		if !cmp.Equal(byPeers[0], byPeers[1]) {
			t.Fatalf("peers:\n%v\n%v", byPeers[0], byPeers[1])
		}
	})
}
