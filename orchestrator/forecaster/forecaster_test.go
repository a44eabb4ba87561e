package forecaster

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/arrivals"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/forecast"
	"nightshift.dev/nightshift/orchestrator/state"
)

var (
	monday  = time.Date(2026, 10, 26, 0, 0, 0, 0, time.UTC)
	clicks  = orchestrator.QueueName{Tenant: "acme", Queue: "clicks"}
	nightly = orchestrator.QueueName{Tenant: "acme", Queue: "nightly"}
)

func open(t testing.TB) *state.Store {
	t.Helper()
	store, err := state.Create(t.Context(), embeddedtest.Connect(t, embeddedtest.Start(t)), state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// fresh is a forecaster as the service starts one, of a queue that drains a source and one that people submit to.
func fresh(t testing.TB, store *state.Store, submitted func(from, to time.Time) map[orchestrator.QueueName]int64) *Forecaster {
	t.Helper()
	f := New(Config{
		Store: store, Submitted: submitted, Log: slog.New(slog.DiscardHandler),
		Queues: []Queue{{QueueName: clicks, Zone: time.UTC, Drains: true}, {QueueName: nightly, Zone: time.UTC}},
		Model: func(of orchestrator.QueueName) orchestrator.ModelRef {
			return orchestrator.ModelRef{Name: "model of " + of.Queue}
		},
	})
	if err := f.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// look gives the peaks of a time.
func look(f *Forecaster, now time.Time) []orchestrator.Peak {
	f.look(now)
	return f.Peaks(now)
}

func none(time.Time, time.Time) map[orchestrator.QueueName]int64 { return nil }

func reading(at time.Time, arrived int64) []orchestrator.Backlog {
	return []orchestrator.Backlog{{Tenant: clicks.Tenant, Queue: clicks.Queue, Reading: orchestrator.Reading{At: at}, Arrived: arrived}}
}

func counts(t *testing.T, f *Forecaster, name orchestrator.QueueName) (rows []int64) {
	t.Helper()
	told, known := f.Forecast(name, time.Time{})
	if !known {
		t.Fatalf("queue %v is not known", name)
	}
	for _, one := range told.History {
		rows = append(rows, one.Rows)
	}
	return rows
}

func same(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// What arrived outlasts a restart; what came while the service was away is unknown, not zero.
func TestArrivalsOutlastARestart(t *testing.T) {
	t.Parallel()
	store := open(t)
	f := fresh(t, store, none)
	f.begin(monday)
	for minute := range 26 {
		f.Hear(reading(monday.Add(time.Duration(minute)*time.Minute), int64(10*minute)))
	}
	f.advance(t.Context(), monday.Add(25*time.Minute))
	if rows := counts(t, f, clicks); !same(rows, []int64{100, 100}) {
		t.Fatalf("before: %v", rows)
	}
	f = fresh(t, store, none)
	back := monday.Add(55 * time.Minute)
	f.begin(back)
	for minute := range 20 {
		f.Hear(reading(back.Add(time.Duration(minute)*time.Minute), int64(1000+minute)))
	}
	f.advance(t.Context(), back.Add(20*time.Minute))
	want := []int64{100, 100, -1, -1, -1, -1, 10}
	if rows := counts(t, f, clicks); !same(rows, want) {
		t.Errorf("after a restart: %v, want %v", rows, want)
	}
	if rows := counts(t, fresh(t, store, none), clicks); !same(rows, want) {
		t.Errorf("stored: %v, want %v", rows, want)
	}
}

// Rows that come with jobs are counted when their window is over; where nobody could submit all through, and where a job's rows are not known, it is unknown.
func TestSubmittedRowsAreCounted(t *testing.T) {
	t.Parallel()
	asked := map[string]int64{"00:10": 5, "00:30": -1, "00:40": 7}
	f := fresh(t, open(t), func(from, to time.Time) map[orchestrator.QueueName]int64 {
		if to.Sub(from) != arrivals.Window {
			t.Errorf("asked from %s to %s", from, to)
		}
		return map[orchestrator.QueueName]int64{nightly: asked[from.Format("15:04")]}
	})
	f.begin(monday.Add(time.Minute))
	for minute := 1; minute <= 51; minute++ {
		f.advance(t.Context(), monday.Add(time.Duration(minute)*time.Minute))
	}
	if rows, want := counts(t, f, nightly), []int64{-1, 5, 0, -1, 7}; !same(rows, want) {
		t.Errorf("%v, want %v", rows, want)
	}
	f.advance(t.Context(), monday.Add(3*time.Hour+time.Minute)) // the process stood still
	f.advance(t.Context(), monday.Add(3*time.Hour+22*time.Minute))
	rows := counts(t, f, nightly)
	if len(rows) != 20 || rows[5] != -1 || rows[18] != -1 || rows[19] != 0 {
		t.Errorf("%v", rows)
	}
}

// store puts so many days of arrivals that are over at a time into the store.
func remember(t testing.TB, store *state.Store, name orchestrator.QueueName, until time.Time, days int, rows func(at time.Time) int64) {
	t.Helper()
	var windows arrivals.Windows
	for at := until.AddDate(0, 0, -days); at.Before(until); at = at.Add(arrivals.Window) {
		windows.Count(at, rows(at))
	}
	data, err := windows.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if err := store.PutArrivals(t.Context(), name, data); err != nil {
		t.Fatal(err)
	}
}

// atNight is a load that comes at two in the morning for an hour.
func atNight(random *rand.Rand) func(time.Time) int64 {
	return func(at time.Time) int64 {
		level := 100.0
		if at.Hour() == 2 {
			level = 5000
		}
		return int64(level * (1 + .1*random.Float64()))
	}
}

func TestLoadThatComesEveryNightIsAPeakBeforeItComes(t *testing.T) {
	t.Parallel()
	store, until := open(t), monday.Add(time.Hour)
	remember(t, store, clicks, until, 14, atNight(rand.New(rand.NewPCG(1, 2))))
	f := fresh(t, store, none)
	for f.learn(until) { // until all have learned
	}
	told, _ := f.Forecast(clicks, until.Add(-24*time.Hour))
	if !told.On || !strings.Contains(told.Reason, "is on") || told.Trials < 10 || !(*told.Error.WAPE < .1) || len(told.ByHorizon) != 4 || len(told.Expected) != day || len(told.History) != day {
		t.Fatalf("%v, %s, %d trials, %d windows of history", told.On, told.Reason, told.Trials, len(told.History))
	}
	peaks := look(f, until)
	if len(peaks) != 6 {
		t.Fatalf("%d peaks: %+v", len(peaks), peaks)
	}
	for i, peak := range peaks {
		from := monday.Add(2*time.Hour + time.Duration(i)*arrivals.Window)
		if !peak.Forecast || !peak.From.Equal(from) || !peak.Until.Equal(from.Add(arrivals.Window)) || peak.Rows < 4800 || peak.Rows > 5500 || peak.RowsHigh < peak.Rows || peak.Arrived != 0 ||
			peak.Identity != "forecast/clicks/"+from.Format(time.RFC3339) || peak.Model.Name != "model of clicks" || !peak.Finish.IsZero() {
			t.Errorf("%+v", peak)
		}
	}
	if peaks := look(f, until.Add(-6*time.Hour)); len(peaks) > 0 && peaks[len(peaks)-1].From.After(until) {
		t.Errorf("peaks further ahead than a quarter of a day: %+v", peaks)
	}

	if peaks := f.Peaks(monday.Add(2*time.Hour + 25*time.Minute)); len(peaks) != 0 { // those of the look are over
		t.Errorf("%+v", peaks)
	}
	f.look(until)
	if peaks := f.Peaks(monday.Add(2*time.Hour + 25*time.Minute)); len(peaks) != 4 || !peaks[0].Until.Equal(monday.Add(2*time.Hour+30*time.Minute)) {
		t.Errorf("of six, those that are not over: %+v", peaks)
	}
	f.Hear(reading(monday.Add(2*time.Hour), 0)) // the hour has begun, and half of its first window's rows are there
	f.advance(t.Context(), monday.Add(2*time.Hour))
	f.Hear(reading(monday.Add(2*time.Hour+5*time.Minute), 2600))
	f.Hear(reading(monday.Add(2*time.Hour+6*time.Minute), 2600))
	if peaks := look(f, monday.Add(2*time.Hour+6*time.Minute)); len(peaks) > 0 {
		t.Errorf("the rate of the last hour is not known, and peaks are told: %+v", peaks)
	}
}

// What the planner keeps workers for anyway is no peak, and what has come of one is said.
func TestPeaksAreBeyondWhatIsKept(t *testing.T) {
	t.Parallel()
	store, until := open(t), monday.Add(110*time.Minute)
	remember(t, store, clicks, until, 14, atNight(rand.New(rand.NewPCG(1, 2))))
	f := fresh(t, store, none)
	for f.learn(until) { // until all have learned
	}
	for _, one := range []struct {
		minute  int
		arrived int64
	}{{-1, 0}, {0, 0}, {2, 1000}, {4, 2000}, {5, 2500}} {
		f.Hear(reading(monday.Add(2*time.Hour+time.Duration(one.minute)*time.Minute), one.arrived))
	}
	now := monday.Add(2*time.Hour + 5*time.Minute)
	f.advance(t.Context(), now)
	peaks := look(f, now)
	if len(peaks) != 6 {
		t.Fatalf("%d peaks: %+v", len(peaks), peaks)
	}
	if first := peaks[0]; first.Rows < 4800 || first.Arrived < 2400 || first.Arrived > 2460 { // a hundred in a window come anyway
		t.Errorf("the window that goes on: %+v", first)
	}
	if second := peaks[1]; second.Rows > 2900 || second.Rows < 2400 || second.Arrived != 0 {
		t.Errorf("the next one, of which half is kept since the rate has risen: %+v", second)
	}
	f.named[clicks].ByTheClock = true
	if peaks := look(f, now); len(peaks) != 6 || peaks[0].Rows > 5000 { // and three hundred on the mean of a day
		t.Errorf("by the clock: %+v", peaks)
	}
}

// A forecast that is off adds nothing, and says why.
func TestForecastThatIsOffAddsNothing(t *testing.T) {
	t.Parallel()
	store := open(t)
	random := rand.New(rand.NewPCG(3, 4))
	remember(t, store, clicks, monday, 2, atNight(random))
	f := fresh(t, store, none)
	if told, _ := f.Forecast(clicks, time.Time{}); told.On || told.Reason != "the forecast is off: nothing was learned yet" || told.Expected == nil {
		t.Errorf("before anything is learned: %+v", told)
	}
	for f.learn(monday) { // until all have learned
	}
	told, _ := f.Forecast(clicks, time.Time{})
	if told.On || !strings.Contains(told.Reason, "is off: it could be tried 1 times on the history, and has to be 5 times") {
		t.Errorf("after two days: %v, %s", told.On, told.Reason)
	}
	if peaks := look(f, monday.Add(time.Hour)); len(peaks) > 0 {
		t.Errorf("%+v", peaks)
	}
	if _, known := f.Forecast(orchestrator.QueueName{Tenant: "other", Queue: "clicks"}, time.Time{}); known {
		t.Error("another tenant's queue is told")
	}
}

// Jobs that nobody has submitted yet have no workers, so that all of what is expected is a peak; what a schedule tells is not expected a second time.
func TestPeaksOfJobs(t *testing.T) {
	t.Parallel()
	store, until := open(t), monday.Add(time.Hour)
	random := rand.New(rand.NewPCG(5, 6))
	remember(t, store, nightly, until, 14, func(at time.Time) int64 {
		if at.Hour() == 2 && at.Minute() == 30 {
			return int64(1e6 * (1 + .1*random.Float64()))
		}
		return 0
	})
	f := fresh(t, store, none)
	for f.learn(until) { // until all have learned
	}
	peaks := look(f, until)
	at := monday.Add(2*time.Hour + 30*time.Minute)
	if len(peaks) != 1 || !peaks[0].From.Equal(at) || peaks[0].Rows < 900_000 || peaks[0].Arrived != 0 && peaks[0].Arrived != -1 {
		t.Fatalf("%+v", peaks)
	}
	known := orchestrator.Peak{Tenant: "acme", Queue: "nightly", From: at.Add(5 * time.Minute), Until: at.Add(5 * time.Minute)}
	f.config.Known = func(time.Time) []orchestrator.Peak { return []orchestrator.Peak{known} }
	if peaks := look(f, until); len(peaks) > 0 {
		t.Errorf("beside a schedule: %+v", peaks)
	}
	known.Queue = "clicks"
	if peaks := look(f, until); len(peaks) != 1 {
		t.Errorf("beside a schedule of another queue: %+v", peaks)
	}
}

// Holidays of the queue's calendar, and days by its clock, reach the forecast.
func TestHolidaysAreKnown(t *testing.T) {
	t.Parallel()
	store, random := open(t), rand.New(rand.NewPCG(11, 12))
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	until := time.Date(2026, 10, 26, 0, 0, 0, 0, zone)
	var holidays []time.Time
	quiet := map[string]bool{}
	for _, days := range []int{-33, -26, -19, -12, -5, 0} { // no weekday of theirs is a holiday always
		holidays = append(holidays, until.AddDate(0, 0, days+days%2))
		quiet[holidays[len(holidays)-1].Format(time.DateOnly)] = true
	}
	remember(t, store, clicks, until.UTC(), 42, func(at time.Time) int64 {
		if level := 1000 * (1 + .1*random.Float64()); !quiet[at.In(zone).Format(time.DateOnly)] {
			return int64(level)
		}
		return 100
	})
	f := fresh(t, store, none)
	f.named[clicks].Zone, f.named[clicks].Holidays = zone, holidays
	for f.learn(until) { // until all have learned
	}
	told, _ := f.Forecast(clicks, until)
	for _, i := range []int{0, day / 2, day - 1} {
		if one := told.Expected[i]; *one.Median > 600 || told.TimeZone != "Asia/Tokyo" {
			t.Errorf("at %s, of a holiday, %.0f rows are expected; days of %s", one.At, *one.Median, told.TimeZone)
		}
	}
}

// Run learns from what was stored, and ends.
func TestRunLearns(t *testing.T) {
	t.Parallel()
	store := open(t)
	now := time.Now().UTC().Truncate(arrivals.Window)
	remember(t, store, clicks, now, 8, atNight(rand.New(rand.NewPCG(7, 8))))
	f := fresh(t, store, none)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	ended := make(chan error)
	go func() { ended <- f.Run(ctx) }()
	for {
		if told, _ := f.Forecast(clicks, now); told.On {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("nothing was learned until it ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func BenchmarkLearn(b *testing.B) {
	random := rand.New(rand.NewPCG(9, 9))
	var q queue
	q.Zone = time.UTC
	for i := range arrivals.MostWindows {
		q.windows.Count(monday.Add(time.Duration(i)*arrivals.Window), int64(100*(2+math.Sin(2*math.Pi*float64(i)/float64(day)))*random.Float64()))
	}
	history := q.history()
	b.Run("26 weeks", func(b *testing.B) {
		for b.Loop() {
			fit(history, nil)
		}
	})
	model := fit(history, nil)
	b.Run("said anew", func(b *testing.B) {
		for b.Loop() {
			model.Predict(history)
		}
	})
}

// The peaks of a thousand queues, and what a decision pays for them.
func BenchmarkPeaks(b *testing.B) {
	f := New(Config{Model: func(orchestrator.QueueName) orchestrator.ModelRef { return orchestrator.ModelRef{} }})
	said := &forecast.Forecast{Start: monday, Step: arrivals.Window, On: true, Quarter: make([]forecast.Errors, 4), Steps: make([]forecast.Quantiles, day)}
	for i := range said.Steps {
		said.Steps[i] = forecast.Quantiles{Median: float64(i), P90: float64(2 * i), P95: float64(3 * i)}
	}
	for range 1000 {
		one := &queue{Queue: Queue{QueueName: clicks, Zone: time.UTC, Drains: true}, said: said}
		one.windows.Count(monday.Add(-arrivals.Window), 0)
		f.queues = append(f.queues, one)
	}
	b.Run("looked for", func(b *testing.B) {
		for b.Loop() {
			f.look(monday)
		}
	})
	b.Run("told", func(b *testing.B) {
		for b.Loop() {
			if peaks := f.Peaks(monday); len(peaks) != 36_000 {
				b.Fatalf("%d peaks", len(peaks))
			}
		}
	})
}
