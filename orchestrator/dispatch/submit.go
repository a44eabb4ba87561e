package dispatch

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/state"
)

// Submission is a request that was checked in itself.
type Submission struct {
	Tenant         string
	Queue          string
	Spec           orchestrator.JobSpec
	Digest         string // of the content: two submits with one idempotency key must have the same
	IdempotencyKey string
	TraceParent    string
}

// prepared is a submission that has been looked at: everything but the identifier and the storing.
type prepared struct {
	job     orchestrator.Job
	objects []orchestrator.Object
	model   orchestrator.ModelSnapshot
	queue   Queue
}

// Estimate answers what a submission would cost and when it would be done. Nothing is stored.
func (d *Dispatcher) Estimate(ctx context.Context, submission Submission) (api.EstimateResponse, error) {
	ready, err := d.prepare(ctx, submission)
	asked := ready.queue.ConfirmAbove
	return api.EstimateResponse{
		Queue: submission.Queue, Model: ready.job.Model, Objects: len(ready.objects), Bytes: ready.job.Counts.BytesTotal,
		Deadline: ready.job.Deadline, Estimate: ready.job.Estimate,
		Confirm: asked != nil && (submission.Spec.Steps != nil || ready.job.Estimate.Cost.Micros > asked.Micros),
	}, err
}

// Submit stores a job and then answers. The same idempotency key answers the same job (S1 to S3); created says whether it is new.
func (d *Dispatcher) Submit(ctx context.Context, submission Submission) (job orchestrator.Job, created bool, err error) {
	key := orchestrator.JobKey{Tenant: submission.Tenant, Queue: submission.Queue, ID: identifier(submission)}
	if submission.IdempotencyKey != "" {
		if stored, _, err := d.read(ctx, key); err == nil {
			return sameJob(stored, submission.Digest)
		} else if !errors.Is(err, state.ErrNotFound) {
			return job, false, err
		}
	}
	ready, err := d.prepare(ctx, submission)
	if err != nil {
		return job, false, err
	}
	if err := d.roomFor(ready); err != nil {
		return job, false, err
	}
	job = ready.job
	job.JobKey, job.SpecDigest = key, submission.Digest
	job.Output = outputOf(ready.queue, submission.Spec, key)
	job.Workflow = workflowOf(submission.Spec.Steps, ready.queue.Steps, key.ID, 0)
	return d.store(ctx, job, ready)
}

// store writes the journal, the model, and last the record that makes the job exist.
func (d *Dispatcher) store(ctx context.Context, job orchestrator.Job, ready prepared) (orchestrator.Job, bool, error) {
	if job.Workflow == nil { // else the steps make its input
		if err := d.recordObjects(ctx, job.JobKey, ready.objects); err != nil {
			return job, false, fullStore(err)
		}
	}
	if err := d.KeepModel(ctx, ready.model); err != nil {
		return job, false, fullStore(err)
	}
	revision, err := d.config.Store.CreateJob(ctx, job)
	if errors.Is(err, state.ErrConflict) { // two submits with one key at once
		stored, _, err := d.config.Store.Job(ctx, job.JobKey)
		if err != nil {
			return job, false, err
		}
		return sameJob(stored, job.SpecDigest)
	}
	if err != nil {
		return job, false, fullStore(err)
	}
	d.follow(state.JobChange{Key: job.JobKey, Job: job, Revision: revision})
	d.announce(ctx, job)
	d.config.Wake()
	return job, true, nil
}

// KeepModel stores a snapshot once; the store keeps every one of them.
func (d *Dispatcher) KeepModel(ctx context.Context, model orchestrator.ModelSnapshot) error {
	if _, stored := d.models.Load(model.Digest); stored {
		return nil
	}
	if err := d.config.Store.PutModel(ctx, model); err != nil {
		return err
	}
	d.models.Store(model.Digest, true)
	return nil
}

func fullStore(err error) error {
	if errors.Is(err, state.ErrFull) {
		return &api.Error{Code: api.CodeUnavailable, Message: "the store is full; nothing was stored. Delete finished jobs (nightshift delete), or raise the store's limit, and submit again"}
	}
	return err
}

