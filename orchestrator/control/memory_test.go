package control

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// measured is a commit of 1000 rows in ten seconds.
var measured = planner.Fact{Model: "fraud", Pool: "cheap", Rows: 1000, Seconds: 10}

// speeds are those that a stored memory holds: nil when nothing is stored.
func (d *desk) speeds() []orchestrator.SpeedMemory {
	d.t.Helper()
	var memory orchestrator.Memory
	_ = d.store.Plan(d.t.Context(), "memory", &memory) // nothing is stored at first
	return memory.Speeds
}

var learned = []orchestrator.SpeedMemory{{Model: "fraud", Pool: "cheap", RowsPerSecond: 100, Rows: 1000}}

func TestWhatCommitsTaughtReachesTheNextDecision(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.jobs.learn(measured)
	d.run()
	if diff := cmp.Diff(learned, d.firstDecision().plan.Memory.Speeds); diff != "" {
		t.Errorf("speeds (-want +got):\n%s", diff)
	}
}

// Nothing writes the memory down at a stop when the process is killed.
func TestDecisionThatChangesANumberIsStoredAtOnce(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.run()
	d.decide(1) // the first record is due with the first decision in any case
	d.jobs.learn(measured)
	d.least(2)
	d.decide(1)
	d.eventually("the memory is stored", func() bool { return cmp.Equal(learned, d.speeds()) })
	var plan orchestrator.Plan
	d.eventually("the plan is stored", func() bool { return d.store.Plan(t.Context(), "plan", &plan) == nil && plan.Pools[0].Replicas == 2 })
}

func TestDecisionThatChangesNothingIsNotStored(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.run()
	d.decide(1)
	d.jobs.learn(measured)
	d.decide(2)
	if got := d.speeds(); got != nil {
		t.Errorf("stored = %v, want nothing within a minute of the first record", got)
	}
}

func TestMemorySurvivesARestart(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	stop := d.run()
	d.decide(1)
	d.jobs.learn(measured)
	d.decide(1) // learned, and not recorded: no number has changed
	stop()
	before := len(d.jobs.decisions())
	d.restart()
	d.eventually("a decision", func() bool { return len(d.jobs.decisions()) > before })
	if diff := cmp.Diff(learned, d.jobs.decisions()[before].plan.Memory.Speeds); diff != "" {
		t.Errorf("speeds after the restart (-want +got):\n%s", diff)
	}
}

func TestWhatWasLearnedAfterTheLastDecisionSurvivesAStop(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	stop := d.run()
	d.decide(1)
	d.jobs.learn(measured) // the next decision is half a minute away
	stop()
	if diff := cmp.Diff(learned, d.speeds()); diff != "" {
		t.Errorf("stored speeds (-want +got):\n%s", diff)
	}
}

// Any number of jobs may wait, and a record has to fit into a message.
func TestRecordedPlanHasOpenJobsOnly(t *testing.T) {
	t.Parallel()
	open, waits := orchestrator.JobKey{Tenant: "acme", Queue: "fraud", ID: "open"}, orchestrator.JobKey{Tenant: "acme", Queue: "fraud", ID: "waits"}
	plan := orchestrator.Plan{Open: []orchestrator.JobKey{open}, Jobs: []orchestrator.JobPlan{{JobKey: waits}, {JobKey: open}}}
	if diff := cmp.Diff([]orchestrator.JobPlan{{JobKey: open}}, withoutWaiting(plan).Jobs); diff != "" {
		t.Errorf("recorded jobs (-want +got):\n%s", diff)
	}
	if len(plan.Jobs) != 2 {
		t.Error("the plan that is used lost a job")
	}
}
