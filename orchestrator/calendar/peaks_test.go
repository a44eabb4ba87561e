package calendar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/schedules"
)

const base = `
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: m}
spec: {scorer: {command: [cat]}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: p}
spec: {replicas: {max: 2}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: nightly}
spec: {model: m, pools: [p], input: {roots: [in]}, output: {root: out}}
`

// scheduled are documents with these schedules, each the text of a spec after its name.
func scheduled(t *testing.T, specs ...string) func() document.Set {
	t.Helper()
	text := base
	for _, spec := range specs {
		name, rest, _ := strings.Cut(spec, " ")
		text += "---\napiVersion: nightshift.dev/v1alpha1\nkind: Schedule\nmetadata: {name: " + name + "}\nspec: {queue: nightly, timeZone: UTC, " + rest + "}\n"
	}
	set, err := document.Decode(document.File{Name: "docs.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return func() document.Set { return set }
}

func snapshot(string, map[string]any) (orchestrator.ModelSnapshot, error) {
	return orchestrator.ModelSnapshot{Name: "m", Digest: "d1", BatchRows: 2}, nil
}

func moment(day, clock string) time.Time {
	at, _ := time.Parse("2006-01-02 15:04", "2026-01-"+day+" "+clock) // written in this file
	return at
}

const submits = `submit: {input: ["file:///in/{{ .Occurrence.Format \"2006-01-02\" }}.jsonl"]}`

// SC23, SC24: what comes within the horizon, and what has come of it.
func TestPeaks(t *testing.T) {
	t.Parallel()
	c := New(Config{Model: snapshot, Documents: scheduled(t,
		`given cron: "0 2 * * *", expect: {rows: 1000, spread: 0.5}, objective: {finishBy: "06:00"}, `+submits,
		`learned cron: "0 3 * * *", `+submits,
		`others cron: "30 1 * * *", objective: {finishWithin: 2h}`,
		`off cron: "@hourly", suspend: true, `+submits,
	)})
	look := func(now time.Time, horizon time.Duration) string {
		var lines []string
		for _, one := range c.Peaks(now, horizon) {
			if one.Tenant != "default" || one.Queue != "nightly" || one.Model.Digest != "d1" || one.Forecast || !one.Until.Equal(one.From) {
				t.Errorf("%+v", one)
			}
			line := fmt.Sprint(strings.TrimSuffix(one.Identity, "[UTC]"), " ", one.Rows, "-", one.RowsHigh, " arrived ", one.Arrived)
			if !one.Finish.IsZero() {
				line += " by " + one.Finish.Format("02 15:04")
			}
			lines = append(lines, line)
		}
		return strings.Join(lines, "\n")
	}
	expect := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	expect(look(moment("05", "01:00"), 2*time.Hour), "others/2026-01-05T01:30 -1--1 arrived 0 by 05 03:30\ngiven/2026-01-05T02:00 1000-1500 arrived 0 by 05 06:00\nlearned/2026-01-05T03:00 -1--1 arrived 0")
	expect(look(moment("05", "03:29"), time.Hour), "others/2026-01-05T01:30 -1--1 arrived -1 by 05 03:30") // it may have come, and may still come
	expect(look(moment("05", "03:30"), time.Hour), "")

	// The records of both that submit: a run is open, and an occurrence is due and not decided.
	given, learned := &c.entries[0], &c.entries[1]
	given.record.Record = schedules.Record{Timetable: "known", Last: schedules.Occurrence{At: moment("05", "02:00")}, Open: []schedules.Open{
		{Occurrence: schedules.Occurrence{ID: "given/2026-01-05T02:00[UTC]", At: moment("05", "02:00")}},
		{Occurrence: schedules.Occurrence{ID: "given/2026-01-01T02:00[UTC]", At: moment("01", "02:00")}, Asked: moment("05", "01:00")},
	}}
	given.arrived = map[string]int64{"given/2026-01-05T02:00[UTC]": 900}
	learned.record.Record = schedules.Record{Timetable: "known", Since: moment("01", "00:00")}
	learned.record.Ran = []schedules.Ran{{Wall: moment("04", "03:00"), Rows: 70}}
	expect(look(moment("05", "03:01"), time.Minute),
		"others/2026-01-05T01:30 -1--1 arrived -1 by 05 03:30\ngiven/2026-01-05T02:00 1000-1500 arrived 900 by 05 06:00\nlearned/2026-01-05T03:00 70-84 arrived 0")
	given.record.Paused = &Pause{}
	if got := look(moment("05", "04:00"), 24*time.Hour); strings.Contains(got, "given/2026-01-06") || !strings.Contains(got, "given/2026-01-05") {
		t.Errorf("a paused schedule has what is open, and nothing that comes:\n%s", got)
	}
}

// SC20, SC24: a maximum is one from the first to the last of the windows that touch, and none while the schedule is suspended.
func TestCaps(t *testing.T) {
	t.Parallel()
	c := New(Config{Model: snapshot, Documents: scheduled(t,
		`day cron: "0 9 * * mon-fri", cap: {maxWorkers: 3, for: 4h}`,
		`often cron: "*/10 12 * * *", cap: {maxWorkers: 0, for: 10m}`,
		`off cron: "@hourly", suspend: true, cap: {maxWorkers: 0, for: 1h}`,
	)})
	got := ""
	for _, one := range c.Caps(moment("05", "10:00")) { // a Monday
		if one.Tenant != "default" || one.Queue != "nightly" {
			t.Errorf("%+v", one)
		}
		got += fmt.Sprint(one.Identity, " ", one.MaxWorkers, " ", one.From.Format("02 15:04"), "-", one.Until.Format("02 15:04"), "\n")
	}
	want := "day/2026-01-05T09:00[UTC] 3 05 09:00-05 13:00\noften/2026-01-05T12:00[UTC] 0 05 12:00-05 13:00\nday/2026-01-06T09:00[UTC] 3 06 09:00-06 13:00\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := c.Caps(moment("05", "13:00")); len(got) == 0 || got[0].From.Before(moment("05", "13:00")) {
		t.Errorf("at its end a maximum still holds: %+v", got)
	}
}
