package dispatch

import (
	"context"
	"errors"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/shard"
)

// Fact is what a commit teaches about speed.
type Fact = planner.Fact

// Views gives what the planner has to know of every job that has not ended, in any order.
func (d *Dispatcher) Views() []orchestrator.JobView {
	d.mu.Lock()
	defer d.mu.Unlock()
	views := make([]orchestrator.JobView, 0, len(d.jobs))
	for key, known := range d.jobs {
		if known.job.Deleted || known.job.State.Final() || known.job.Standing != nil {
			continue
		}
		views = append(views, viewOf(key, known))
	}
	return views
}

func viewOf(key orchestrator.JobKey, known *entry) orchestrator.JobView {
	job := &known.job
	view := orchestrator.JobView{
		JobKey: key, Epoch: job.Epoch, State: job.State, Model: job.Model, Submitted: job.Times[orchestrator.JobQueued], Deadline: job.Deadline,
		RowsTotal: max(job.Counts.RowsTotal, job.Estimate.Rows, 0), RowsLeft: job.Estimate.Rows, RowsUncut: job.Estimate.Rows, RowBytes: rowBytes(known.job), BatchRows: job.BatchRows,
	}
	view.Prepares = job.Workflow != nil && (job.State == orchestrator.JobQueued || job.State == orchestrator.JobValidating)
	if job.Estimate.Rows <= 0 {
		view.RowsLeft, view.RowsUncut = -1, -1
	}
	if known.runner != nil && known.runner.seen.shown {
		seen := known.runner.seen
		view.RowsLeft, view.RowsUncut, view.RowBytes = seen.rowsLeft, seen.rowsUncut, seen.rowBytes
		view.ShardsLeft, view.CutAll = seen.unsettled, seen.cutAll
	}
	return view
}

// seen is what a runner last told of its machine; guarded by Dispatcher.mu.
type seen struct {
	shown               bool
	rowsLeft, rowsUncut int64
	rowBytes            float64
	unsettled           int
	cutAll              bool
	reach               []orchestrator.Position // of a standing job
}

// show tells the others how far the machine is.
func (r *runner) show() {
	now := seen{true, r.machine.RowsLeft(), r.machine.RowsUncut(), r.machine.RowBytes(), r.machine.Unsettled(), r.machine.CutAll(), r.machine.Standing()}
	r.mu.Lock()
	changed := r.seen.unsettled != now.unsettled || r.seen.cutAll != now.cutAll || !r.seen.shown
	moved := !slices.Equal(r.seen.reach, now.reach)
	r.seen = now
	r.mu.Unlock()
	if moved {
		r.standing.nudge()
	}
	if changed {
		r.config.Wake()
	}
}

// TakeFacts gives what was learned about speeds since the last call.
func (d *Dispatcher) TakeFacts() []Fact {
	d.mu.Lock()
	defer d.mu.Unlock()
	facts := d.facts
	d.facts = nil
	return facts
}

// Apply hears what workers say of themselves, opens the jobs that the plan opens, and tells every open job how to be cut and what to expect.
func (d *Dispatcher) Apply(plan orchestrator.Plan, workers []orchestrator.Presence) {
	d.observe(workers)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range plan.Open {
		if known := d.jobs[key]; known != nil && !known.job.State.Final() && !known.job.Deleted {
			d.startLocked(key, known)
		}
	}
	d.serveLocked(plan.Queues)
	for _, wanted := range plan.Jobs {
		known := d.jobs[wanted.JobKey]
		if known == nil {
			continue
		}
		known.job.Expected = orchestrator.Expected{
			Start: wanted.Start, Finish: wanted.Finish, FinishLow: wanted.FinishLow, FinishHigh: wanted.FinishHigh, Position: wanted.Position,
		}
		if known.runner != nil && wanted.Ahead > 0 {
			known.runner.order(order{demand: &shard.Demand{
				Rows: wanted.ShardRows, Workers: wanted.Sharing, BatchRows: known.job.BatchRows, Ahead: wanted.Ahead,
			}})
		}
	}
}

// order gives a runner an order without waiting; one that finds the queue full is repeated by the next plan.
func (r *runner) order(order order) {
	select {
	case r.orders <- order:
	default:
	}
}

// loadsUntilFailed is how many loads in a row fail, none succeeding on any worker, before the jobs of a model fail (P4).
const loadsUntilFailed = 3

