package schedules

import (
	"fmt"
	"slices"
	"time"
)

// MostWaiting bounds how many occurrences of the past wait in a record: those of every night of a year.
const MostWaiting = 366

// Trigger opens a run that a user asks for now, beside the timetable. Its identity is its own: the key. Asked again while it is open, it is the same run; false: as many runs are open as may be.
func (s Schedule) Trigger(record Record, key string, at, now time.Time) (Record, Occurrence, bool) {
	one := s.Triggered(key, at)
	record.Open = slices.Clone(record.Open)
	if known := slices.IndexFunc(record.Open, func(open Open) bool { return open.ID == one.ID }); known >= 0 {
		return record, record.Open[known].Occurrence, true
	}
	if len(record.Open) >= maxOpen {
		return record, one, false
	}
	record.Open = append(record.Open, Open{Occurrence: one, Asked: now, Triggered: true})
	return record, one, true
}

// Triggered is the occurrence of a run beside the timetable, which templates see as if it were at a time.
func (t Timetable) Triggered(key string, at time.Time) Occurrence {
	return Occurrence{ID: t.Name + "/trigger/" + key, Wall: t.wallAt(at), At: at.UTC()}
}

// Backfill lets occurrences of the past run, from one time to another, both included. It says of each what becomes of it; ran is what is known of a run that there was, empty for none. The error says
// that there are too many.
func (s Schedule) Backfill(record Record, from, to, now time.Time, ran func(Occurrence) string) (Record, []Decision, error) {
	all := s.Between(from.Add(-time.Nanosecond), to, MostWaiting+1)
	if len(all) > MostWaiting {
		return record, nil, fmt.Errorf("more than %d runs from %s to %s; allowed: at most %d", MostWaiting, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), MostWaiting)
	}
	var due []Occurrence
	if record.Timetable == s.timetable() {
		due = s.following(record, now)
	}
	var list []Decision
	record.Waiting = slices.Clone(record.Waiting)
	for _, one := range all {
		decision := Decision{Action: Skip, Occurrence: one, Count: 1}
		same := func(other Occurrence) bool { return other.ID == one.ID }
		before := ran(one)
		switch {
		case slices.ContainsFunc(record.Open, func(open Open) bool { return same(open.Occurrence) }):
			decision.Code, decision.Sentence = "open", "Its run is open."
		case slices.ContainsFunc(record.Waiting, same):
			decision.Code, decision.Sentence = "waiting", "It waits already, since an earlier backfill."
		case before != "":
			decision.Code, decision.Sentence = "ran", before
		case one.At.After(now) || slices.ContainsFunc(due, same):
			decision.Code, decision.Sentence = "due", "It is not past: the timetable decides it."
		default:
			decision.Action, decision.Code, decision.Sentence = Submit, "backfill", "It did not run."
			record.Waiting = append(record.Waiting, one)
		}
		list = append(list, decision)
	}
	if len(record.Waiting) > MostWaiting {
		return record, nil, fmt.Errorf("%d runs would wait; allowed: at most %d", len(record.Waiting), MostWaiting)
	}
	slices.SortStableFunc(record.Waiting, func(a, b Occurrence) int { return a.At.Compare(b.At) })
	return record, list, nil
}

// waiting begins what a user asked for, once nothing is due and there is room: one after another, unless overlap is Allow.
func (d *deciding) waiting() {
	for len(d.record.Waiting) > 0 {
		one := d.record.Waiting[0]
		switch last, held := d.record.held(); {
		case d.Suspended:
			d.add(Wait, one, "suspended", "The schedule is suspended.")
			return
		case d.Overlap != Allow && held:
			d.add(Wait, one, "overlap", "The run of %s is open, and overlap is %s.", last, d.Overlap)
			return
		case len(d.record.Open) >= maxOpen:
			d.add(Wait, one, "open", "%d runs are open, the most that one schedule has.", maxOpen)
			return
		}
		d.record.Waiting = d.record.Waiting[1:]
		d.record.Open = append(d.record.Open, Open{Occurrence: one, Asked: d.now})
		d.add(Submit, one, "backfill", "A user asked for it.")
	}
}
