package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// Find gives a tenant's job by its identifier.
func (d *Dispatcher) Find(tenant, id string) (orchestrator.Job, error) {
	queue := id[:max(len(id)-suffixLength, 0)]
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.jobs[orchestrator.JobKey{Tenant: tenant, Queue: queue, ID: id}]; known != nil && !known.job.Deleted {
		return copyOf(known.job), nil
	}
	return orchestrator.Job{}, &api.Error{Code: api.CodeNotFound, Field: "id", Message: fmt.Sprintf("tenant %q has no job %q; nightshift list shows those it has", tenant, id)}
}

// List gives a page of a tenant's jobs that pass the filter, newest first, and whether more follow. after is the last job of the page before, nil for
// the first page; jobs that come or go between two pages move nothing.
func (d *Dispatcher) List(tenant string, pass func(*orchestrator.Job) bool, after *Place, limit int) (page []orchestrator.Job, more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for known := range d.listed(tenant, after) {
		if !pass(&known.job) {
			continue
		}
		if len(page) == limit {
			return page, true
		}
		page = append(page, copyOf(known.job))
	}
	return page, false
}

// ByKey gives the job that was submitted under an idempotency key, also what is left of one that was deleted. state.ErrNotFound: there is none.
func (d *Dispatcher) ByKey(ctx context.Context, tenant, queue, key string) (orchestrator.Job, error) {
	id := identifier(Submission{Tenant: tenant, Queue: queue, IdempotencyKey: key})
	job, _, err := d.read(ctx, orchestrator.JobKey{Tenant: tenant, Queue: queue, ID: id})
	return job, err
}

// Cancel ends a job because a user says so. Committed parts stay for a retry. A job that has ended stays as it is.
func (d *Dispatcher) Cancel(ctx context.Context, job orchestrator.Job) (orchestrator.Job, error) {
	return d.CancelBecause(ctx, job, "a user cancelled the job")
}

// CancelBecause is Cancel, with another sentence for the job's failure.
func (d *Dispatcher) CancelBecause(ctx context.Context, job orchestrator.Job, sentence string) (orchestrator.Job, error) {
	if job.Standing != nil && !job.State.Final() {
		return job, &api.Error{Code: api.CodeWrongState, Field: "id", Message: fmt.Sprintf(
			"job %s drains queue %s: what it holds would be scored by nobody. To end the draining take the queue out of the documents", job.ID, job.Queue)}
	}
	why := &orchestrator.Failure{Code: "cancelled", Message: sentence}
	d.mu.Lock()
	known := d.jobs[job.JobKey]
	var running *runner
	if known != nil {
		running = known.runner
	}
	d.mu.Unlock()
	if running != nil && !known.job.State.Final() {
		select {
		case running.orders <- order{end: orchestrator.JobCancelled, why: why}:
		case <-running.done:
		case <-ctx.Done():
			return job, ctx.Err()
		}
		return d.awaitFinal(ctx, job.JobKey)
	}
	return d.update(ctx, job.JobKey, func(job *orchestrator.Job) error {
		if job.State.Final() {
			return &api.Error{Code: api.CodeWrongState, Field: "id", Message: fmt.Sprintf("job %s has ended already: %s", job.ID, job.State)}
		}
		job.State, job.Failure = orchestrator.JobCancelled, why
		job.Closed = append(job.Closed[:min(job.Epoch, len(job.Closed))], 0)
		return nil
	})
}

// awaitFinal waits until a runner that was told to end has written the final record.
func (d *Dispatcher) awaitFinal(ctx context.Context, key orchestrator.JobKey) (orchestrator.Job, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		job, _, err := d.read(ctx, key)
		if err != nil || job.State.Final() {
			return job, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return job, ctx.Err()
		}
	}
}

