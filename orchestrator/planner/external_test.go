package planner

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// TestEveryCaseOfConsumersIsShown holds docs/external.md to its transcript, and to the tests of what is no plan: all cases, in order.
func TestEveryCaseOfConsumersIsShown(t *testing.T) {
	t.Parallel()
	numbers := func(pattern, path string) (found []string) {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, path), -1) {
			found = append(found, match[1])
		}
		return found
	}
	documented := numbers(`(?m)^\| (E\d+) \|`, "../../docs/external.md")
	shown := numbers(`(?m)^# (E\d+): `, "testdata/plans/28_external")
	for _, one := range []string{
		"cmd/nightshift/external_kafka", "cmd/nightshift/consumer_environment", "backlog/jetstream/check_sized", "backlog/kafka/check_sized", "orchestrator/service/consumers",
	} {
		shown = append(shown, numbers(`(?m)^// (E\d+): `, "../../"+one+"_test.go")...)
	}
	shown = slices.Compact(shown)
	if diff := cmp.Diff(documented, shown); diff != "" || len(shown) == 0 {
		t.Errorf("cases (-page +tests):\n%s", diff)
	}
}

// Whatever the backlog and its reading are: consumers that are busy without a grace stay, and those that say nothing while it is not proven empty.
func TestConsumersAreNotLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 9).Draw(t, "consumers")
		o := orchestrator.Observation{Pools: []orchestrator.PoolView{{Name: "own", Replicas: count, Reading: orchestrator.Reading{At: midnight}}}}
		policy := orchestrator.Policy{
			Pools:  []orchestrator.PoolPolicy{{Name: "own", Max: count + rapid.IntRange(0, 3).Draw(t, "more")}},
			Queues: []orchestrator.QueuePolicy{{Name: "items", Pools: []string{"own"}, External: true, FinishWithin: time.Hour, MaxWorkers: rapid.IntRange(0, 9).Draw(t, "most")}},
		}
		o.Speeds = []orchestrator.Speed{{Model: "bert", Pool: "own", RowsPerSecond: 1, Basis: basisProfile}}
		backlog := orchestrator.BacklogView{
			Queue: "items", Model: model("bert"), Held: int64(rapid.IntRange(-1, 2).Draw(t, "held")), MostWorkers: rapid.IntRange(0, 4).Draw(t, "useful"),
			Reading: orchestrator.Reading{At: midnight, Err: rapid.SampledFrom([]string{"", "no answer"}).Draw(t, "error")},
		}
		if rows := rapid.IntRange(0, 2).Draw(t, "waiting"); rows > 0 {
			backlog.Waiting = []orchestrator.Arrival{{At: midnight, Rows: int64(rows)}}
		}
		o.Backlogs = []orchestrator.BacklogView{backlog}
		empty := backlog.Reading.Err == "" && backlog.Held == 0 && len(backlog.Waiting) == 0
		stays := map[string]bool{}
		for slot := range count {
			one := orchestrator.WorkerView{ID: string(rune('a' + slot)), Pool: "own", Slot: slot}
			one.State = rapid.SampledFrom([]orchestrator.WorkerState{orchestrator.WorkerIdle, orchestrator.WorkerBusy, orchestrator.WorkerUnknown}).Draw(t, "state")
			one.Grace = time.Duration(rapid.IntRange(0, 1).Draw(t, "grace")) * time.Minute
			stays[one.ID] = one.State == orchestrator.WorkerBusy && one.Grace == 0 || one.State == orchestrator.WorkerUnknown && !empty
			o.Workers = append(o.Workers, one)
		}
		plan := Compute(o, policy, midnight)
		checkPlan(t, o, policy, midnight, plan)
		for _, one := range plan.Workers {
			if one.Drain && stays[one.Worker] {
				t.Fatalf("%s goes: %s", one.Worker, Explain(plan))
			}
		}
	})
}
