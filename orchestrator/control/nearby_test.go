package control

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nightshift.dev/nightshift/orchestrator"
)

// line is so many waiting jobs of 1, 2, 3 ... rows.
func line(jobs int) []orchestrator.JobView {
	var views []orchestrator.JobView
	for i := range jobs {
		view := waiting(fmt.Sprintf("fraud-%03d", i))
		view.RowsLeft, view.RowsUncut = int64(i+1), int64(i+1)
		views = append(views, view)
	}
	return views
}

func TestManyJobsAreNearbyInShort(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.jobs.set(line(200)...)
	d.run()
	d.firstDecision()
	near := d.loop.Nearby(t.Context()).Jobs
	if len(near) > fewJobs {
		t.Errorf("%d jobs are nearby, want at most %d", len(near), fewJobs)
	}
	stoodFor, rows := 0, int64(0)
	for _, one := range near {
		stoodFor += 1 + one.Also
		rows += one.RowsLeft
	}
	if stoodFor != 200 || rows != 200*201/2 {
		t.Errorf("they stand for %d jobs with %d rows, want 200 with %d", stoodFor, rows, 200*201/2)
	}
}

func TestFewJobsAreNearbyAsTheyAreNow(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.jobs.set(line(10)...)
	d.run()
	d.firstDecision()
	d.jobs.set(line(fewJobs)...) // since the last decision
	if diff := cmp.Diff(line(fewJobs), d.loop.Nearby(t.Context()).Jobs); diff != "" {
		t.Errorf("jobs nearby (-want +got):\n%s", diff)
	}
}

func TestJobsThatHaveBecomeFewAreNearbyAsTheyAre(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.jobs.set(line(200)...)
	d.run()
	d.firstDecision()
	d.jobs.set(line(3)...)
	d.decide(1)
	if diff := cmp.Diff(line(3), d.loop.Nearby(t.Context()).Jobs); diff != "" {
		t.Errorf("jobs nearby (-want +got):\n%s", diff)
	}
}

// An estimate looks at the same pools, workers and speeds as a decision.
func TestNearbyKnowsPoolsWorkersAndMemory(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap", "fast")
	worker := idle("cheap", "cheap-0", 0)
	d.say(worker)
	d.jobs.learn(measured)
	d.run()
	d.firstDecision()
	got := d.loop.Nearby(t.Context())
	want := orchestrator.Observation{
		Pools:   []orchestrator.PoolView{{Name: "cheap", Replicas: 1}, {Name: "fast", Replicas: 1}},
		Workers: []orchestrator.WorkerView{{ID: "cheap-0", Pool: "cheap", State: orchestrator.WorkerIdle, Seen: worker.At}},
		Memory:  orchestrator.Memory{Speeds: learned},
	}
	got.Memory.Pools = nil // the planner's own
	if diff := cmp.Diff(want, got, cmpopts.IgnoreTypes(orchestrator.Reading{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("observation (-want +got):\n%s", diff)
	}
}

// Workers are there before the work that is known to come, up to what a cap allows, and the model is among their orders.
func TestWorkThatIsKnownToComeIsPreparedFor(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	worker := idle("cheap", "cheap-0", 0)
	d.say(worker)
	comes := time.Now().Add(5 * time.Second)
	d.peaks = []orchestrator.Peak{{
		Tenant: "default", Queue: "fraud", Model: orchestrator.ModelRef{Name: "nightly", Digest: "d9"}, Identity: "nightly/02:00", From: comes, Until: comes, Rows: -1, Finish: comes.Add(time.Hour),
	}}
	d.caps = []orchestrator.Cap{{Tenant: "default", Queue: "fraud", MaxWorkers: 3, From: comes.Add(-time.Hour), Until: comes.Add(time.Hour), Identity: "day/08:00"}}
	d.run()
	plan := d.firstDecision().plan
	if len(plan.Workers) != 1 || plan.Workers[0].Warm != d.peaks[0].Model {
		t.Errorf("%+v, want a worker that loads %s", plan.Workers, d.peaks[0].Model.Name)
	}
	observation := d.loop.Nearby(t.Context())
	if diff := cmp.Diff(d.caps, observation.Caps); diff != "" {
		t.Errorf("caps (-want +got):\n%s", diff)
	}
}
