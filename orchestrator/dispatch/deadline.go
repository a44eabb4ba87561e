package dispatch

import (
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// deadline is the one of a job that asks for a time, or for none (zero).
func (q Queue) deadline(asked, now time.Time) (time.Time, error) {
	switch {
	case !asked.IsZero() && q.Cheapest:
		return asked, &api.Error{Code: api.CodeInvalid, Field: "finishBy", Message: fmt.Sprintf(
			"queue %s scores whenever that is cheapest and promises no time; leave finishBy out, or name another queue", q.Name)}
	case asked.IsZero():
		return orchestrator.QueuePolicy{FinishWithin: q.FinishWithin, Daily: q.Daily}.Due(now), nil
	}
	return asked, nil
}
