package schedules

import (
	"iter"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// Timetable is when a schedule occurs.
type Timetable struct {
	Name   string // of the schedule
	Cron   Cron
	Zone   *time.Location
	Except []time.Time // days on which it does not occur, each midnight in UTC
}

// Occurrence is one time that a schedule comes.
type Occurrence struct {
	// ID is the same whoever looks, and no other occurrence has it: the schedule, what clocks show as the expression means it, and the zone. Where the hour is not named, the
	// offset from UTC too, since such a schedule comes in both of the hours that clocks show twice.
	ID string `json:"id"`
	// Wall is what clocks show as the expression means it, written in UTC. In the gap where they are set forward no clock shows it.
	Wall time.Time `json:"wall"`
	At   time.Time `json:"at"` // when it is, in UTC
}

// Next is the first occurrence after a time; false: there is none.
func (t Timetable) Next(after time.Time) (Occurrence, bool) {
	for one := range t.After(after) {
		return one, true
	}
	return Occurrence{}, false
}

// Between are the occurrences after one time and until another, but not more than the first most.
func (t Timetable) Between(after, until time.Time, most int) []Occurrence {
	var list []Occurrence
	for one := range t.After(after) {
		if one.At.After(until) || len(list) == most {
			break
		}
		list = append(list, one)
	}
	return list
}

// After are the occurrences after a time, without end, in their order: by when they are, and where several are at one moment because clocks passed over them, by what the
// expression means.
func (t Timetable) After(after time.Time) iter.Seq[Occurrence] {
	if t.Cron.everyHour {
		return t.passing(after)
	}
	return t.shown(t.walls(t.wallAt(after)), after)
}

// shown are the occurrences of a schedule that names its hours, of times on the wall and after a moment. Each time comes once, whatever is done to clocks.
func (t Timetable) shown(walls iter.Seq[time.Time], after time.Time) iter.Seq[Occurrence] {
	return func(yield func(Occurrence) bool) {
		for wall := range walls {
			at := orchestrator.FirstShown(wall, t.Zone)
			if at.After(after) && !yield(Occurrence{ID: t.id(wall.Format("2006-01-02T15:04")), Wall: wall, At: at}) {
				return
			}
		}
	}
}

// walls are the times on the wall after one.
func (t Timetable) walls(wall time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for {
			if wall = t.nextWall(wall); wall.IsZero() || !yield(wall) {
				return
			}
		}
	}
}

// longest is for how long there may be no occurrence before the search ends.
const longest = 11 * 366 * 24 * time.Hour

// passing are the occurrences of a schedule that does not name its hours: every minute that clocks show and that the expression has.
func (t Timetable) passing(after time.Time) iter.Seq[Occurrence] {
	return func(yield func(Occurrence) bool) {
		last, at, wall := after, after, t.wallAt(after)
		for at.Sub(last) < longest {
			_, offset := at.In(t.Zone).Zone()
			end := orchestrator.SteadyUntil(at, t.Zone)
			if wall = t.nextWall(wall); wall.IsZero() {
				return
			}
			at = wall.Add(-time.Duration(offset) * time.Second)
			if !end.IsZero() && !at.Before(end) { // clocks are set before
				at, wall = end, t.wallAt(end).Add(-time.Nanosecond)
				continue
			}
			last = at
			id := t.id(at.In(t.Zone).Format("2006-01-02T15:04-07:00"))
			if !yield(Occurrence{ID: id, Wall: wall, At: at}) {
				return
			}
		}
	}
}

func (t Timetable) id(shown string) string { return t.Name + "/" + shown + "[" + t.Zone.String() + "]" }

// wallAt is what clocks show at a moment, written in UTC.
func (t Timetable) wallAt(at time.Time) time.Time {
	_, offset := at.In(t.Zone).Zone()
	return at.UTC().Add(time.Duration(offset) * time.Second)
}

// nextWall is the first time on the wall after one that the expression has, on a day that is no exception.
func (t Timetable) nextWall(wall time.Time) time.Time {
	for {
		wall = t.Cron.next(wall)
		day := wall.Truncate(24 * time.Hour)
		if wall.IsZero() || !slices.ContainsFunc(t.Except, day.Equal) {
			return wall
		}
		wall = day.Add(24*time.Hour - time.Second) // each turn passes a day of the list
	}
}
