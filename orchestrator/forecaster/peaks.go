package forecaster

import (
	"math"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/arrivals"
)

const (
	// ahead is how far ahead peaks are told: the first quarter of the horizon, by whose error they are judged.
	ahead = 24 * time.Hour / 4
	// present is how old the last known window may be for its rows to be the present rate.
	present = time.Hour
)

// Peaks are what forecasts that are on expect beyond what the planner keeps workers for anyway, window by window, by queue, then by time (docs/forecast.md, S7 to S11).
// They are those of the last look at the windows, so that a decision does not wait for them. The list is not to be changed.
func (f *Forecaster) Peaks(now time.Time) []orchestrator.Peak {
	f.mu.Lock()
	peaks := f.peaks
	f.mu.Unlock()
	over := func(peak orchestrator.Peak) bool { return !peak.Until.After(now) }
	if slices.ContainsFunc(peaks, over) {
		peaks = slices.DeleteFunc(slices.Clone(peaks), over)
	}
	return peaks
}

// look at what is expected now.
func (f *Forecaster) look(now time.Time) {
	var known []orchestrator.Peak
	if f.config.Known != nil {
		known = f.config.Known(now)
	}
	var peaks []orchestrator.Peak
	for _, one := range f.queues {
		f.mu.Lock()
		more := one.peaks(now)
		f.mu.Unlock()
		more = slices.DeleteFunc(more, func(peak orchestrator.Peak) bool {
			return slices.ContainsFunc(known, func(other orchestrator.Peak) bool { return covers(other, peak) })
		})
		if len(more) == 0 {
			continue
		}
		model := f.config.Model(one.QueueName)
		for i := range more {
			more[i].Model = model
		}
		peaks = append(peaks, more...)
	}
	f.mu.Lock()
	f.peaks = peaks
	f.mu.Unlock()
}

// covers says whether a known peak comes in the window of an expected one. Its rows are then in the history of that window on earlier days, too.
func covers(known, expected orchestrator.Peak) bool {
	return known.Tenant == expected.Tenant && known.Queue == expected.Queue && known.From.Before(expected.Until) && !known.Until.Before(expected.From)
}

// peaks of one queue.
func (q *queue) peaks(now time.Time) (peaks []orchestrator.Peak) {
	if q.said == nil || !q.said.On {
		return nil
	}
	base, ok := q.kept(now)
	if !ok {
		return nil
	}
	errs := q.said.Quarter[0]
	opened, open := q.windows.Open()
	for i, step := range q.said.Steps {
		from := q.said.Start.Add(time.Duration(i) * arrivals.Window).UTC()
		until := from.Add(arrivals.Window)
		if !until.After(now) {
			continue
		}
		if from.After(now.Add(ahead)) {
			break
		}
		keeps, arrived := max(base, float64(open)), int64(0)
		if from.Equal(opened) { // it goes on: of what has come, what is kept anyway is no part of the peak
			keeps, arrived = base, came(open, base, now.Sub(from))
		}
		if excess := step.Median - keeps; excess > errs.WAPE*step.Median && excess > errs.MAE { // more than it errs by
			peaks = append(peaks, orchestrator.Peak{
				Tenant: q.Tenant, Queue: q.QueueName.Queue, Identity: "forecast/" + q.QueueName.Queue + "/" + from.Format(time.RFC3339), Forecast: true, From: from, Until: until,
				Rows: wholeRows(excess), RowsHigh: wholeRows(max(step.P95-keeps, excess)), Arrived: arrived,
			})
		}
	}
	return peaks
}

// wholeRows is a number of rows, however large what is expected.
func wholeRows(rows float64) int64 { return int64(math.Ceil(min(rows, 1e15))) }

// came is how much of the open window's rows is of a peak.
func came(open int64, base float64, gone time.Duration) int64 {
	if open == arrivals.Unknown {
		return arrivals.Unknown
	}
	return int64(max(float64(open)-base*min(gone.Seconds()/arrivals.Window.Seconds(), 1), 0))
}

// kept is for how many rows in a window the planner keeps workers without a forecast: those of the last known window, and of the mean of a day where it plans by
// the clock. Jobs that nobody has submitted yet have none. It is unknown where no window of the last hour is.
func (q *queue) kept(now time.Time) (rows float64, known bool) {
	if !q.Drains {
		return 0, true
	}
	from, counts := q.windows.Over()
	sum, seen := 0.0, 0.0
	for i := len(counts) - 1; i >= max(len(counts)-day, 0); i-- {
		if counts[i] == arrivals.Unknown {
			continue
		}
		if at := from.Add(time.Duration(i+1) * arrivals.Window); seen == 0 {
			if now.Sub(at) > present {
				return 0, false
			}
			rows = float64(counts[i])
		}
		sum, seen = sum+float64(counts[i]), seen+1
	}
	if seen == 0 {
		return 0, false
	}
	if q.ByTheClock {
		rows = max(rows, sum/seen)
	}
	return rows, true
}
