package schedules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// SC25, SC27: runs that users ask for, beside those of the timetable. Each line is a time of January, what there is then ("t", "1": open, "-": ended), what is asked, and what is decided.
func TestAskedRuns(t *testing.T) {
	t.Parallel()
	with := func(overlap Overlap) Schedule { return schedule(t, "0 2 * * *", overlap, MissedLatest, 12*time.Hour) }
	suspended := with(Forbid)
	suspended.Suspended = true
	type look struct{ at, runs, ask, want string }
	for name, one := range map[string]struct {
		schedule Schedule
		looks    []look
	}{
		"nothing waits for what was triggered": {with(Forbid), []look{
			{"05T12:00", "", "", ""}, {"06T01:00", "", "trigger", "submit 06 01:00 again"}, {"06T02:00", "t", "", "submit 06 02:00 due"}, {"06T02:01", "t 6", "trigger", ""},
		}},
		"nothing replaces it": {with(Replace), []look{
			{"05T12:00", "", "", ""}, {"06T01:00", "", "trigger", "submit 06 01:00 again"}, {"06T02:00", "t", "", "submit 06 02:00 due"}, {"07T02:00", "t 6", "", "cancel 06 02:00 replaced, submit 07 02:00 due"},
		}},
		"it is given up, counted from when it was asked for": {with(Forbid), []look{
			{"05T12:00", "", "", ""}, {"05T13:00", "", "trigger", "submit 05 13:00 again"}, {"06T01:00", "", "", "submit 05 13:00 again"}, {"06T01:01", "", "", "skip 05 13:00 not-submitted"},
		}},
		"a backfill runs one after another": {with(Forbid), []look{
			{"05T12:00", "", "backfill", "submit 01 02:00 backfill, wait 02 02:00 overlap"}, {"05T12:01", "1", "", "wait 02 02:00 overlap"},
			{"06T02:00", "-1", "", "submit 06 02:00 due, wait 02 02:00 overlap"}, {"06T03:00", "-6", "", "submit 02 02:00 backfill, wait 03 02:00 overlap"},
		}},
		"a later occurrence replaces one of it": {with(Replace), []look{
			{"05T12:00", "", "backfill", "submit 01 02:00 backfill, wait 02 02:00 overlap"},
			{"06T02:00", "1", "", "cancel 01 02:00 replaced, submit 06 02:00 due, wait 02 02:00 overlap"},
		}},
		"together": {with(Allow), []look{
			{"05T12:00", "", "backfill", "submit 01 02:00 backfill, submit 02 02:00 backfill, submit 03 02:00 backfill"},
			{"05T23:00", "1 2", "", "submit 03 02:00 again"}, {"06T00:01", "1 2", "", "skip 03 02:00 not-submitted"},
		}},
		"not while it is suspended": {suspended, []look{
			{"05T12:00", "", "backfill", "wait 01 02:00 suspended"}, {"05T13:00", "", "trigger", "submit 05 13:00 again, wait 01 02:00 suspended"},
		}},
	} {
		record := Record{}
		for _, look := range one.looks {
			now := at(t, "2026-01-"+look.at+"Z")
			var runs []Run
			for _, field := range strings.Fields(look.runs) {
				id := fmt.Sprintf("%s/2026-01-0%sT02:00[UTC]", one.schedule.Name, strings.Trim(field, "-"))
				if field == "t" {
					id = one.schedule.Name + "/trigger/key"
				}
				runs = append(runs, Run{ID: id, Ended: field[0] == '-'})
			}
			switch look.ask {
			case "trigger":
				var room bool
				if record, _, room = one.schedule.Trigger(record, "key", now, now); !room {
					t.Errorf("%s, %s: there is no room", name, look.at)
				}
			case "backfill":
				var err error
				if record, _, err = one.schedule.Backfill(record, at(t, "2026-01-01T00:00Z"), at(t, "2026-01-03T02:00Z"), now, func(Occurrence) string { return "" }); err != nil {
					t.Error(err)
				}
			}
			var list []Decision
			record, list = one.schedule.Decide(record, runs, now)
			if got := said(list); got != look.want {
				t.Errorf("%s, %s: %s, want %s", name, look.at, got, look.want)
			}
		}
	}
}

// SC18, SC27: what may wait and be open is bounded, and what the timetable has yet to decide is not asked for.
func TestAskedRunsAreBounded(t *testing.T) {
	t.Parallel()
	hourly, never := schedule(t, "0 0-23 * * *", Allow, MissedAll, 48*time.Hour), func(Occurrence) string { return "" }
	now := at(t, "2026-01-20T12:00Z")
	record, _ := hourly.Decide(Record{}, nil, now)
	from := now.Add(-MostWaiting * time.Hour)
	record, list, err := hourly.Backfill(record, from.Add(time.Hour), now, now, never)
	if err != nil || len(list) != MostWaiting || len(record.Waiting) != MostWaiting || list[0].Action != Submit {
		t.Fatalf("%d of %d wait, %v", len(record.Waiting), len(list), err)
	}
	if _, _, err := hourly.Backfill(record, from, from, now, never); err == nil || !strings.Contains(err.Error(), "367 runs would wait; allowed: at most 366") {
		t.Errorf("one more: %v", err)
	}
	if _, _, err := hourly.Backfill(Record{}, from, now, now, never); err == nil || !strings.Contains(err.Error(), "more than 366 runs") {
		t.Errorf("367 at once: %v", err)
	}
	record, list = hourly.Decide(record, nil, now)
	if len(record.Open) != maxOpen || len(record.Waiting) != MostWaiting-maxOpen || list[len(list)-1].Code != "open" {
		t.Errorf("%d are open and %d wait: %+v", len(record.Open), len(record.Waiting), list[len(list)-1])
	}
	if _, _, room := hourly.Trigger(record, "key", now, now); room {
		t.Error("one more is triggered")
	}
	later := now.Add(2 * time.Hour) // of which nothing is decided
	if _, list, err = hourly.Backfill(record, later, later, later, never); err != nil || len(list) != 1 || list[0].Action != Skip || list[0].Code != "due" {
		t.Errorf("what is due is %+v, %v", list, err)
	}
}
