package document

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/schedules"
)

// scheduleText is a document set with a queue of jobs, one of a stream, and a schedule.
func scheduleText(spec string) string {
	return `apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: m}
spec: {scorer: {command: [a]}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: p}
spec: {replicas: {max: 2}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: nightly}
spec: {model: m, pools: [p], input: {roots: [a]}, output: {root: b}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: payments}
spec: {source: nats, nats: {stream: A, consumer: b}, model: m, pools: [p], output: {root: b}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Schedule
metadata: {name: file}
spec: ` + spec + "\n"
}

// What a document says arrives in the rules of its occurrences, its job and its deadline; and the defaults.
func TestSchedule(t *testing.T) {
	t.Parallel()
	set := decoded(t, scheduleText(`
  queue: nightly
  cron: "30 2 * * *"
  timeZone: Europe/Berlin
  expect: {rows: 1200000}
  objective: {finishBy: "06:00"}
  submit: {name: 'of {{ .Occurrence.Format "Mon" }}', input: ['s3://b/{{ .Occurrence.Format "2006-01-02" }}/', c], key: id, format: csv, parameters: {a: 1}, maxCost: {amount: "3", currency: EUR}}
  except: [2026-03-28, "2026-03-27"]
  suspend: true
  cap: {maxWorkers: 0, for: 4h}`))
	schedule, found := set.Schedule("file")
	if _, other := set.Schedule("files"); !found || other {
		t.Fatal("found wrongly")
	}
	if diff := cmp.Diff(&Expect{Rows: 1_200_000, Spread: .2}, schedule.Spec.Expect); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&Cap{For: 4 * time.Hour}, schedule.Spec.Cap); diff != "" {
		t.Error(diff)
	}
	rules := schedule.Rules()
	if rules.Name != "file" || rules.Overlap != schedules.Forbid || rules.Missed != schedules.MissedLatest || rules.MissedWithin != 24*time.Hour || !rules.Suspended {
		t.Errorf("rules %+v", rules)
	}
	one, _ := rules.Next(time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC)) // in the gap
	if one.ID != "file/2026-03-29T02:30[Europe/Berlin]" {
		t.Errorf("occurrence %+v", one)
	}
	if due := schedule.Due(one); !due.Equal(time.Date(2026, 3, 29, 4, 0, 0, 0, time.UTC)) {
		t.Errorf("due at %s", due)
	}
	filled, err := schedule.Filled(one)
	want := Submission{
		Name: "of Sun", Input: []string{"s3://b/2026-03-29/", "c"}, Key: "id", Format: orchestrator.FormatCSV, Parameters: map[string]any{"a": int64(1)},
		MaxCost: &orchestrator.Money{Micros: 3_000_000, Currency: "EUR"},
	}
	if diff := cmp.Diff(want, filled); diff != "" || err != nil {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	bare := set.Bare()
	if diff := cmp.Diff([]string{"file"}, []string{bare.Schedules[0].Name}); diff != "" || bare.Schedules[0].Spec.Submit != nil {
		t.Error("a bare set has the job of a schedule")
	}
	changed, err := set.With(nil, []string{"schedule/file.suspend=false", "schedule/file.objective.finishBy=null", "schedule/file.objective.finishWithin=2h"})
	if err != nil {
		t.Fatal(err)
	}
	other, _ := changed.Schedule("file")
	if due := other.Due(one); other.Spec.Suspend || !due.Equal(one.At.Add(2*time.Hour)) {
		t.Errorf("changed: %+v, due at %s", other.Spec, due)
	}
	other.Spec.Objective = PeakObjective{}
	if due := other.Due(one); !due.IsZero() {
		t.Errorf("without an objective due at %s", due)
	}
}

func TestScheduleProblems(t *testing.T) {
	t.Parallel()
	const start = `{queue: nightly, cron: "0 2 * * *", timeZone: UTC`
	for _, one := range []struct{ spec, want string }{
		{`{queue: nightly}`, "spec.cron: is missing\nspec.timeZone: is missing"},
		{`{queue: nightli, cron: "0 2 * * *", timeZone: UTC}`, `spec.queue: there is no Queue "nightli"; did you mean nightly?`},
		{`{queue: nightly, cron: "0 0 2 * * *", timeZone: UTC}`, `spec.cron: "0 0 2 * * *": has 6 fields, as with seconds; seconds and years cannot be given`},
		{`{queue: nightly, cron: "0 0 30 2 *", timeZone: UTC}`, `spec.cron: "0 0 30 2 *" is never`},
		{`{queue: nightly, cron: "TZ=UTC 0 2 * * *", timeZone: UTC}`, `names a time zone; it is given apart`},
		{`{queue: nightly, cron: "0 2 * * *", timeZone: Europe/Berlni}`, `spec.timeZone: "Europe/Berlni"; allowed: a time zone of the IANA database`},
		{`{queue: nightly, cron: "0 2 * * *", timeZone: Local}`, `spec.timeZone: "Local"; allowed`},
		{start + `, expect: {spread: 0.1}}`, "spec.expect.rows: is missing"},
		{start + `, expect: {rows: 0}}`, "spec.expect.rows: 0; allowed: a whole number from 1"},
		{start + `, objective: {finishBy: "6:00"}}`, `spec.objective.finishBy: "6:00"; allowed: a time of the day`},
		{start + `, objective: {finishBy: "06:00", finishWithin: 1h}}`, "spec.objective.finishBy: beside finishWithin; allowed: one of them"},
		{start + `, submit: {}}`, "spec.submit.input: is missing"},
		{start + `, submit: {input: [a, '{{ .Occurence }}']}}`, `spec.submit.input[1]: "{{ .Occurence }}": <.Occurence>: can't evaluate`},
		{start + `, submit: {input: ['{{ range 9 }}{{ end }}']}}`, "spec.submit.input[0]: \"{{ range 9 }}{{ end }}\": a definition, a loop"},
		{start + `, submit: {input: ["{{ .Occurrence.Format \"\\n\" }}"]}}`, `spec.submit.input[0]: gives "\n" for the occurrence of 2026-01-02 03:04; allowed: 1 to 1024 characters on one line`},
		{start + `, submit: {name: "` + strings.Repeat("a", 201) + `", input: [a]}}`, "allowed: at most 200 characters"},
		{`{queue: payments, cron: "0 2 * * *", timeZone: UTC, submit: {input: [a]}}`, `spec.submit: Queue "payments" has source: nats and takes no jobs; allowed: with a queue of source: jobs`},
		{start + `, overlap: forbid}`, `spec.overlap: "forbid"; allowed: Forbid, Replace, Allow; did you mean Forbid?`},
		{start + `, missed: last}`, `spec.missed: "last"; allowed: skip, latest, all`},
		{start + `, missedWithin: 10s}`, "spec.missedWithin: 10s; allowed: a duration from 1m to 365d"},
		{start + `, except: [2026-02-30]}`, "spec.except[0]: \"2026-02-30\"; allowed: a day like 2026-11-20"},
		{start + `, except: 2026-02-03}`, "spec.except: 2026-02-03; allowed: a list of 0 to 1000 days"},
		{start + `, cap: {maxWorkers: 4}}`, "spec.cap.for: is missing"},
		{start + `, submit: {input: [a], priority: 3}}`, "spec.submit.priority: unknown field"},
	} {
		_, err := Decode(File{"a.yaml", []byte(scheduleText(one.spec))})
		if err == nil {
			t.Errorf("%s is valid", one.spec)
			continue
		}
		for want := range strings.SplitSeq(one.want, "\n") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s:\n%v, want\n%s", one.spec, err, want)
			}
		}
	}
}
