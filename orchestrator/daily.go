package orchestrator

import (
	"fmt"
	"time"
)

// TimeOfDay is a time that comes once on every day, in minutes after midnight.
type TimeOfDay int

// ParseTimeOfDay reads a time from 00:00 to 23:59.
func ParseTimeOfDay(text string) (TimeOfDay, error) {
	at, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, fmt.Errorf("time of day %q: want one from 00:00 to 23:59", text)
	}
	return TimeOfDay(at.Hour()*60 + at.Minute()), nil
}

func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", t/60, t%60) }

// After is when it comes next, after a time and not at it.
func (t TimeOfDay) After(at time.Time, zone *time.Location) time.Time {
	year, month, day := at.In(zone).Date()
	for ahead := -1; ; ahead++ {
		if next := t.on(year, month, day+ahead, zone); next.After(at) || ahead > 2 {
			return next
		}
	}
}

// on is when it comes on a day: the first time if it comes twice, and when the clock passes over it if it does not come.
func (t TimeOfDay) on(year int, month time.Month, day int, zone *time.Location) time.Time {
	return FirstShown(time.Date(year, month, day, 0, int(t), 0, 0, time.UTC), zone)
}

// DailyDeadline is an objective by the clock: what arrives before ArrivedBy is due at the FinishBy that comes next after it. The zero value is none.
type DailyDeadline struct {
	ArrivedBy, FinishBy TimeOfDay
	Zone                *time.Location // nil: there is none
}

// Given says whether there is one.
func (d DailyDeadline) Given() bool { return d.Zone != nil }

// Due is when something is due that arrives at a time. What arrives at the very ArrivedBy belongs to the next day.
func (d DailyDeadline) Due(arrived time.Time) time.Time {
	return d.FinishBy.After(d.ArrivedBy.After(arrived, d.Zone), d.Zone)
}

// PriceWindow is a time of every day at which a replica has another price. Its end does not belong to it.
type PriceWindow struct {
	From, To TimeOfDay
	Zone     *time.Location
	Price    Money // per replica and hour
}

func (w PriceWindow) holds(at time.Time) bool {
	return w.To.After(at, w.Zone).Before(w.From.After(at, w.Zone))
}

// PriceAt is the price at a time: of the first window that holds, or else the one of all other times.
func (p PoolPolicy) PriceAt(at time.Time) Money {
	for _, one := range p.Windows {
		if one.holds(at) {
			return one.Price
		}
	}
	return p.Price
}

// NextWindow is the next time at which a window begins or ends; zero if there is none.
func (p PoolPolicy) NextWindow(at time.Time) time.Time {
	var next time.Time
	for _, one := range p.Windows {
		for _, edge := range []time.Time{one.From.After(at, one.Zone), one.To.After(at, one.Zone)} {
			if next.IsZero() || edge.Before(next) {
				next = edge
			}
		}
	}
	return next
}

// Due is when something is due that arrives in the queue at a time; zero: never.
func (q QueuePolicy) Due(arrived time.Time) time.Time {
	switch {
	case q.Daily.Given():
		return q.Daily.Due(arrived)
	case q.FinishWithin > 0:
		return arrived.Add(q.FinishWithin)
	}
	return time.Time{}
}