// observe looks at what workers say of themselves: models that do not load, outputs that cannot be written.
func (d *Dispatcher) observe(workers []orchestrator.Presence) {
	loaded, failing := map[string]bool{}, map[string]orchestrator.Presence{}
	blocked := map[string]*orchestrator.Failure{}
	for _, worker := range workers {
		switch {
		case worker.LoadFailures >= loadsUntilFailed:
			if worker.FailedAt.After(failing[worker.Model.Digest].FailedAt) {
				failing[worker.Model.Digest] = worker
			}
		case worker.LoadFailures == 0 && worker.LoadSeconds > 0:
			loaded[worker.Model.Digest] = true
		}
		if worker.Blocked != nil {
			blocked[worker.BlockedJob] = worker.Blocked
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, known := range d.jobs {
		if known.runner == nil || known.job.State.Final() {
			continue
		}
		if known.job.Waiting = blocked[key.ID]; known.job.Waiting == nil {
			known.job.Waiting = known.runner.waiting
		}
		// A failure from before this epoch was opened says nothing: the model may have been mended.
		last, ok := failing[known.job.Model.Digest]
		if ok && known.job.Standing != nil { // its rows wait until the model loads
			known.job.Waiting = last.Failure
			continue
		}
		if ok && !loaded[known.job.Model.Digest] && last.FailedAt.After(known.job.Times[orchestrator.JobValidating]) {
			known.runner.order(order{end: orchestrator.JobFailed, why: last.Failure})
		}
	}
}

// waitingFor shows what a step of the runner waits for, nil when it went through.
func (r *runner) waitingFor(_ context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.jobs[r.key]
	switch {
	case known == nil:
	case err == nil:
		known.job.Waiting = nil
	default:
		known.job.Waiting = &orchestrator.Failure{Code: "results_not_written", Message: err.Error()}
	}
}

// sweepEvery is how often old records are looked for.
const sweepEvery = 10 * time.Second

// sweepRecords expires waiting jobs, keeps ended ones within their bounds, and forgets tombstones whose time is over.
func (d *Dispatcher) sweepRecords(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := d.sweepRecordsOnce(ctx, time.Now().UTC()); err != nil && ctx.Err() == nil {
				d.config.Log.Warn("sweeping old records", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (d *Dispatcher) sweepRecordsOnce(ctx context.Context, now time.Time) error {
	var failed error
	for _, due := range d.due(now) {
		failed = errors.Join(failed, due(ctx))
	}
	return failed
}

// due lists what has to be done with records at this time.
func (d *Dispatcher) due(now time.Time) (actions []func(context.Context) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ended, keep := map[queueName][]orchestrator.Job{}, map[queueName]time.Duration{}
	for key, known := range d.jobs {
		job, revision, name := known.job, known.revision, queueName{key.Tenant, key.Queue}
		if _, asked := keep[name]; job.Deleted && !asked {
			keep[name] = d.keepKeys(name) // once for all tombstones of a queue: there may be many
		}
		switch {
		case known.runner != nil:
		case job.Deleted && now.Sub(job.Updated) > keep[name]:
			actions = append(actions, func(ctx context.Context) error { return d.config.Store.ForgetJob(ctx, key, revision) })
		case job.Deleted && job.WorkKept && now.Sub(job.Times[job.State]) > d.lateAfter():
			actions = append(actions, func(ctx context.Context) error { return d.forgetWork(ctx, key) })
		case job.Deleted:
		case job.State.Final():
			ended[name] = append(ended[name], job)
		case !job.ExpiresAt.IsZero() && now.After(job.ExpiresAt) && job.State == orchestrator.JobQueued:
			actions = append(actions, func(ctx context.Context) error { return d.expire(ctx, key) })
		}
	}
	for name, jobs := range ended {
		queue, ok := d.config.Catalog.Queue(name.tenant, name.name)
		if !ok {
			continue
		}
		slices.SortFunc(jobs, func(a, b orchestrator.Job) int { return b.Times[b.State].Compare(a.Times[a.State]) })
		for i, job := range jobs {
			age := now.Sub(job.Times[job.State])
			if d.lastOfChain(job) {
				continue // the next one begins where it ends
			}
			if age > d.lateAfter() && (i >= queue.FinishedJobs || age > queue.KeepFinished) {
				actions = append(actions, func(ctx context.Context) error { return d.bury(ctx, job.JobKey) })
			}
		}
	}
	return actions
}

// keepKeysOfNone is for a queue that is not in the documents any more.
const keepKeysOfNone = 90 * 24 * time.Hour

// keepKeys is how long the tombstones of a queue answer for their idempotency keys.
func (d *Dispatcher) keepKeys(of queueName) time.Duration {
	if queue, ok := d.config.Catalog.Queue(of.tenant, of.name); ok {
		return queue.KeepKeys
	}
	return keepKeysOfNone
}

func (d *Dispatcher) expire(ctx context.Context, key orchestrator.JobKey) error {
	_, err := d.update(ctx, key, func(job *orchestrator.Job) error {
		if job.State != orchestrator.JobQueued {
			return errUnchanged
		}
		job.State = orchestrator.JobExpired
		job.Failure = &orchestrator.Failure{Code: "expired", Message: "the job's time to live was over before it was opened"}
		job.Closed = append(job.Closed[:min(job.Epoch, len(job.Closed))], 0)
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}
