package calendar

import (
	"cmp"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/schedules"
)

// Horizon is how far ahead a peak may matter: longer than any lead.
const Horizon = 24 * time.Hour

const (
	mostPeaks = 100       // of one schedule; those that come later are seen later
	mostCaps  = 10_000    // occurrences that are looked at for the caps of one schedule
	stays     = time.Hour // for how long the work of an occurrence that nobody submits here may still come, where nothing says by when it is to be finished
)

// Peaks is the work of all schedules that has come and is not done, and that comes within a horizon, by queue and then by time.
func (c *Calendar) Peaks(now time.Time, horizon time.Duration) []orchestrator.Peak {
	var peaks []orchestrator.Peak
	for _, one := range c.known() {
		peaks = append(peaks, one.peaks(now, horizon)...)
	}
	slices.SortStableFunc(peaks, func(a, b orchestrator.Peak) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Queue, b.Queue), a.From.Compare(b.From), cmp.Compare(a.Identity, b.Identity))
	})
	return peaks
}

// Caps are the maxima that hold now or begin within the horizon (SC20), by queue and then by time.
func (c *Calendar) Caps(now time.Time) []orchestrator.Cap {
	var caps []orchestrator.Cap
	for _, one := range c.known() {
		caps = append(caps, one.caps(now)...)
	}
	slices.SortStableFunc(caps, func(a, b orchestrator.Cap) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Queue, b.Queue), a.From.Compare(b.From), cmp.Compare(a.Identity, b.Identity))
	})
	return caps
}

func (e entry) peaks(now time.Time, horizon time.Duration) (peaks []orchestrator.Peak) {
	for _, open := range e.record.Open {
		if open.Asked.IsZero() { // what a user asked for is a job like any other
			peaks = append(peaks, e.peak(open.Occurrence, e.arrived[open.ID]))
		}
	}
	if e.suspended() {
		return peaks
	}
	for _, one := range e.schedule.Timetable().Between(e.begin(now), now.Add(horizon), mostPeaks) {
		switch {
		case one.At.After(now), e.schedule.Spec.Submit != nil: // the latter is due and not decided yet
			peaks = append(peaks, e.peak(one, 0))
		case now.Before(e.until(one)):
			peaks = append(peaks, e.peak(one, -1))
		}
	}
	return peaks
}

// begin is after which time occurrences are looked at that are not open: all before have come, or will not.
func (e entry) begin(now time.Time) time.Time {
	last := latest(e.record)
	switch {
	case e.schedule.Spec.Submit == nil:
		return now.Add(-Horizon)
	case e.record.Timetable == "" || last.After(now):
		return now
	}
	if most := now.Add(-schedules.Grace); last.Before(most) {
		return most
	}
	return last
}

// until is when nothing more is expected of an occurrence whose work others bring.
func (e entry) until(one schedules.Occurrence) time.Time {
	if due := e.schedule.Due(one); !due.IsZero() {
		return due
	}
	return one.At.Add(stays)
}

func (e entry) peak(one schedules.Occurrence, arrived int64) orchestrator.Peak {
	rows, high := e.expected(one)
	return orchestrator.Peak{
		Tenant: e.tenant, Queue: e.schedule.Spec.Queue, Model: e.model, Identity: one.ID, From: one.At, Until: one.At,
		Rows: rows, RowsHigh: high, Arrived: arrived, Finish: e.schedule.Due(one),
	}
}

// expected is how many rows come with an occurrence and what they hardly exceed: as the document says, or as earlier ones were. -1 is unknown.
func (e entry) expected(one schedules.Occurrence) (rows, high int64) {
	if expect := e.schedule.Spec.Expect; expect != nil {
		return int64(expect.Rows), int64(float64(expect.Rows) * (1 + expect.Spread))
	}
	return schedules.Expect(e.record.Ran, one.Wall)
}

// caps joins windows that touch: they are one maximum.
func (e entry) caps(now time.Time) (caps []orchestrator.Cap) {
	of := e.schedule.Spec.Cap
	if of == nil || e.suspended() {
		return nil
	}
	for _, one := range e.schedule.Timetable().Between(now.Add(-of.For), now.Add(Horizon), mostCaps) {
		last := len(caps) - 1
		if last >= 0 && !one.At.After(caps[last].Until) {
			caps[last].Until = one.At.Add(of.For)
			continue
		}
		caps = append(caps, orchestrator.Cap{
			Tenant: e.tenant, Queue: e.schedule.Spec.Queue, MaxWorkers: of.MaxWorkers, From: one.At, Until: one.At.Add(of.For), Identity: one.ID,
		})
	}
	return caps
}
