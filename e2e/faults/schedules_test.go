package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator/api"
)

// schedulesOf are two schedules of the installation's queue: one of each minute, and one of each day that is only backfilled and triggered.
const schedulesOf = `
---
apiVersion: nightshift.dev/v1alpha1
kind: Schedule
metadata: {name: minutely}
spec:
  {queue: echo, cron: "* * * * *", timeZone: UTC, overlap: Allow, missed: all, missedWithin: 1h, submit: {name: "{{ .Occurrence.Format \"15:04\" }}", input: [%[1]q], key: id}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Schedule
metadata: {name: daily}
spec:
  {queue: echo, cron: "0 2 * * *", timeZone: Europe/Berlin, overlap: Allow, submit: {name: "{{ .Occurrence.Format \"2006-01-02\" }}", input: [%[1]q], key: id}}
`

// SC10, SC25, SC27: two orchestrators run schedules and are killed at random moments, right after a trigger and a backfill too, which are asked for again and again: each occurrence is one job, with the rows of one.
func TestSchedulesAreRunOnceWhoeverDies(t *testing.T) {
	in := install(t, setting{rows: 200, ack: 2 * time.Second, before: func(dir string) {
		file, err := os.OpenFile(filepath.Join(dir, "docs.yaml"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(file, schedulesOf, "file://"+filepath.Join(dir, "in", "rows.jsonl"))
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}})
	chance := random(t)
	second := in.startOrchestrator("second")
	defer func() { kill(second) }()
	strike := func() {
		if chance.IntN(2) == 0 {
			in.restartOrchestrator()
			return
		}
		kill(second)
		second = in.startOrchestrator("second")
	}
	began := time.Now().UTC()
	from := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
	const seen = "2025-12-31T12:00:00Z"
	strikes := 0
	for end := began.Truncate(time.Minute).Add(2 * time.Minute); time.Now().Before(end); strikes++ {
		key := fmt.Sprint("k", strikes/3)
		data, operation := map[string]any{"name": "daily", "at": seen, "idempotencyKey": key}, "schedules.trigger"
		if strikes%2 == 0 {
			data, operation = map[string]any{"name": "daily", "from": from, "to": from.AddDate(0, 0, 2+strikes/2)}, "schedules.backfill"
		}
		asked := make(chan error, 1)
		go func() { _, err := request[map[string]any](in, operation, data); asked <- err }()
		time.Sleep(time.Duration(chance.Int64N(int64(300 * time.Millisecond)))) // when it strikes is the point of the test
		strike()
		if err := <-asked; err != nil {
			t.Logf("%s: %v", operation, err) // its answer may be lost; it is asked again
		}
		time.Sleep(time.Duration(chance.Int64N(int64(2 * time.Second)))) // likewise
	}
	t.Logf("it struck %d times", strikes)
	last := strikes - 1
	for key := range last/3 + 1 {
		if _, err := request[api.TriggerResponse](in, "schedules.trigger", map[string]any{"name": "daily", "at": seen, "idempotencyKey": fmt.Sprint("k", key)}); err != nil {
			t.Errorf("trigger: %v", err)
		}
	}
	days := 3 + last/2
	to := from.AddDate(0, 0, days-1)
	if _, err := request[api.BackfillResponse](in, "schedules.backfill", map[string]any{"name": "daily", "from": from, "to": to.Add(23 * time.Hour)}); err != nil {
		t.Errorf("backfill: %v", err)
	}
	want := map[string]int{}
	for day := range days {
		want[from.AddDate(0, 0, day).Format(time.DateOnly)] = 1
	}
	want["2025-12-31"] = last/3 + 1
	var jobs []api.Job
	in.eventually("every run has ended", 120*time.Second, func() bool {
		page, err := request[api.ListResponse](in, "jobs.list", map[string]any{"limit": 500})
		listed, errOf := request[api.SchedulesResponse](in, "schedules.list", map[string]any{"name": "daily"})
		if err != nil || errOf != nil || len(listed.Schedules[0].Open)+len(listed.Schedules[0].Waiting) > 0 {
			return false
		}
		jobs = page.Jobs
		for _, job := range jobs {
			if !job.State.Final() {
				return false
			}
		}
		return len(jobs) >= days
	})
	got, minutes := map[string]int{}, map[string]int{}
	for _, job := range jobs {
		if job.Labels["nightshift.dev/schedule"] == "minutely" {
			minutes[job.Name]++
		} else {
			got[job.Name]++
		}
		if job.State != "succeeded" || job.Counts.RowsDone != 200 {
			t.Errorf("job %s of %s is %s with %d rows", job.ID, job.Name, job.State, job.Counts.RowsDone)
		}
	}
	for name, count := range want {
		if got[name] != count {
			t.Errorf("%d jobs of %s, want %d", got[name], name, count)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("jobs of nobody: %v", got)
	}
	for minute := began.Truncate(time.Minute).Add(time.Minute); minute.Before(began.Truncate(time.Minute).Add(3 * time.Minute)); minute = minute.Add(time.Minute) {
		if minutes[minute.Format("15:04")] != 1 {
			t.Errorf("%d jobs of %s, want 1: %v", minutes[minute.Format("15:04")], minute.Format("15:04"), minutes)
		}
	}
	for name, count := range minutes {
		if count != 1 {
			t.Errorf("%d jobs of %s", count, name)
		}
	}
}
