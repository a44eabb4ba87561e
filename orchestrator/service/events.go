package service

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/state"
)

// Events publishes a CloudEvent for every state of every job, on nightshift.v1.TENANT.events.jobs.QUEUE.JOB.STATE.
type Events struct{ Store *state.Store }

// Announce stores the event for the state that the job is in.
func (e Events) Announce(ctx context.Context, job orchestrator.Job) error {
	event := api.EventOf(job)
	data, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", event.ID, err)
	}
	header := nats.Header{"content-type": []string{api.EventContentType}}
	if job.TraceParent != "" {
		header["traceparent"] = []string{job.TraceParent}
	}
	rest := fmt.Sprintf("jobs.%s.%s.%s", job.Queue, job.ID, job.State)
	return e.Store.PutEvent(ctx, job.Tenant, rest, event.ID, header, data)
}
