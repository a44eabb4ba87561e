package worker

import (
	"context"
	"fmt"
	"sync"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/object"
	"nightshift.dev/nightshift/orchestrator/state"
)

// jobs keeps what a worker has to know of the jobs it works for: the record, the model, and the stores they may use.
type jobs struct {
	store *state.Store

	mu    sync.Mutex
	known map[orchestrator.JobKey]*jobContext
}

// jobContext is one job in one epoch.
type jobContext struct {
	job     orchestrator.Job
	model   orchestrator.ModelSnapshot
	objects *object.Store
}

func newJobs(store *state.Store) *jobs {
	return &jobs{store: store, known: map[orchestrator.JobKey]*jobContext{}}
}

// mostKnown bounds the memory of jobs long over.
const mostKnown = 64

// of gives a job as it is in the epoch of a shard; a record of an older epoch is read again.
func (j *jobs) of(ctx context.Context, shard orchestrator.Shard) (*jobContext, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if known, ok := j.known[shard.JobKey]; ok && known.job.Epoch >= shard.Epoch {
		return known, nil
	}
	job, _, err := j.store.Job(ctx, shard.JobKey)
	if err != nil {
		return nil, err
	}
	model, err := j.store.Model(ctx, job.Model.Digest)
	if err != nil {
		return nil, fmt.Errorf("read the model of job %s: %v", shard.JobKey.ID, err) //nolint:errorlint // a missing model is not a missing job
	}
	objects, err := object.New(object.Access{Read: job.ReadRoots, Write: job.WriteRoots})
	if err != nil {
		return nil, err
	}
	if len(j.known) >= mostKnown {
		clear(j.known)
	}
	j.known[shard.JobKey] = &jobContext{job: job, model: model, objects: objects}
	return j.known[shard.JobKey], nil
}
