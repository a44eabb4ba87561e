package dispatch

import (
	"context"

	"nightshift.dev/nightshift/orchestrator"
)

// announce tells users that a job has entered a state. An event that cannot be stored is not worth holding up the job for.
func (d *Dispatcher) announce(ctx context.Context, job orchestrator.Job) {
	if err := d.config.Events.Announce(ctx, job); err != nil && ctx.Err() == nil {
		d.config.Log.Warn("an event is not published", "job", job.ID, "state", job.State, "error", err)
	}
}
