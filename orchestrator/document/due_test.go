package document

import (
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// A3: a change of a queue's objective concerns the jobs whose deadline came from it, and no other.
func TestJobsFollowTheObjectiveThatGaveTheirDeadline(t *testing.T) {
	t.Parallel()
	submitted := time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
	none, two, three := changeableSet(t), changeableSet(t), changeableSet(t)
	two.Queues[0].Spec.Objective.FinishWithin, three.Queues[0].Spec.Objective.FinishWithin = 2*time.Hour, 3*time.Hour
	in := func(hours float64) time.Time { return submitted.Add(time.Duration(hours * float64(time.Hour))) }
	for name, test := range map[string]struct {
		queue           string
		before, after   Set
		deadline, wants time.Time
	}{
		"from the objective":       {"nightly", two, three, in(2).Add(time.Second), in(3)},
		"named by somebody":        {"nightly", two, three, in(2.5), in(2.5)},
		"the objective is gone":    {"nightly", two, none, in(2), time.Time{}},
		"there was no objective":   {"nightly", none, two, time.Time{}, in(2)},
		"named without objective":  {"nightly", none, two, in(5), in(5)},
		"waits for ever by choice": {"nightly", two, three, time.Time{}, time.Time{}},
		"of another queue":         {"hourly", two, three, in(2), in(2)},
	} {
		jobs := []orchestrator.JobView{{JobKey: orchestrator.JobKey{Queue: test.queue}, Submitted: submitted, Deadline: test.deadline}}
		if got := Due(jobs, test.before, test.after)[0].Deadline; !got.Equal(test.wants) {
			t.Errorf("%s: %s, want %s", name, got, test.wants)
		}
		if !jobs[0].Deadline.Equal(test.deadline) {
			t.Errorf("%s: the job that was given has changed", name)
		}
	}
}
