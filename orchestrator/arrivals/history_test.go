package arrivals

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

var midnight = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func reading(at time.Duration, arrived int64) orchestrator.Backlog {
	return orchestrator.Backlog{Reading: orchestrator.Reading{At: midnight.Add(at)}, Arrived: arrived, Settled: arrived / 2, Identity: "a"}
}

func TestWaitingRowsAreTheLastThatArrived(t *testing.T) {
	t.Parallel()
	var h History
	for minute, arrived := range []int64{100, 100, 160, 160, 200} {
		h.Add(reading(time.Duration(minute)*time.Minute, arrived))
	}
	at := func(minute int) time.Time { return midnight.Add(time.Duration(minute) * time.Minute) }
	for _, one := range []struct {
		rows   int64
		oldest time.Time
		want   []orchestrator.Arrival
	}{
		{rows: 0},
		{rows: 30, want: []orchestrator.Arrival{{At: at(3), Rows: 30}}},
		{rows: 70, want: []orchestrator.Arrival{{At: at(1), Rows: 30}, {At: at(3), Rows: 40}}},
		{rows: 150, want: []orchestrator.Arrival{{At: at(0), Rows: 50}, {At: at(1), Rows: 60}, {At: at(3), Rows: 40}}},
		{rows: 150, oldest: at(-60), want: []orchestrator.Arrival{{At: at(-60), Rows: 50}, {At: at(1), Rows: 60}, {At: at(3), Rows: 40}}},
	} {
		got := h.Waiting(one.rows, one.oldest)
		if len(got) != len(one.want) {
			t.Fatalf("%d rows: %v, want %v", one.rows, got, one.want)
		}
		for i := range got {
			if !got[i].At.Equal(one.want[i].At) || got[i].Rows != one.want[i].Rows {
				t.Errorf("%d rows: %v, want %v", one.rows, got, one.want)
			}
		}
	}
	if got := (&History{}).Waiting(5, time.Time{}); got != nil {
		t.Errorf("of a source that was never read: %v", got)
	}
}

func TestRatesAreOfTheLastTenMinutesAndTheLastDay(t *testing.T) {
	t.Parallel()
	var h History
	arrived := int64(0)
	for minute := range 26 * 60 { // a row a second for 25 hours, then ten
		h.Add(reading(time.Duration(minute)*time.Minute, arrived))
		if arrived += 60; minute >= 25*60 {
			arrived += 540
		}
	}
	now := midnight.Add((26*60 - 1) * time.Minute)
	recently, everyDay := h.Rates(now)
	if math.Abs(recently.In-10) > .1 || math.Abs(everyDay.In-(23+10)/24.) > .1 || math.Abs(recently.Out-5) > .1 {
		t.Errorf("%.2f and %.2f rows a second; want about 10 and 1.38", recently.In, everyDay.In)
	}
	if len(h.samples) > 200 {
		t.Errorf("%d samples are kept of a day", len(h.samples))
	}
}

func TestSourceThatWasMadeAgainBeginsAnew(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]orchestrator.Backlog{
		"its count fell": reading(2*time.Minute, 5),
		"another one":    {Reading: orchestrator.Reading{At: midnight.Add(2 * time.Minute)}, Arrived: 1000, Identity: "b"},
	} {
		var h History
		h.Add(reading(0, 100))
		h.Add(reading(time.Minute, 700))
		h.Add(next)
		if recently, _ := h.Rates(midnight.Add(2 * time.Minute)); recently.In != 0 {
			t.Errorf("%s: %g rows a second", name, recently.In)
		}
	}
}

// Whatever is read, the rows that wait are all there, the oldest first, and rates are no nonsense.
func TestHistoryIsTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var h History
		now, arrived := time.Duration(0), int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "readings") {
			now += time.Duration(rapid.Int64Range(-1, int64(3*time.Hour)).Draw(t, "later"))
			arrived += rapid.Int64Range(-2, 500).Draw(t, "more")
			h.Add(reading(now, arrived))
		}
		rows := rapid.Int64Range(0, 2000).Draw(t, "rows")
		list, sum := h.Waiting(rows, time.Time{}), int64(0)
		for i, one := range list {
			if sum += one.Rows; one.Rows <= 0 || i > 0 && one.At.Before(list[i-1].At) {
				t.Fatalf("%v", list)
			}
		}
		if sum != rows && len(h.samples) > 0 {
			t.Fatalf("%d of %d rows: %v", sum, rows, list)
		}
		recently, everyDay := h.Rates(midnight.Add(now))
		if !(recently.In >= 0) || !(everyDay.Out >= 0) || math.IsInf(recently.Out, 0) || math.IsInf(everyDay.In, 0) {
			t.Fatalf("rates %v and %v", recently, everyDay)
		}
	})
}
