package schedules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func schedule(t interface{ Fatal(...any) }, expression string, overlap Overlap, missed Missed, within time.Duration) Schedule {
	return Schedule{Timetable: timetable(t, expression, "UTC"), Overlap: overlap, Missed: missed, MissedWithin: within}
}

// said is a decision in a line.
func said(list []Decision) string {
	var lines []string
	for _, one := range list {
		line := fmt.Sprint(one.Action, " ", one.Occurrence.Wall.Format("02 15:04"), " ", one.Code)
		if one.Count > 1 {
			line += fmt.Sprint(" x", one.Count)
		}
		lines = append(lines, line)
		if one.Sentence == "" || !strings.HasSuffix(one.Sentence, ".") {
			lines = append(lines, "WITHOUT A SENTENCE")
		}
	}
	return strings.Join(lines, ", ")
}

// SC10 to SC18: what becomes of the occurrences that are due, look after look. Each line is a time, what there is then, and what is decided.
func TestDecide(t *testing.T) {
	t.Parallel()
	nightly := schedule(t, "0 2 * * *", Forbid, MissedLatest, 12*time.Hour)
	with := func(change func(*Schedule)) Schedule {
		changed := nightly
		change(&changed)
		return changed
	}
	all := with(func(s *Schedule) { s.Missed, s.MissedWithin = MissedAll, 100*time.Hour })
	skip := with(func(s *Schedule) { s.Missed, s.MissedWithin = MissedSkip, 0 })
	replace := with(func(s *Schedule) { s.Overlap = Replace })
	type look struct {
		at   string
		runs string // "1 open, 2 ended": days of January
		want string
	}
	for name, one := range map[string]struct {
		schedule Schedule
		looks    []look
	}{
		"first seen, due, running, ended": {nightly, []look{
			{"01T12:00", "", ""}, {"02T01:59", "", ""}, {"02T02:00", "", "submit 02 02:00 due"}, {"02T02:01", "", "submit 02 02:00 again"},
			{"02T02:02", "2 open", ""}, {"02T03:00", "", ""}, {"03T02:04", "", "submit 03 02:00 due"},
		}},
		"Forbid: the next waits, and is missed": {nightly, []look{
			{"01T12:00", "", ""}, {"02T02:00", "", "submit 02 02:00 due"}, {"03T02:00", "2 open", "wait 03 02:00 overlap"}, {"03T05:00", "2 open", "wait 03 02:00 overlap"},
			{"03T06:00", "2 ended", "submit 03 02:00 missed"},
		}},
		"Forbid: the next waits too long": {nightly, []look{
			{"01T12:00", "", ""}, {"02T02:00", "", "submit 02 02:00 due"}, {"03T02:00", "2 open", "wait 03 02:00 overlap"}, {"03T14:01", "2 open", "skip 03 02:00 too-old"},
		}},
		"latest: of three missed the last": {nightly, []look{
			{"01T12:00", "", ""}, {"04T13:00", "", "skip 03 02:00 too-old x2, submit 04 02:00 missed"},
		}},
		"latest: one that waits gives way to the next": {with(func(s *Schedule) { s.MissedWithin = 100 * time.Hour }), []look{
			{"01T12:00", "", ""}, {"02T02:00", "", "submit 02 02:00 due"}, {"04T02:00", "2 open", "skip 03 02:00 later, wait 04 02:00 overlap"},
		}},
		"all, with Forbid: one after another": {all, []look{
			{"01T12:00", "", ""}, {"04T13:00", "", "submit 02 02:00 missed, wait 03 02:00 overlap"}, {"04T14:00", "2 ended", "submit 03 02:00 missed, wait 04 02:00 overlap"},
			{"07T14:00", "3 ended", "submit 04 02:00 missed, wait 05 02:00 overlap"}, {"09T14:00", "4 ended", "skip 05 02:00 too-old, submit 06 02:00 missed, wait 07 02:00 overlap"},
		}},
		"all, with Allow: together": {with(func(s *Schedule) { s.Missed, s.MissedWithin, s.Overlap = MissedAll, 100*time.Hour, Allow }), []look{
			{"01T12:00", "", ""}, {"04T02:05", "", "submit 02 02:00 missed, submit 03 02:00 missed, submit 04 02:00 due"},
		}},
		"skip": {skip, []look{
			{"01T12:00", "", ""}, {"02T02:05", "", "submit 02 02:00 due"}, {"03T02:06", "2 ended", "skip 03 02:00 missed"},
		}},
		"Replace": {replace, []look{
			{"01T12:00", "", ""}, {"02T02:00", "", "submit 02 02:00 due"}, {"03T02:00", "2 open", "cancel 02 02:00 replaced, submit 03 02:00 due"},
			{"03T02:01", "2 open, 3 open", "cancel 02 02:00 replaced"}, {"03T02:02", "2 ended, 3 open", ""},
			{"06T02:00", "3 open", "skip 05 02:00 too-old x2, cancel 03 02:00 replaced, submit 06 02:00 due"},
		}},
		"Replace: what was not submitted yet is not": {replace, []look{
			{"01T12:00", "", ""}, {"02T02:00", "", "submit 02 02:00 due"}, {"03T01:59", "", "skip 02 02:00 not-submitted"}, {"03T02:00", "", "submit 03 02:00 due"},
			{"04T02:00", "", "skip 03 02:00 not-submitted, submit 04 02:00 due"},
		}},
		"Replace: what a late submit has not done is withdrawn": {with(func(s *Schedule) { s.Overlap, s.MissedWithin = Replace, 100*time.Hour }), []look{
			{"01T12:00", "", ""}, {"02T02:00", "", "submit 02 02:00 due"}, {"03T02:00", "", "cancel 02 02:00 replaced, submit 03 02:00 due"}, {"03T02:01", "3 open", "skip 02 02:00 replaced"},
		}},
		"suspended": {with(func(s *Schedule) { s.Suspended = true }), []look{
			{"01T12:00", "", ""}, {"02T02:00", "", "skip 02 02:00 suspended"}, {"04T03:00", "", "skip 04 02:00 suspended x2"},
		}},
		"the clock is set back, and forward": {nightly, []look{
			{"01T12:00", "", ""}, {"02T02:00", "", "submit 02 02:00 due"}, {"02T01:00", "2 open", "wait 02 02:00 clock"}, {"02T02:00", "2 ended", ""}, {"03T02:00", "", "submit 03 02:00 due"},
		}},
		"first seen by a clock that is ahead": {nightly, []look{{"09T12:00", "", ""}, {"02T02:00", "", "wait 01 00:00 clock"}, {"10T02:00", "", "submit 10 02:00 due"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var record Record
			for _, look := range one.looks {
				var runs []Run
				for run := range strings.SplitSeq(look.runs, ", ") {
					if day, state, found := strings.Cut(run, " "); found {
						runs = append(runs, Run{ID: fmt.Sprintf("nightly/2026-01-%02sT02:00[UTC]", strings.Repeat("0", 2-len(day))+day), Ended: state == "ended"})
					}
				}
				var list []Decision
				record, list = one.schedule.Decide(record, runs, at(t, "2026-01-"+look.at+"Z"))
				if got := said(list); got != look.want {
					t.Errorf("%s, %s: %s, want %s", look.at, look.runs, got, look.want)
				}
			}
		})
	}
}

// SC19: another expression or zone begins when it is first seen; what ran before stays open, and what was decided is not decided again.
func TestChangedTimetable(t *testing.T) {
	t.Parallel()
	nightly := schedule(t, "0 2 * * *", Forbid, MissedAll, 100*time.Hour)
	record, _ := nightly.Decide(Record{}, nil, at(t, "2026-01-01T12:00Z"))
	record, _ = nightly.Decide(record, nil, at(t, "2026-01-02T02:00Z"))
	changed := schedule(t, "0 1,3 * * *", Forbid, MissedAll, 100*time.Hour)
	record, list := changed.Decide(record, []Run{{ID: record.Last.ID}}, at(t, "2026-01-02T02:30Z"))
	if got := said(list); got != "" || len(record.Open) != 1 {
		t.Fatalf("after the change %s, open %v", got, record.Open)
	}
	_, list = changed.Decide(record, nil, at(t, "2026-01-02T03:00Z"))
	if got := said(list); got != "submit 02 03:00 due" {
		t.Fatalf("then %s", got)
	}
}

// SC7, SC19: new rules for a zone, which move what is on the wall to another moment, repeat nothing and lose nothing.
func TestNewRulesOfAZone(t *testing.T) {
	t.Parallel()
	before := schedule(t, "0 2 * * *", Allow, MissedAll, 100*time.Hour)
	before.Zone = time.FixedZone("Somewhere", 3600)
	record, _ := before.Decide(Record{}, nil, at(t, "2026-01-01T12:00Z"))
	record, list := before.Decide(record, nil, at(t, "2026-01-02T01:00Z"))
	if got := said(list); got != "submit 02 02:00 due" {
		t.Fatal(got)
	}
	after := before
	after.Zone = time.FixedZone("Somewhere", 0) // an hour later
	for _, look := range []struct{ at, want string }{{"2026-01-02T02:00Z", ""}, {"2026-01-03T02:00Z", "submit 03 02:00 due"}} {
		record, list = after.Decide(record, []Run{{ID: record.Last.ID}}, at(t, look.at))
		if got := said(list); got != look.want {
			t.Errorf("%s: %s, want %s", look.at, got, look.want)
		}
	}
}

// SC18: the record is bounded, and so is what one decision looks at; the next one goes on where it ended.
func TestBounds(t *testing.T) {
	t.Parallel()
	minutely := schedule(t, "* * * * *", Allow, MissedAll, 1000*time.Hour)
	record, _ := minutely.Decide(Record{}, nil, at(t, "2026-01-01T00:00Z"))
	record, list := minutely.Decide(record, nil, at(t, "2026-01-10T00:00Z"))
	if last := list[len(list)-1]; len(record.Open) != maxOpen || len(list) != maxOpen+1 || last.Action != Wait || last.Code != "open" {
		t.Errorf("%d open, %d decisions, the last %+v", len(record.Open), len(list), last)
	}
	minutely.Missed, minutely.MissedWithin = MissedLatest, time.Hour
	record, _ = minutely.Decide(Record{}, nil, at(t, "2026-01-01T00:00Z"))
	for _, want := range []int{maxDue - 1, 2*maxDue - 2, 14 * 24 * 60} {
		record, list = minutely.Decide(record, nil, at(t, "2026-01-15T00:00Z"))
		minutes := int(record.Last.At.Sub(at(t, "2026-01-01T00:00Z")) / time.Minute)
		if minutes != want {
			t.Errorf("%d minutes are decided, want %d: %s", minutes, want, said(list[:min(len(list), 9)]))
		}
	}
}

// SC14: under Replace, of several that are due at once the last one runs.
func TestReplaceAtOnce(t *testing.T) {
	t.Parallel()
	hourly := schedule(t, "0 0-23 * * *", Replace, MissedAll, 100*time.Hour)
	record, _ := hourly.Decide(Record{}, nil, at(t, "2026-01-01T12:00Z"))
	_, list := hourly.Decide(record, nil, at(t, "2026-01-01T15:00Z"))
	if got := said(list); got != "skip 01 14:00 replaced x2, submit 01 15:00 due" {
		t.Error(got)
	}
}

// SC20: a cap holds from each occurrence on, for as long as it says.
func TestCapped(t *testing.T) {
	t.Parallel()
	nightly := schedule(t, "0 2 * * *", Forbid, MissedLatest, time.Hour)
	for text, want := range map[string]bool{"2026-01-02T01:59Z": false, "2026-01-02T02:00Z": true, "2026-01-02T03:59Z": true, "2026-01-02T04:00Z": false} {
		if got := nightly.Capped(at(t, text), 2*time.Hour); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	nightly.Suspended = true
	if nightly.Capped(at(t, "2026-01-02T02:00Z"), time.Hour) {
		t.Error("a suspended schedule caps")
	}
}
