package dispatch

import (
	"errors"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// Who asks for a time where none is promised hears so, at the submit and at a retry.
func TestCheapestQueuesPromiseNoTime(t *testing.T) {
	t.Parallel()
	o := open(t, 0)
	o.queue.Cheapest = true
	job := o.submit("k")
	if !job.Deadline.IsZero() {
		t.Errorf("a deadline of %s", job.Deadline)
	}
	late := o.submission("l")
	late.Spec.FinishBy = time.Now().Add(time.Hour)
	_, _, submitted := o.Submit(t.Context(), late)
	_, retried := o.Retry(t.Context(), job, time.Now().Add(time.Hour))
	for what, err := range map[string]error{"submit": submitted, "retry": retried} {
		var refused *api.Error
		if !errors.As(err, &refused) || refused.Code != api.CodeInvalid || refused.Field != "finishBy" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A queue with an objective by the clock gives it to jobs that name no time.
func TestDeadlineByTheClock(t *testing.T) {
	t.Parallel()
	q := Queue{Daily: orchestrator.DailyDeadline{FinishBy: 6 * 60, ArrivedBy: 22 * 60, Zone: time.UTC}}
	now, named := time.Date(2026, 1, 1, 21, 59, 0, 0, time.UTC), time.Date(2026, 1, 1, 23, 0, 0, 0, time.UTC)
	for asked, want := range map[time.Time]time.Time{{}: time.Date(2026, 1, 2, 6, 0, 0, 0, time.UTC), named: named} {
		if got, err := q.deadline(asked, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s (%v), want %s", asked, got, err, want)
		}
	}
}