// mostPerEntry keeps a journal entry well below a message's limit of 1 MiB.
const mostPerEntry = 1000

// recordObjects writes what the job consists of. Objects that an earlier try of the same submit has recorded stay (S2).
func (d *Dispatcher) recordObjects(ctx context.Context, key orchestrator.JobKey, objects []orchestrator.Object) error {
	var last uint64
	for at := 0; ; at += mostPerEntry {
		end := min(at+mostPerEntry, len(objects))
		entry := orchestrator.JournalEntry{Objects: objects[at:end], ObjectsDone: end == len(objects)}
		sequence, err := d.config.Store.AppendJournal(ctx, key, last, entry)
		if errors.Is(err, state.ErrConflict) && at == 0 {
			return d.takeOverObjects(ctx, key, objects)
		}
		if err != nil || entry.ObjectsDone {
			return err
		}
		last = sequence
	}
}

// takeOverObjects goes on where an earlier try ended: what it recorded is what the job consists of.
func (d *Dispatcher) takeOverObjects(ctx context.Context, key orchestrator.JobKey, objects []orchestrator.Object) error {
	var last uint64
	recorded, done := 0, false
	err := d.config.Store.ReadJournal(ctx, key, 0, func(sequence uint64, entry orchestrator.JournalEntry) {
		last, recorded, done = sequence, recorded+len(entry.Objects), done || entry.ObjectsDone
	})
	if err != nil || done {
		return err
	}
	_, err = d.config.Store.AppendJournal(ctx, key, last, orchestrator.JournalEntry{Objects: objects[min(recorded, len(objects)):], ObjectsDone: true})
	return err
}

// sameJob answers a repeated submit.
func sameJob(stored orchestrator.Job, digest string) (orchestrator.Job, bool, error) {
	if stored.SpecDigest != digest {
		return stored, false, &api.Error{Code: api.CodeConflict, Field: "idempotencyKey", Message: fmt.Sprintf(
			"this key was used for job %s with another content; use another key, or submit exactly what was submitted then", stored.ID)}
	}
	return stored, false, nil
}

// Queue is a queue of the present documents.
func (d *Dispatcher) Queue(tenant, name string) (Queue, error) {
	queue, ok := d.config.Catalog.Queue(tenant, name)
	if !ok {
		return queue, &api.Error{Code: api.CodeNotFound, Field: "queue", Message: fmt.Sprintf(
			"tenant %q has no queue %q; it has: %s", tenant, name, strings.Join(queue.AllQueueNames, ", "))}
	}
	return queue, nil
}

// prepare checks a submission against the documents and its input, and prices it.
func (d *Dispatcher) prepare(ctx context.Context, submission Submission) (prepared, error) {
	var ready prepared
	queue, err := d.Queue(submission.Tenant, submission.Queue)
	if err != nil {
		return ready, err
	}
	if queue.Drains {
		return ready, &api.Error{Code: api.CodeInvalid, Field: "queue", Message: fmt.Sprintf(
			"queue %q drains a source; jobs are submitted to queues with source: jobs", queue.Name)}
	}
	model, err := d.config.Catalog.Snapshot(submission.Queue, submission.Spec.Parameters)
	if err != nil {
		return ready, &api.Error{Code: api.CodeInternal, Field: "queue", Message: err.Error()}
	}
	now := time.Now().UTC()
	job := orchestrator.Job{
		JobKey: orchestrator.JobKey{Tenant: submission.Tenant, Queue: submission.Queue}, Spec: submission.Spec, State: orchestrator.JobQueued,
		Model: orchestrator.ModelRef{Name: model.Name, Digest: model.Digest}, BatchRows: model.BatchRows,
		ReadRoots: queue.ReadRoots, OutputFormat: submission.Spec.OutputFormat,
		Times: map[orchestrator.JobState]time.Time{orchestrator.JobQueued: now}, Updated: now, TraceParent: submission.TraceParent,
	}
	if job.OutputFormat == "" {
		job.OutputFormat = queue.OutputFormat
	}
	if job.Deadline, err = queue.deadline(submission.Spec.FinishBy, now); err != nil {
		return ready, err
	}
	if !job.Deadline.IsZero() && job.Deadline.Before(now) {
		return ready, &api.Error{Code: api.CodeInvalid, Field: "finishBy", Message: fmt.Sprintf("%s is in the past", job.Deadline.Format(time.RFC3339))}
	}
	if queue.ExpireAfter > 0 {
		job.ExpiresAt = now.Add(queue.ExpireAfter)
	}
	job.WriteRoots = queue.WriteRoots
	if err := checkOutput(queue, submission.Spec); err != nil {
		return ready, err
	}
	if err := d.checkSteps(queue, submission.Spec.Steps); err != nil {
		return ready, err
	}
	ready = prepared{job: job, model: model, queue: queue}
	if submission.Spec.Steps != nil {
		return d.unlooked(ctx, ready)
	}
	return d.lookAtInput(ctx, ready)
}

