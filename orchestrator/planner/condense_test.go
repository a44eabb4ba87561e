package planner

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// Condensed jobs are few and have the same work; the open ones and the first that wait are as they were, and who comes after all has the same position.
func TestCondenseKeepsTheWork(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 5).Draw(t, "most")
		var jobs []orchestrator.JobView
		for i := range rapid.IntRange(0, 40).Draw(t, "jobs") {
			one := orchestrator.JobView{
				JobKey:    orchestrator.JobKey{Tenant: "acme", Queue: rapid.SampledFrom([]string{"fraud", "embed"}).Draw(t, "queue"), ID: fmt.Sprint("job-", i)},
				State:     rapid.SampledFrom([]orchestrator.JobState{orchestrator.JobQueued, orchestrator.JobRunning}).Draw(t, "state"),
				Model:     model("m"),
				Submitted: midnight.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "submitted")) * time.Second),
				RowsLeft:  rapid.Int64Range(-1, 1000).Draw(t, "rows"),
			}
			one.RowsUncut = one.RowsLeft
			jobs = append(jobs, one)
		}
		short := Condense(jobs, most)
		for _, queue := range []string{"fraud", "embed"} {
			before, after := workOf(jobs, queue), workOf(short, queue)
			if before.open != after.open || before.waiting != after.waiting || before.rows != after.rows {
				t.Fatalf("queue %s: %+v became %+v", queue, before, after)
			}
			if after.entries > 2*most {
				t.Fatalf("queue %s: %d entries of waiting jobs, want at most %d", queue, after.entries, 2*most)
			}
		}
	})
}

// queueWork is what the jobs of a queue have in common; rows counts -1 as soon as one is unknown.
type queueWork struct {
	open, waiting, entries int
	rows                   int64
}

func workOf(jobs []orchestrator.JobView, queue string) (sum queueWork) {
	for _, one := range jobs {
		switch {
		case one.Queue != queue:
		case one.State != orchestrator.JobQueued:
			sum.open++
		default:
			sum.entries, sum.waiting = sum.entries+1, sum.waiting+1+one.Also
			sum.rows = addRows(sum.rows, one.RowsLeft)
		}
	}
	return sum
}

func TestPositionBehindCondensedJobs(t *testing.T) {
	t.Parallel()
	o, policy := bigWorld(1)
	o.Jobs, o.Workers = nil, nil
	for i := range 500 {
		o.Jobs = append(o.Jobs, orchestrator.JobView{
			JobKey: orchestrator.JobKey{Tenant: "acme", Queue: "queue-0001", ID: fmt.Sprintf("job-%03d", i)}, State: orchestrator.JobQueued, Model: model("model-1"),
			Submitted: midnight.Add(time.Duration(i-1000) * time.Second), RowsLeft: 1000, RowsUncut: 1000, BatchRows: 64,
		})
	}
	request := Request{Job: orchestrator.JobKey{Tenant: "acme", Queue: "queue-0001"}, Model: model("model-1"), Rows: 1000}
	want := Estimate(request, o, policy, midnight)
	o.Jobs = Condense(o.Jobs, 32)
	got := Estimate(request, o, policy, midnight)
	if got.Position != want.Position || want.Position != 501-policy.Queues[1].MaxOpenJobs {
		t.Errorf("position %d, want %d", got.Position, want.Position)
	}
	if off := got.Finish.Sub(want.Finish).Abs(); off > want.Finish.Sub(midnight)/20 {
		t.Errorf("finish %s, want %s within a twentieth", got.Finish, want.Finish)
	}
}
