package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/state"
)

// attempt is one try at one shard.
type attempt struct {
	*worker
	id       string
	delivery *state.Delivery
	shard    orchestrator.Shard
	*jobContext

	again   *again    // nil unless only some rows are scored
	history history   // of earlier attempts
	guard   uint64    // of the next attempt record
	turnAt  time.Time // when it began to feed the scorer
	load    float64   // seconds of loading within this attempt
	scored  int64     // rows that were committed
}

type worker = Worker

// attempt takes a shard from the pull to its acknowledgement. work outlives drain by the worker's grace.
func (w *Worker) attempt(work, drain context.Context, delivery *state.Delivery) {
	ctx, cancel := context.WithCancel(work)
	defer cancel()
	a := &attempt{worker: w, id: newAttemptID(w.config.ID), delivery: delivery, shard: delivery.Shard}
	go a.keep(ctx)
	err := a.run(ctx, drain)
	if err == nil {
		return
	}
	a.giveUp(ctx, err)
}

// keep is the shard's heartbeat: without it the server gives the shard to another worker after the ack wait.
func (a *attempt) keep(ctx context.Context) {
	ticker := time.NewTicker(a.store.AckWait() / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := a.delivery.Keep(); err != nil {
				a.config.Log.Warn("shard heartbeat failed", "shard", a.shard.ID(), "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// run is the order of the steps: look, start, score and write, commit, acknowledge.
func (a *attempt) run(ctx, drain context.Context) (err error) {
	settled, err := a.look(ctx)
	if err != nil || settled {
		return err
	}
	select { // one attempt feeds the scorer at a time; a shard fetched ahead waits here
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	giveTurn := sync.OnceFunc(func() { <-a.turn })
	defer giveTurn()
	if drain.Err() != nil { // fetched ahead, not begun: it goes back at once (W12)
		return errDrained
	}
	if err := a.with.enter(ctx, a.shard.JobKey); err != nil {
		return err
	}
	defer a.with.leave()
	a.turnAt = time.Now()
	a.presence.take(a.shard)
	defer a.presence.drop(a.shard)
	if a.shard.Kind == orchestrator.ShardScore {
		a.progress.take(a.shard, a.job)
		defer func() { a.progress.drop(a.shard, a.scored) }()
	}
	a.logs.about(ctx, a.shard.JobKey)
	if err := a.start(ctx); err != nil {
		return err
	}
	commit, err := a.execute(ctx, giveTurn)
	if err != nil {
		return err
	}
	return a.decide(ctx, commit)
}

// look asks whether the shard is settled already, or belongs to a job that has moved on. Then it is only acknowledged (C5, W5, W9).
func (a *attempt) look(ctx context.Context) (settled bool, err error) {
	a.jobContext, err = a.jobs.of(ctx, a.shard)
	if errors.Is(err, state.ErrNotFound) || err == nil && over(a.job, a.shard) {
		return true, a.delivery.Ack(ctx)
	}
	if err != nil {
		return false, err
	}
	_, err = a.store.CommitOf(ctx, a.shard)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, a.delivery.Ack(ctx)
}

// over says whether a job has ended, or has been opened again, since the shard was cut: nobody waits for it any more.
func over(job orchestrator.Job, shard orchestrator.Shard) bool {
	return job.Epoch > shard.Epoch || job.Epoch == shard.Epoch && job.State.Final()
}

// start records that this attempt begins, so that a machine lost from here on can be counted (W2).
func (a *attempt) start(ctx context.Context) error {
	if a.delivery.Deliveries > 1 {
		if err := a.readHistory(ctx); err != nil {
			return err
		}
	}
	for range 10 { // each conflict is another worker's record: read and try again (W14)
		at, err := a.store.RecordAttempt(ctx, a.shard, a.guard, a.event(orchestrator.AttemptStarted, nil))
		if err == nil {
			a.guard = at
			return nil
		}
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
		if err := a.readHistory(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("start an attempt on shard %s: %w", a.shard.ID(), state.ErrConflict)
}

func (a *attempt) readHistory(ctx context.Context) error {
	events, last, err := a.store.Attempts(ctx, a.shard)
	a.history, a.guard = historyOf(events, a.id), last
	return err
}

func (a *attempt) event(kind orchestrator.AttemptKind, failure *orchestrator.Failure) orchestrator.AttemptEvent {
	return orchestrator.AttemptEvent{Attempt: a.id, Worker: a.config.ID, Kind: kind, At: time.Now().UTC(), Failure: failure}
}

// resolveWithin bounds how long a worker tries to learn what became of its commit; NATS may be away.
const resolveWithin = 10 * time.Minute

// decide stores the commit and acknowledges. A refused commit is another attempt's win: this one's objects go (W7). While it is unknown what
// became of the commit, nothing is deleted (W6, N2).
func (a *attempt) decide(ctx context.Context, commit orchestrator.Commit) error {
	won, err := backoff.Retry(ctx, func() (bool, error) {
		return a.commit(ctx, commit)
	}, backoff.WithMaxElapsedTime(resolveWithin), backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 50 * time.Millisecond, Multiplier: 2, MaxInterval: 5 * time.Second, RandomizationFactor: .3,
	}))
	if err != nil {
		if errors.Is(err, state.ErrFull) { // certainly not stored (D4)
			a.remove(ctx, commit)
		}
		return err
	}
	if a.scored = commit.RowsIn; !won {
		a.scored = 0
		a.remove(ctx, commit)
	}
	a.presence.blocked("", nil)
	return a.delivery.Ack(ctx)
}

// commit sends the commit once and says whether this attempt has won.
func (a *attempt) commit(ctx context.Context, commit orchestrator.Commit) (won bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	stored := a.store.Commit(ctx, a.shard, commit)
	if stored == nil {
		return true, nil
	}
	existing, err := a.store.CommitOf(ctx, a.shard)
	switch {
	case err == nil:
		return existing.Attempt == a.id, nil
	case errors.Is(err, state.ErrNotFound) && errors.Is(stored, state.ErrFull):
		return false, backoff.Permanent(stored) // certainly not there: make room for others meanwhile (D4)
	case errors.Is(err, state.ErrNotFound):
		return false, stored // not there: send it again
	}
	return false, err
}

// remove deletes the objects that a commit names. What cannot be deleted is swept at the end of the job (W8).
func (a *attempt) remove(ctx context.Context, commit orchestrator.Commit) {
	for _, written := range []*orchestrator.ObjectRef{commit.Result, commit.Errors} {
		if written == nil {
			continue
		}
		if err := a.objects.Delete(ctx, written.URI); err != nil {
			a.config.Log.Warn("an object of a lost attempt stays until the sweep", "uri", written.URI, "error", err)
		}
	}
}

// giveUp records how the attempt ended and hands the shard back.
func (a *attempt) giveUp(ctx context.Context, err error) {
	why, failure := diagnose(ctx, err)
	kind, delay := orchestrator.AttemptFailed, time.Duration(0)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if why == causeBlocked && a.isOver(last) { // its objects were swept while it wrote them (W11)
		if err := a.delivery.Ack(last); err != nil {
			a.config.Log.Info("a shard of a job that is over is not acknowledged", "shard", a.shard.ID(), "error", err)
		}
		return
	}
	switch why {
	case causeDrained, causeLoad, causeShort:
		kind = orchestrator.AttemptHandedBack
	case causeBlocked:
		kind, delay = orchestrator.AttemptBlocked, min(time.Second<<min(a.history.blocked, 5), 30*time.Second)
		a.presence.blocked(a.shard.JobKey.ID, &failure)
	}
	if why != causeDrained {
		a.config.Log.Warn("attempt failed", "shard", a.shard.ID(), "kind", kind, "code", failure.Code, "error", err)
	}
	if a.guard > 0 { // it was started
		if _, err := a.store.RecordAttempt(last, a.shard, a.guard, a.event(kind, &failure)); err != nil {
			a.config.Log.Warn("the end of an attempt is not recorded: it will count as a lost machine", "shard", a.shard.ID(), "error", err)
		}
	}
	if err := a.delivery.HandBack(delay); err != nil {
		a.config.Log.Warn("hand-back failed: the shard comes back after the ack wait", "shard", a.shard.ID(), "error", err)
	}
}

// isOver asks the record: the job may have ended since it was looked at.
func (a *attempt) isOver(ctx context.Context) bool {
	job, _, err := a.store.Job(ctx, a.shard.JobKey)
	return errors.Is(err, state.ErrNotFound) || err == nil && over(job, a.shard)
}
