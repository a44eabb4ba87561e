package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// Steps runs the Workflows of jobs in one place. Numbers ST and STC are those of docs/steps.md.
type Steps interface {
	// Begin makes the Workflow of a job's epoch, or finds it, and gives its uid. orchestrator.ErrForeignWorkflow: another one has its name.
	Begin(ctx context.Context, job orchestrator.Job) (uid string, err error)
	// Look says how far it has come. An error says that nobody knows, and nothing else.
	Look(ctx context.Context, job orchestrator.Job) (orchestrator.WorkflowView, error)
	// Tell says to it what became of its job. What was told before, and one that has ended or is not there, need nothing.
	Tell(ctx context.Context, job orchestrator.Job, word orchestrator.WorkflowWord) error
}

const (
	// lookEvery is how often a Workflow is looked at: what a watch has brought, so that it costs next to nothing.
	lookEvery = time.Second
	// askWithin bounds a request to the API server.
	askWithin = 10 * time.Second
	// progressEvery bounds the writes to a Workflow while its job is scored (ST5): each is one for Argo's controller, too.
	progressEvery = 15 * time.Second
)

// stepRuns is no fault of anything: a job waits for a step of its Workflow.
type stepRuns struct{ message string }

func (s *stepRuns) Error() string { return s.message }

// workflowOf is the Workflow of an epoch (ST1), nil where the job has no steps.
func workflowOf(steps *orchestrator.Steps, place orchestrator.StepsPlace, id string, epoch int) *orchestrator.Workflow {
	if steps == nil {
		return nil
	}
	name := id
	if epoch > 0 {
		name = fmt.Sprintf("%s-r%d", id, epoch)
	}
	return &orchestrator.Workflow{Place: place, Name: name}
}

// checkSteps refuses steps that the queue does not allow, or that this service cannot run.
func (d *Dispatcher) checkSteps(queue Queue, steps *orchestrator.Steps) error {
	if steps == nil {
		return nil
	}
	if queue.Steps.Namespace == "" {
		return &api.Error{Code: api.CodeForbidden, Field: "steps", Message: fmt.Sprintf("jobs of queue %q have no steps: its document does not say in which namespace, and from which templates (spec.steps)", queue.Name)}
	}
	if !slices.Contains(queue.Steps.Templates, steps.Template) {
		message := fmt.Sprintf("%q is none of the templates of queue %q: %s", steps.Template, queue.Name, strings.Join(queue.Steps.Templates, ", "))
		if meant := notation.Closest(steps.Template, queue.Steps.Templates); meant != "" {
			message += "; did you mean " + meant + "?"
		}
		return &api.Error{Code: api.CodeForbidden, Field: "steps.template", Message: message}
	}
	if _, err := d.config.Steps(queue.Steps); err != nil {
		return &api.Error{Code: api.CodeUnavailable, Field: "steps", Message: fmt.Sprintf("this service cannot run steps: %v", err)}
	}
	return nil
}

