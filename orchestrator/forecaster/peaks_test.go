package forecaster

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/arrivals"
	"nightshift.dev/nightshift/orchestrator/forecast"
)

// Whatever is forecast: peaks are windows that are not over, in order, of the next six hours; each has rows, and no more than the quantiles say; off adds none.
func TestPeaksAreSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Just(math.NaN()), rapid.Float64Range(0, 1e9), rapid.Float64Range(0, 1e100))
		q := &queue{Queue: Queue{QueueName: clicks, Zone: time.UTC, Drains: rapid.Bool().Draw(t, "drains"), ByTheClock: rapid.Bool().Draw(t, "by the clock")}}
		past := rapid.SliceOfN(rapid.Int64Range(-1, 1e9), 0, 200).Draw(t, "past")
		for i, rows := range past {
			q.windows.Count(monday.Add(time.Duration(i-len(past))*arrivals.Window), rows)
		}
		said := &forecast.Forecast{Start: monday, Step: arrivals.Window, On: rapid.Bool().Draw(t, "on"), Quarter: make([]forecast.Errors, 4)}
		said.Quarter[0] = forecast.Errors{WAPE: value.Draw(t, "wape"), MAE: value.Draw(t, "mae")}
		for range day {
			median := value.Draw(t, "median")
			said.Steps = append(said.Steps, forecast.Quantiles{Median: median, P90: median, P95: median * rapid.Float64Range(1, 3).Draw(t, "more")})
		}
		q.said = said
		now := monday.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "minutes")) * time.Minute)
		peaks := q.peaks(now)
		if !said.On && len(peaks) > 0 {
			t.Fatalf("off, and %d peaks", len(peaks))
		}
		for i, one := range peaks {
			step := said.Steps[one.From.Sub(monday)/arrivals.Window]
			if one.Rows < 1 || one.RowsHigh < one.Rows || float64(one.Rows) > math.Ceil(step.Median) || float64(one.RowsHigh) > math.Ceil(step.P95) || one.Arrived < arrivals.Unknown {
				t.Fatalf("%+v, of %+v", one, step)
			}
			if !one.Forecast || !one.Until.After(now) || one.From.Sub(now) > ahead || one.Until.Sub(one.From) != arrivals.Window || i > 0 && !one.From.After(peaks[i-1].From) {
				t.Fatalf("at %s: %+v", now, one)
			}
		}
	})
}

// While NATS was away nobody could submit: what would have come is unknown, not zero.
func TestWindowsWithoutNATSAreUnknown(t *testing.T) {
	t.Parallel()
	store := open(t)
	f := fresh(t, store, none)
	f.begin(monday)
	f.advance(t.Context(), monday.Add(12*time.Minute))
	if err := store.Conn().ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	if err := store.Conn().FlushTimeout(time.Minute); err != nil {
		t.Fatal(err)
	}
	for minute := 15; minute <= 42; minute++ {
		f.advance(t.Context(), monday.Add(time.Duration(minute)*time.Minute))
	}
	if rows, want := counts(t, f, orchestrator.QueueName{Tenant: "acme", Queue: "nightly"}), []int64{0, -1, 0, 0}; !same(rows, want) {
		t.Errorf("%v, want %v", rows, want)
	}
}
