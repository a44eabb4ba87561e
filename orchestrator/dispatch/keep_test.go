package dispatch

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

func TestJobThatWaitsTooLongExpires(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	o.queue.ExpireAfter = 10 * time.Minute
	o.live()
	job := o.submit("k")
	o.must(o.sweepRecordsOnce(t.Context(), time.Now().Add(9*time.Minute)))
	if got := o.state(job); got != orchestrator.JobQueued {
		t.Errorf("a minute before its time is over the job is %s", got)
	}
	o.must(o.sweepRecordsOnce(t.Context(), time.Now().Add(11*time.Minute)))
	found, err := o.Find("default", job.ID)
	o.must(err)
	if found.State != orchestrator.JobExpired || found.Failure == nil || found.Failure.Code != "expired" {
		t.Errorf("after its time the job is %s, %+v", found.State, found.Failure)
	}
	if last := o.events[len(o.events)-1]; last != "expired" {
		t.Errorf("the last event is %s", last)
	}
}

func TestOpenJobExpires(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	o.queue.ExpireAfter = 3 * time.Second
	o.live()
	job := o.submit("k")
	o.awaitShards(job, 5)
	o.settle(job, 0)
	o.eventually("the job expires", func() bool { return o.state(job) == orchestrator.JobExpired })
	found, err := o.Find("default", job.ID)
	o.must(err)
	if found.Failure == nil || found.Failure.Code != "expired" || found.Counts.ShardsDone != 1 {
		t.Errorf("failure %+v, %d shards done", found.Failure, found.Counts.ShardsDone)
	}
	if left := o.published(job); len(left) > 0 {
		t.Errorf("shards %v are still there to be taken", left)
	}
}

// Of the jobs that have ended, a queue keeps so many of the newest, and each for so long.
func TestFinishedJobsAreKeptWithinBounds(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	o.queue.FinishedJobs = 2
	o.live()
	var jobs []orchestrator.Job
	for i := range 4 {
		job := o.submit(fmt.Sprint(i))
		ended, err := o.Cancel(t.Context(), job)
		o.must(err)
		jobs = append(jobs, ended)
	}
	waiting := o.submit("waiting")
	kept := func() (list []int) {
		for i, job := range jobs {
			_, err := o.Find("default", job.ID)
			if refused := new(api.Error); errors.As(err, &refused) && refused.Code == api.CodeNotFound {
				continue
			}
			o.must(err)
			list = append(list, i)
		}
		return list
	}
	check := func(after time.Duration, want string) {
		t.Helper()
		o.must(o.sweepRecordsOnce(t.Context(), time.Now().Add(after)))
		if got := fmt.Sprint(kept()); got != want {
			t.Errorf("after %s the jobs %s are kept, want %s", after, got, want)
		}
	}
	check(0, "[0 1 2 3]") // an attempt may still write
	check(o.lateAfter()+time.Second, "[2 3]")
	check(o.queue.KeepFinished-time.Minute, "[2 3]")
	check(o.queue.KeepFinished+time.Minute, "[]")
	if got := o.state(waiting); got != orchestrator.JobQueued {
		t.Errorf("the job that waits is %s", got)
	}
}