// before makes the job's Workflow and waits until its node is reached and the input is there (ST3, ST4); an ending: it does not come to that.
func (r *runner) before(ctx context.Context, job orchestrator.Job) (*ending, error) {
	if job.Workflow == nil || job.State != orchestrator.JobValidating {
		return nil, nil
	}
	expiry := r.expiryTimer(ctx)
	defer expiry.Stop()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		reached, end, err := r.lookBefore(ctx)
		r.awaits(err)
		if reached || end != nil {
			return end, nil
		}
		select {
		case order := <-r.orders:
			if order.end != "" {
				return &ending{order.end, order.why}, nil
			}
		case <-expiry.C:
			return expired(), nil
		case <-ticker.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// lookBefore looks once. An error is what the job waits for.
func (r *runner) lookBefore(ctx context.Context) (reached bool, end *ending, waits error) {
	job, _, err := r.read(ctx, r.key)
	if err != nil {
		return false, nil, err
	}
	steps, err := r.config.Steps(job.Workflow.Place)
	if err != nil {
		return false, nil, err
	}
	if job.Workflow.UID == "" {
		if job, err = r.begin(ctx, steps, job); errors.Is(err, orchestrator.ErrForeignWorkflow) {
			return false, &ending{orchestrator.JobFailed, &orchestrator.Failure{Code: "workflow_taken", Message: err.Error()}}, nil
		} else if err != nil {
			return false, nil, err
		}
	}
	view, err := r.look(ctx, steps, job)
	switch {
	case err != nil:
		return false, nil, err
	case view.State == orchestrator.WorkflowBefore:
		return false, nil, &stepRuns{view.Message}
	case view.State == orchestrator.WorkflowScoring:
		return r.lookAtPrepared(ctx, job)
	}
	return false, endBy(view), nil
}

// begin makes the Workflow and notes its uid (STC1, STC2).
func (r *runner) begin(ctx context.Context, steps Steps, job orchestrator.Job) (orchestrator.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	uid, err := steps.Begin(ctx, job)
	if err != nil {
		return job, err
	}
	return r.update(ctx, r.key, func(job *orchestrator.Job) error {
		kept := *job.Workflow
		kept.UID = uid
		job.Workflow = &kept
		return nil
	})
}

func (r *runner) look(ctx context.Context, steps Steps, job orchestrator.Job) (orchestrator.WorkflowView, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return steps.Look(ctx, job)
}

// lookAtPrepared looks at the input that the steps have made, as a submit does, and records what the job consists of (ST4, STC3).
func (r *runner) lookAtPrepared(ctx context.Context, job orchestrator.Job) (reached bool, end *ending, waits error) {
	if job.Workflow.Prepared {
		return true, nil, nil
	}
	queue, err := r.Queue(job.Tenant, job.Queue)
	if err != nil {
		return false, nil, err
	}
	model, err := r.config.Store.Model(ctx, job.Model.Digest)
	if err != nil {
		return false, nil, err
	}
	ready, err := r.lookAtInput(ctx, prepared{job: job, model: model, queue: queue})
	if err == nil {
		err = withinBound(ready)
	}
	var wrong *api.Error
	if errors.As(err, &wrong) && wrong.Code != api.CodeUnavailable {
		return false, &ending{orchestrator.JobFailed, &orchestrator.Failure{Code: string(wrong.Code), Message: "when the steps before it had ended: " + wrong.Error()}}, nil
	}
	if err != nil {
		return false, nil, err
	}
	if err := r.recordObjects(ctx, r.key, ready.objects); err != nil {
		return false, nil, err
	}
	r.mu.Lock()
	if known := r.jobs[r.key]; known != nil {
		known.job.Counts = ready.job.Counts
	}
	r.mu.Unlock()
	_, err = r.update(ctx, r.key, func(job *orchestrator.Job) error {
		kept := *job.Workflow
		kept.Prepared = true
		job.Workflow, job.Counts, job.Estimate = &kept, ready.job.Counts, ready.job.Estimate
		return nil
	})
	return err == nil, nil, err
}

// endBy is what the end of a Workflow makes of its job (ST7, ST9, ST16).
func endBy(view orchestrator.WorkflowView) *ending {
	if view.State == orchestrator.WorkflowFailed {
		return &ending{orchestrator.JobFailed, &orchestrator.Failure{Code: "step_failed", Message: view.Message}}
	}
	return &ending{orchestrator.JobCancelled, &orchestrator.Failure{Code: "cancelled", Message: view.Message}}
}

// during looks at the Workflow while the job is scored, and shows it the progress (ST5). While nobody knows how it is, the job is scored on (ST12).
func (r *runner) during(ctx context.Context) *ending {
	job, _, err := r.read(ctx, r.key)
	if err != nil {
		return nil
	}
	steps, err := r.config.Steps(job.Workflow.Place)
	if err != nil {
		return nil
	}
	view, err := r.look(ctx, steps, job)
	switch {
	case err != nil:
		return nil
	case view.State != orchestrator.WorkflowScoring:
		return endBy(view)
	}
	counts := r.machine.Counts()
	counts.RowsTotal = max(counts.RowsTotal, job.Counts.RowsTotal)
	if counts == r.shown || time.Since(r.shownAt) < progressEvery {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	r.shownAt = time.Now()
	if err := steps.Tell(ctx, job, orchestrator.WorkflowWord{Progress: &counts}); err != nil {
		r.config.Log.Warn("the Workflow does not show the progress", "job", r.key.ID, "error", err)
		return nil
	}
	r.shown = counts
	return nil
}

// publishSteps lets what follows the scoring run. Where no row was scored, nothing follows.
func (r *runner) publishSteps(ctx context.Context, end ending, done results) (ending, results, error) {
	job, _, err := r.read(ctx, r.key)
	if err != nil || job.Workflow == nil || end.state == orchestrator.JobFailed {
		return end, done, err
	}
	return r.after(ctx, end, done)
}

// after resumes the node and waits until the Workflow has ended (ST6, ST8).
func (r *runner) after(ctx context.Context, end ending, done results) (ending, results, error) {
	var cancelled *orchestrator.Failure
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		view, err := r.lookAfter(ctx, done, cancelled != nil)
		r.awaits(err)
		if err == nil {
			end, done = r.ended(view, end, done, cancelled)
			return end, done, nil
		}
		select {
		case order := <-r.orders:
			if order.end == orchestrator.JobCancelled {
				cancelled = order.why
			}
		case <-ticker.C:
		case <-ctx.Done():
			return end, done, ctx.Err()
		}
	}
}

// lookAfter looks once; an error is what the job waits for, and none means that the Workflow has ended.
func (r *runner) lookAfter(ctx context.Context, done results, stop bool) (view orchestrator.WorkflowView, waits error) {
	job, _, err := r.read(ctx, r.key)
	if err != nil {
		return view, err
	}
	steps, err := r.config.Steps(job.Workflow.Place)
	if err != nil {
		return view, err
	}
	if view, err = r.look(ctx, steps, job); err != nil {
		return view, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	switch {
	case view.State != orchestrator.WorkflowScoring && view.State != orchestrator.WorkflowAfter:
		return view, nil
	case stop:
		err = steps.Tell(ctx, job, orchestrator.WorkflowWord{Stop: true})
	case view.State == orchestrator.WorkflowScoring:
		err = steps.Tell(ctx, job, orchestrator.WorkflowWord{Scored: &orchestrator.Scored{Manifest: done.manifest, Rows: done.counts.RowsDone, Errors: done.counts.RowsFailed}})
	}
	if err == nil {
		err = &stepRuns{view.Message}
	}
	return view, err
}

// ended is what the end of the Workflow makes of a job whose results are written.
func (r *runner) ended(view orchestrator.WorkflowView, end ending, done results, cancelled *orchestrator.Failure) (ending, results) {
	done.told = true
	if view.State == orchestrator.WorkflowDone {
		return end, done
	}
	over := endBy(view)
	if cancelled != nil {
		over = &ending{orchestrator.JobCancelled, cancelled}
	}
	done.failure = &orchestrator.Failure{Code: over.why.Code, Message: over.why.Message + "; its results are complete, and stay"}
	return *over, done
}

// owes says that a job has ended and its Workflow was not told (STC7).
func owes(job orchestrator.Job) bool {
	return job.State.Final() && job.Workflow != nil && !job.Workflow.Ended && !job.Times[orchestrator.JobValidating].IsZero()
}

// tellEnd says to the Workflow how the job has ended (ST10, ST11).
func (d *Dispatcher) tellEnd(ctx context.Context, job orchestrator.Job) error {
	if !owes(job) {
		return nil
	}
	steps, err := d.config.Steps(job.Workflow.Place)
	if err != nil {
		return backoff.Permanent(err) // as long as this process lives
	}
	word := orchestrator.WorkflowWord{Stop: job.State == orchestrator.JobCancelled}
	if !word.Stop {
		word.Failed = job.Failure
	}
	asking, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if err := steps.Tell(asking, job, word); err != nil {
		return err
	}
	_, err = d.update(ctx, job.JobKey, func(now *orchestrator.Job) error {
		if now.Workflow == nil || now.Workflow.Name != job.Workflow.Name {
			return errUnchanged
		}
		kept := *now.Workflow
		kept.Ended = true
		now.Workflow = &kept
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// awaits shows what the job waits for in its Workflow, nil when there is nothing.
func (r *runner) awaits(err error) {
	var failure *orchestrator.Failure
	var runs *stepRuns
	switch {
	case errors.As(err, &runs):
		failure = &orchestrator.Failure{Code: "steps", Message: runs.message}
	case err != nil:
		failure = &orchestrator.Failure{Code: "steps_unknown", Message: err.Error()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = failure
	if known := r.jobs[r.key]; known != nil {
		known.job.Waiting = failure
	}
}
