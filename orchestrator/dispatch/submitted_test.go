package dispatch

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

func TestSubmittedRowsAreThoseOfTheTime(t *testing.T) {
	t.Parallel()
	d := &Dispatcher{book: newBook()}
	at := func(minute int) time.Time {
		return time.Date(2026, 11, 23, 2, minute, 0, 0, time.UTC)
	}
	add := func(queue, id string, minute int, rows int64, change func(*orchestrator.Job)) {
		job := orchestrator.Job{JobKey: orchestrator.JobKey{Tenant: "acme", Queue: queue, ID: id}, Times: map[orchestrator.JobState]time.Time{orchestrator.JobQueued: at(minute)}}
		job.Estimate.Rows = rows
		if change != nil {
			change(&job)
		}
		d.put(job.JobKey, job, 1)
	}
	add("nightly", "before", 9, 1, nil)
	add("nightly", "first", 10, 20, nil)
	add("nightly", "counted since", 12, 300, func(job *orchestrator.Job) { job.Counts.RowsTotal = 400 })
	add("nightly", "again", 13, 5000, func(job *orchestrator.Job) { job.Epoch = 1 })
	add("nightly", "after", 20, 60000, nil)
	add("clicks", "drains", 15, 7, func(job *orchestrator.Job) { job.Standing = &orchestrator.Standing{} })
	add("odd", "known", 15, 7, nil)
	add("odd", "unknown", 16, 0, nil)
	add("odd", "known, too", 17, 7, nil)
	want := map[orchestrator.QueueName]int64{{Tenant: "acme", Queue: "nightly"}: 420, {Tenant: "acme", Queue: "odd"}: -1}
	if diff := cmp.Diff(want, d.Submitted(at(10), at(20))); diff != "" {
		t.Errorf("rows (-want +got)\n%s", diff)
	}
}
