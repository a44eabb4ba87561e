package dispatch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/shard"
	"nightshift.dev/nightshift/orchestrator/state"
)

// runner owns one open job: its machine, and everything that is done for it.
type runner struct {
	*Dispatcher
	key      orchestrator.JobKey
	machine  *shard.Machine
	commits  chan state.CommitEvent
	lastRead uint64 // sequence of the newest of them that the machine has been given
	orders   chan order
	stop     context.CancelFunc
	done     chan struct{}
	pending  []shard.Effect // not performed yet
	saved    time.Time      // when the counts were last stored

	shown   orchestrator.Counts // what the job's Workflow was last told
	shownAt time.Time

	seen    seen                  // guarded by Dispatcher.mu
	waiting *orchestrator.Failure // for what in its Workflow; guarded by Dispatcher.mu
}

// order is what others ask of a runner.
type order struct {
	demand *shard.Demand
	grow   *shard.Grow
	end    orchestrator.JobState // cancelled, expired or failed
	why    *orchestrator.Failure
}

// startLocked makes the runner of a job that has none. d.mu is held.
func (d *Dispatcher) startLocked(key orchestrator.JobKey, known *entry) {
	if known.runner != nil || d.lifetime == nil || d.lifetime.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(d.lifetime)
	r := &runner{
		Dispatcher: d, key: key, commits: make(chan state.CommitEvent, 256), orders: make(chan order, 16),
		stop: cancel, done: make(chan struct{}),
	}
	known.runner = r
	d.runners.Go(func() {
		defer close(r.done)
		defer cancel()
		r.run(ctx)
		d.mu.Lock()
		if current := d.jobs[key]; current != nil && current.runner == r {
			current.runner = nil
		}
		d.mu.Unlock()
		d.config.Wake()
	})
}

// retry does something until it works or ctx ends. A runner has nothing better to do than to try again: what it waits for is NATS or an
// output, and the job says so.
func (r *runner) retry(ctx context.Context, what string, do func(context.Context) error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		try, cancel := tryOnce(ctx)
		defer cancel()
		err := do(try)
		var permanent *backoff.PermanentError
		if err != nil && ctx.Err() == nil && !errors.As(err, &permanent) {
			r.config.Log.Warn("trying again", "job", r.key.ID, "step", what, "error", err)
		}
		return struct{}{}, err
	}, backoff.WithMaxElapsedTime(0), backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, Multiplier: 2, MaxInterval: 10 * time.Second, RandomizationFactor: .3,
	}))
	return err
}

// tryWithin bounds one try of a step, the longest being the joining of an error file.
const tryWithin = 30 * time.Minute

// tryOnce ends a try. It has no deadline: JetStream's client would give each request all the time that is left, and one answer that was lost with its
// server would hold everything up. Without one each request has five seconds.
func tryOnce(ctx context.Context) (context.Context, context.CancelFunc) {
	try, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(tryWithin, cancel)
	return try, func() {
		timer.Stop()
		cancel()
	}
}

// run takes the job from wherever its record says it is to its end.
func (r *runner) run(ctx context.Context) {
	job, _, err := r.read(ctx, r.key)
	if err != nil {
		return
	}
	if job.State.Final() {
		r.afterwards(ctx, job)
		return
	}
	early, err := r.open(ctx, job)
	if err != nil {
		r.complain(ctx, err)
		return
	}
	var end ending
	if early != nil {
		end = *early
	} else if end, err = r.work(ctx); err != nil {
		r.complain(ctx, err)
		return
	}
	if err := r.close(ctx, end); err != nil {
		r.complain(ctx, err)
		return
	}
	if job, _, err := r.read(ctx, r.key); err == nil {
		r.config.Wake()
		r.afterwards(ctx, job)
	}
}

// afterwards is what is left to do for a job that has ended: its Workflow is told, and what zombies write is swept.
func (r *runner) afterwards(ctx context.Context, job orchestrator.Job) {
	var told sync.WaitGroup
	told.Go(func() {
		err := r.retry(ctx, "tell the Workflow that the job has ended", func(ctx context.Context) error { return r.tellEnd(ctx, job) })
		if err != nil && ctx.Err() == nil {
			r.config.Log.Warn("the Workflow of a job that has ended is not told", "job", r.key.ID, "error", err)
		}
	})
	r.lateSweep(ctx, job)
	told.Wait()
}

// complain reports an error that ends the runner, unless it was told to end.
func (r *runner) complain(ctx context.Context, err error) {
	if ctx.Err() == nil {
		r.config.Log.Error("the job is left as it is until it is opened again", "job", r.key.ID, "error", err)
	}
}

// open says validating, makes the consumer (C6), waits for the steps before the scoring, and replays the records (R1): journal, commits, and what lies in the shard
// stream. An ending: the steps have ended the job.
func (r *runner) open(ctx context.Context, job orchestrator.Job) (*ending, error) {
	err := r.retry(ctx, "open", func(ctx context.Context) error {
		updated, err := r.update(ctx, r.key, func(job *orchestrator.Job) error {
			if job.State != orchestrator.JobQueued {
				return errUnchanged
			}
			job.State = orchestrator.JobValidating
			return nil
		})
		if err == nil {
			job = updated
		} else if !errors.Is(err, errUnchanged) {
			return err
		}
		return r.config.Store.OpenJob(ctx, r.key)
	})
	if err != nil {
		return nil, err
	}
	end, err := r.before(ctx, job)
	if err != nil {
		return nil, err
	}
	if job, _, err = r.read(ctx, r.key); err != nil {
		return nil, err
	}
	if err := r.replay(ctx, job); err != nil || end != nil {
		return end, err
	}
	var found []int
	err = r.retry(ctx, "list published shards", func(ctx context.Context) (err error) {
		found, err = r.config.Store.PublishedShards(ctx, r.key, job.Epoch)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.step(shard.Found{Numbers: found})
	return nil, r.enter(ctx, orchestrator.JobPlanning)
}

// replay rebuilds the machine from the journal and the commits, and goes on following the commits.
func (r *runner) replay(ctx context.Context, job orchestrator.Job) error {
	r.machine = shard.NewMachine(r.key, job.Epoch, job.Closed, rowBytes(job))
	if job.Standing != nil && job.Standing.Ordered {
		r.machine.KeepOrder()
	}
	if err := r.retry(ctx, "read the journal", func(ctx context.Context) error { return r.readJournal(ctx, 0) }); err != nil {
		return err
	}
	r.runners.Go(func() { r.watchCommits(ctx) })
	for {
		select {
		case event := <-r.commits:
			r.commitRead(event)
			if event.CaughtUp {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
