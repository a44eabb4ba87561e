package dispatch

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/shard"
	"nightshift.dev/nightshift/orchestrator/state"
)

// R6: commits that were stored before a job was cancelled count for a retry. A sweep that begins before they have been read leaves their parts.
func TestSweepReadsTheCommitsThatCount(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	o.live()
	job := o.submit("k")
	o.awaitShards(job, 5)
	for number := range 3 {
		o.settle(job, number)
	}
	o.eventually("the commits are read", func() bool {
		found, err := o.Find("default", job.ID)
		o.must(err)
		return found.Counts.ShardsDone == 3
	})
	job, err := o.Cancel(t.Context(), job)
	o.must(err)
	o.write(fmt.Sprintf("out/%s/parts/000004-dead.jsonl", job.ID), "half a r")

	// Another that has read no commit yet, as one whose job is cancelled while they come.
	r := &runner{Dispatcher: o.fresh(), key: job.JobKey, commits: make(chan state.CommitEvent, 1), machine: shard.NewMachine(job.JobKey, job.Epoch, nil, 0)}
	o.must(r.readJournal(t.Context(), 0))
	r.machine.Step(shard.Closed{Seq: job.Closed[job.Epoch]})
	go r.watchCommits(t.Context())
	o.must(r.sweepOnce(t.Context(), job))
	entries, err := os.ReadDir(filepath.Join(o.dir, "out", job.ID, "parts"))
	o.must(err)
	if len(entries) != 3 {
		t.Errorf("%d parts are left, want the 3 that are committed", len(entries))
	}
	if job.State != orchestrator.JobCancelled {
		t.Errorf("the job is %s", job.State)
	}
}