// Retry opens a job that has ended again, under a new epoch: only what is missing or failed is scored. The model is taken as the documents have it now.
// A zero deadline leaves the queue's objective to count from now.
func (d *Dispatcher) Retry(ctx context.Context, job orchestrator.Job, deadline time.Time) (orchestrator.Job, error) {
	now := time.Now().UTC()
	queue, ok := d.config.Catalog.Queue(job.Tenant, job.Queue)
	if !ok {
		return job, &api.Error{Code: api.CodeNotFound, Field: "id", Message: fmt.Sprintf("job %s belongs to queue %q, which is no longer there", job.ID, job.Queue)}
	}
	deadline, err := queue.deadline(deadline, now)
	if err != nil {
		return job, err
	}
	model, err := d.config.Catalog.Snapshot(job.Queue, job.Spec.Parameters)
	if err != nil {
		return job, &api.Error{Code: api.CodeInternal, Field: "id", Message: err.Error()}
	}
	if err := d.KeepModel(ctx, model); err != nil {
		return job, fullStore(err)
	}
	if err := d.stopRunner(ctx, job.JobKey); err != nil {
		return job, err
	}
	if err := d.tellEnd(ctx, job); err != nil {
		return job, &api.Error{Code: api.CodeUnavailable, Field: "id", Message: fmt.Sprintf("the Workflow of the job's last try cannot be ended now: %v; try again later", err)}
	}
	job, err = d.update(ctx, job.JobKey, func(job *orchestrator.Job) error {
		switch {
		case !job.State.Final():
			return &api.Error{Code: api.CodeWrongState, Field: "id", Message: fmt.Sprintf("job %s is %s; only a job that has ended can be retried", job.ID, job.State)}
		case job.State == orchestrator.JobSucceeded:
			return &api.Error{Code: api.CodeWrongState, Field: "id", Message: fmt.Sprintf("job %s has succeeded: there is nothing to score again", job.ID)}
		case len(job.Closed) <= job.Epoch:
			return fmt.Errorf("job %s has no closing sequence for epoch %d", job.ID, job.Epoch)
		}
		job.Epoch++
		if before := job.Workflow; before != nil {
			job.Workflow = workflowOf(job.Spec.Steps, before.Place, job.ID, job.Epoch)
			job.Workflow.Prepared = before.Prepared
		}
		job.State, job.Failure, job.Waiting = orchestrator.JobQueued, nil, nil
		job.Times = map[orchestrator.JobState]time.Time{}
		job.Model, job.BatchRows = orchestrator.ModelRef{Name: model.Name, Digest: model.Digest}, model.BatchRows
		job.Actual, job.Deadline = orchestrator.Actual{}, deadline
		if queue.ExpireAfter > 0 {
			job.ExpiresAt = now.Add(queue.ExpireAfter)
		}
		return nil
	})
	d.config.Wake()
	return job, err
}

// stopRunner ends the late sweep of a job, so that it does not take what a new epoch writes.
func (d *Dispatcher) stopRunner(ctx context.Context, key orchestrator.JobKey) error {
	d.mu.Lock()
	known := d.jobs[key]
	var running *runner
	if known != nil && known.job.State.Final() {
		running = known.runner
	}
	d.mu.Unlock()
	if running == nil {
		return nil
	}
	running.stop()
	select {
	case <-running.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Delete makes an ended job a tombstone. Its output stays: it is the user's.
func (d *Dispatcher) Delete(ctx context.Context, job orchestrator.Job) error {
	if !job.State.Final() {
		return &api.Error{Code: api.CodeWrongState, Field: "id", Message: fmt.Sprintf("job %s is %s; cancel it first", job.ID, job.State)}
	}
	d.mu.Lock()
	last := d.lastOfChain(job)
	d.mu.Unlock()
	if last {
		return &api.Error{Code: api.CodeWrongState, Field: "id", Message: fmt.Sprintf(
			"job %s is the last that has drained queue %s, and says where the next one begins; delete it once there is another", job.ID, job.Queue)}
	}
	return d.bury(ctx, job.JobKey)
}

// tombstone is what stays of a job: enough to answer for its key, and small, because there may be many and for long.
func tombstone(job orchestrator.Job) orchestrator.Job {
	return orchestrator.Job{
		JobKey: job.JobKey, SpecDigest: job.SpecDigest, State: job.State, Times: job.Times, Updated: job.Updated, Epoch: job.Epoch, Closed: job.Closed,
		Model: job.Model, Output: job.Output, OutputFormat: job.OutputFormat, Manifest: job.Manifest, Deleted: true, WorkKept: true,
	}
}

// bury makes a job a tombstone, and forgets its work once no attempt can write any more.
func (d *Dispatcher) bury(ctx context.Context, key orchestrator.JobKey) error {
	job, err := d.update(ctx, key, func(job *orchestrator.Job) error {
		if job.Deleted {
			return errUnchanged
		}
		*job = tombstone(*job)
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil // who deleted it, or the sweep of records, forgets its work
	}
	if err != nil || time.Since(job.Times[job.State]) <= d.lateAfter() {
		return err
	}
	return d.forgetWork(ctx, key)
}

// forgetWork removes what a tombstone does not need.
func (d *Dispatcher) forgetWork(ctx context.Context, key orchestrator.JobKey) error {
	if err := d.config.Store.ForgetWork(ctx, key); err != nil {
		return err
	}
	_, err := d.update(ctx, key, func(job *orchestrator.Job) error {
		job.WorkKept = false
		return nil
	})
	return err
}
