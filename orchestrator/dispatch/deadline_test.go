package dispatch

import (
	"errors"
	"testing"
	"time"

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
