package control

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

// employed is a desk with one worker and one job, whose loop has written the worker's first assignment.
func employed(t *testing.T) (d *desk, stop func()) {
	t.Helper()
	d = open(t, 1, "cheap")
	d.say(idle("cheap", "cheap-0", 0))
	d.jobs.set(waiting("fraud-1"))
	stop = d.run()
	d.eventually("the worker is assigned", func() bool { return d.stored("cheap-0").Epoch == 1 })
	return d, stop
}

// orders are the jobs of a worker's stored assignment.
func (d *desk) orders(worker string) []string {
	d.t.Helper()
	var jobs []string
	for _, order := range d.stored(worker).Jobs {
		jobs = append(jobs, order.ID)
	}
	return jobs
}

func TestJobsAreOpenedBeforeWorkersAreToldToPull(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.say(idle("cheap", "cheap-0", 0))
	d.jobs.set(waiting("fraud-1"))
	assigned := make(chan []string, 100)
	d.jobs.onApply = func() {
		workers, err := d.store.AssignedWorkers(d.t.Context())
		if err == nil { // the test may be at its end
			assigned <- workers
		}
	}
	d.run()
	d.eventually("the worker is assigned", func() bool { return slices.Equal(d.orders("cheap-0"), []string{"fraud-1"}) })
	if before := <-assigned; len(before) > 0 {
		t.Errorf("%v were assigned before the job was opened", before)
	}
	if first := d.firstDecision().plan.Open; len(first) != 1 || first[0].ID != "fraud-1" {
		t.Errorf("opened = %v, want fraud-1", first)
	}
}

func TestEpochRisesOnlyWhenTheAssignmentChanges(t *testing.T) {
	t.Parallel()
	d, _ := employed(t)
	d.decide(3)
	if got := d.stored("cheap-0").Epoch; got != 1 {
		t.Errorf("epoch = %d after decisions that changed nothing, want 1", got)
	}
	d.jobs.set(waiting("fraud-2"))
	d.decide(3)
	if diff := cmp.Diff([]string{"fraud-2"}, d.orders("cheap-0")); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	if got := d.stored("cheap-0").Epoch; got != 2 {
		t.Errorf("epoch = %d after one change, want 2", got)
	}
}

func TestRestartContinuesFromTheStoredEpoch(t *testing.T) {
	t.Parallel()
	d, stop := employed(t)
	stop()
	d.restart()
	d.decide(2)
	if got := d.stored("cheap-0").Epoch; got != 1 {
		t.Errorf("epoch = %d after a restart that changed nothing, want 1", got)
	}
	d.jobs.set(waiting("fraud-2"))
	d.decide(2)
	if got := d.stored("cheap-0").Epoch; got != 2 {
		t.Errorf("epoch = %d after a restart and one change, want 2", got)
	}
}

func TestAssignmentThatSomebodyElseWroteIsReadAndDecidedOnAgain(t *testing.T) {
	t.Parallel()
	d, _ := employed(t)
	assignment, revision, err := d.store.Assignment(t.Context(), "cheap-0")
	d.must(err)
	assignment.Epoch, assignment.Jobs = 7, nil
	_, err = d.store.PutAssignment(t.Context(), assignment, revision)
	d.must(err)
	d.jobs.set(waiting("fraud-2"))
	d.loop.Wake()
	d.eventually("the job is assigned", func() bool { return slices.Equal(d.orders("cheap-0"), []string{"fraud-2"}) })
	if got := d.stored("cheap-0").Epoch; got != 8 {
		t.Errorf("epoch = %d over a stored 7, want 8", got)
	}
}

// A worker whose assignment was taken away follows only what is newer than what it has.
func TestEpochIsNewerThanWhatTheWorkerFollows(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	worker := idle("cheap", "cheap-0", 0)
	worker.Epoch = 7
	d.say(worker)
	d.jobs.set(waiting("fraud-1"))
	d.run()
	d.eventually("the worker is assigned", func() bool { return d.stored("cheap-0").Epoch > 0 })
	if got := d.stored("cheap-0").Epoch; got <= 7 {
		t.Errorf("epoch = %d for a worker that follows 7", got)
	}
}

func TestAssignmentsOfWorkersThatAreGoneAreForgotten(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	_, err := d.store.PutAssignment(t.Context(), orchestrator.Assignment{Worker: "gone", Epoch: 3}, 0)
	d.must(err)
	d.say(idle("cheap", "cheap-0", 0))
	d.loop.assignments.swept = time.Now().Add(-2 * sweepEvery)
	d.run()
	d.eventually("only the worker that lives has an assignment", func() bool {
		workers, err := d.store.AssignedWorkers(t.Context())
		d.must(err)
		return slices.Equal(workers, []string{"cheap-0"})
	})
}

// Workers of an earlier life of the service may be alive and not have spoken yet.
func TestFreshLoopForgetsNoAssignment(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	_, err := d.store.PutAssignment(t.Context(), orchestrator.Assignment{Worker: "quiet", Epoch: 3}, 0)
	d.must(err)
	d.run()
	d.decide(3)
	if got := d.stored("quiet").Epoch; got != 3 {
		t.Errorf("epoch of the quiet worker = %d, want 3: it is there still", got)
	}
}

// The worker is busy, so that its own word does not say that it drains.
func TestWorkerThatWasToldToDrainGoesOnDrainingAfterARestart(t *testing.T) {
	t.Parallel()
	d := open(t, 2, "cheap")
	for slot, id := range []string{"cheap-0", "cheap-1"} {
		worker := idle("cheap", id, slot)
		worker.State = orchestrator.WorkerBusy
		d.say(worker)
	}
	_, err := d.store.PutAssignment(t.Context(), orchestrator.Assignment{Worker: "cheap-0", Epoch: 1, Jobs: []*orchestrator.Order{}, Drain: true}, 0)
	d.must(err)
	d.run()
	d.eventually("the other worker is assigned", func() bool { return d.stored("cheap-1").Epoch > 0 })
	if got := d.stored("cheap-0"); !got.Drain || got.Epoch != 1 {
		t.Errorf("assignment after the restart = %+v, want epoch 1 and drain", got)
	}
}
