package schedules

import (
	"fmt"
	"slices"
	"time"
)

// Decide says what is to be done now with the occurrences that are due, given what was decided before and which runs there are. The record it returns is stored before anything is done.
func (s Schedule) Decide(record Record, runs []Run, now time.Time) (Record, []Decision) {
	d := deciding{Schedule: s, now: now.UTC(), record: record}
	d.record.Open = slices.Clone(record.Open)
	if known := s.timetable(); record.Timetable != known { // an occurrence before is not missed: nobody wanted it then
		d.record = Record{Timetable: known, Since: latest(d.now, latest(record.Since, record.Last.At)), Open: d.record.Open, Waiting: record.Waiting}
	}
	d.open(runs)
	d.due()
	d.waiting()
	return d.record, d.list
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// deciding is one decision.
type deciding struct {
	Schedule
	record Record
	now    time.Time
	list   []Decision
}

func (d *deciding) add(action Action, one Occurrence, code, sentence string, values ...any) {
	said := fmt.Sprintf(sentence, values...)
	if last := len(d.list) - 1; action == Skip && last >= 0 && d.list[last].Action == Skip && d.list[last].Code == code {
		d.list[last].Occurrence, d.list[last].Sentence = one, said
		d.list[last].Count++
		return
	}
	d.list = append(d.list, Decision{Action: action, Occurrence: one, Count: 1, Code: code, Sentence: said})
}

// open looks at the occurrences that were decided to run: what has ended is forgotten, what was decided and not done is done again.
func (d *deciding) open(runs []Run) {
	var open []Open
	for _, one := range d.record.Open {
		known := slices.IndexFunc(runs, func(run Run) bool { return run.ID == one.ID })
		switch {
		case known >= 0 && runs[known].Ended, known < 0 && one.Seen:
			continue
		case known >= 0:
			one.Seen = true
			if one.Replaced {
				d.add(Cancel, one.Occurrence, "replaced", "A later occurrence replaces it.")
			}
		case one.Replaced:
			d.add(Skip, one.Occurrence, "replaced", "A later occurrence replaces it, and it was not submitted yet.")
			continue
		case d.now.Sub(one.since()) > max(d.MissedWithin, Grace):
			d.add(Skip, one.Occurrence, "not-submitted", "It could not be submitted for %s; that is more than %s.", d.now.Sub(one.since()).Round(time.Second), max(d.MissedWithin, Grace))
			continue
		default:
			d.add(Submit, one.Occurrence, "again", "It was decided before, and its run is not there yet.")
		}
		open = append(open, one)
	}
	d.record.Open = open
}

// due decides what is due, in order, until one has to wait.
func (d *deciding) due() {
	decided := latest(d.record.Since, d.record.Last.At)
	if d.now.Before(decided) {
		d.add(Wait, d.record.Last, "clock", "The clock shows %s, and all until %s is decided already: nothing is due before.", d.now.Format(time.RFC3339), decided.UTC().Format(time.RFC3339))
		return
	}
	due := d.following(d.record, d.now)
	for i, one := range due {
		later := i+1 < len(due)
		if !later && len(due) == maxDue {
			return // there may be more: the next decision goes on
		}
		if d.skipped(one, later) {
			d.record.Last = one
			continue
		}
		if !d.room(one) {
			return
		}
		d.record.Last = one
		d.record.Open = append(d.record.Open, Open{Occurrence: one})
		if late := d.now.Sub(one.At); late > Grace {
			d.add(Submit, one, "missed", "It was due %s ago, and missed is %s.", late.Round(time.Second), d.Missed)
		} else {
			d.add(Submit, one, "due", "It is due.")
		}
	}
}

// skipped says whether an occurrence never runs; later is that another one is due as well.
func (d *deciding) skipped(one Occurrence, later bool) bool {
	late := d.now.Sub(one.At)
	missed := late > Grace
	switch {
	case d.Suspended:
		d.add(Skip, one, "suspended", "The schedule is suspended.")
	case missed && d.Missed == MissedSkip:
		d.add(Skip, one, "missed", "It was due %s ago, more than %s, and missed is skip.", late.Round(time.Second), Grace)
	case missed && late > d.MissedWithin:
		d.add(Skip, one, "too-old", "It was due %s ago, and missedWithin is %s.", late.Round(time.Second), d.MissedWithin)
	case missed && d.Missed == MissedLatest && later:
		d.add(Skip, one, "later", "A later one is due, and missed is latest.")
	case d.Overlap == Replace && later:
		d.add(Skip, one, "replaced", "A later one is due, and would replace it.")
	default:
		return false
	}
	return true
}

// room says whether an occurrence can run now beside those that are open, and makes room by the policy of overlaps.
func (d *deciding) room(one Occurrence) bool {
	open := d.record.Open
	switch last, held := d.record.held(); {
	case d.Overlap == Forbid && held:
		d.add(Wait, one, "overlap", "The run of %s is open, and overlap is Forbid.", last)
		return false
	case len(open) >= maxOpen:
		d.add(Wait, one, "open", "%d runs are open, the most that one schedule has.", maxOpen)
		return false
	case d.Overlap == Replace:
		for i := range open {
			if !open[i].Replaced && !open[i].Triggered {
				open[i].Replaced = true
				d.withdraw(open[i].Occurrence, one)
			}
		}
	}
	return true
}

// held is the last run of the timetable that is open.
func (r Record) held() (id string, held bool) {
	for _, one := range slices.Backward(r.Open) {
		if !one.Triggered {
			return one.ID, true
		}
	}
	return "", false
}

// withdraw cancels a run, whose submit may stand in the list already: then it is not made.
func (d *deciding) withdraw(earlier, by Occurrence) {
	d.list = slices.DeleteFunc(d.list, func(one Decision) bool { return one.Action == Submit && one.Occurrence.ID == earlier.ID })
	d.add(Cancel, earlier, "replaced", "%s is due, and overlap is Replace.", by.ID)
}