func checkOutput(queue Queue, spec orchestrator.JobSpec) error {
	if spec.Output != "" && !strings.HasPrefix(spec.Output, queue.Output) {
		return &api.Error{Code: api.CodeForbidden, Field: "output.prefix", Message: fmt.Sprintf("%s is not below the queue's output root %s", spec.Output, queue.Output)}
	}
	return nil
}

func outputOf(queue Queue, spec orchestrator.JobSpec, key orchestrator.JobKey) string {
	if spec.Output != "" {
		return strings.TrimSuffix(spec.Output, "/") + "/"
	}
	return queue.Output + key.ID + "/"
}

// roomFor refuses what is above the submitter's own bound or the queue's.
func (d *Dispatcher) roomFor(ready prepared) error {
	cost, limit, asked := ready.job.Estimate.Cost, ready.job.Spec.MaxCost, ready.queue.ConfirmAbove
	if limit == nil && asked != nil && ready.job.Spec.Steps != nil {
		return &api.Error{Code: api.CodeUnconfirmed, Field: "maxCost", Message: fmt.Sprintf(
			"what it costs is not known before its steps have made the input, and queue %q wants jobs above %s confirmed: submit with maxCost (--max-cost)", ready.queue.Name, *asked)}
	}
	if limit == nil && asked != nil && cost.Micros > asked.Micros {
		return &api.Error{Code: api.CodeUnconfirmed, Field: "maxCost", Message: fmt.Sprintf(
			"the estimate is %s; queue %q wants jobs above %s confirmed: submit with maxCost (--max-cost, or --yes)", cost, ready.queue.Name, *asked)}
	}
	if err := withinBound(ready); err != nil {
		return err
	}
	d.mu.Lock()
	waiting := d.waiting[queueName{ready.queue.Tenant, ready.queue.Name}]
	d.mu.Unlock()
	if waiting >= ready.queue.MaxQueued {
		return &api.Error{Code: api.CodeQueueFull, Field: "queue", Message: fmt.Sprintf(
			"queue %q has %d waiting jobs, which is its limit (limits.maxQueuedJobs); try again later", ready.queue.Name, waiting)}
	}
	return nil
}

// withinBound refuses what is above the submitter's own bound.
func withinBound(ready prepared) error {
	cost, limit := ready.job.Estimate.Cost, ready.job.Spec.MaxCost
	if limit != nil && cost.Micros > limit.Micros {
		return &api.Error{Code: api.CodeTooExpensive, Field: "maxCost", Message: fmt.Sprintf("the estimate is %s, the bound is %s", cost, *limit)}
	}
	return nil
}

// suffixLength is how much longer an identifier is than the name of its queue.
const suffixLength = 14

// identifier is "QUEUE-" and 13 characters: of the idempotency key where there is one, so that the record itself is the memory of the key, else
// random.
func identifier(submission Submission) string {
	var seed [8]byte
	if submission.IdempotencyKey != "" {
		sum := sha256.Sum256([]byte(submission.Tenant + "\x00" + submission.Queue + "\x00" + submission.IdempotencyKey))
		copy(seed[:], sum[:])
	} else {
		_, _ = rand.Read(seed[:]) // never fails, see its documentation
	}
	return submission.Queue + "-" + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(seed[:]))
}
