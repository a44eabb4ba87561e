package dispatch

import (
	"context"
	"errors"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/shard"
	"nightshift.dev/nightshift/orchestrator/state"
)

// ending says how a job's work ended: with everything settled (state finalizing), or before that.
type ending struct {
	state orchestrator.JobState
	why   *orchestrator.Failure
}

// saveEvery is how often progress is stored in the job's record; a reader of the API sees it at once.
const saveEvery = 2 * time.Second

// step feeds the machine and keeps what it wants done.
func (r *runner) step(event shard.Event) {
	r.pending = append(r.pending, r.machine.Step(event)...)
}

// work performs effects and takes events until everything is settled or somebody ends the job.
func (r *runner) work(ctx context.Context) (ending, error) {
	expiry := r.expiryTimer(ctx)
	defer expiry.Stop()
	looks, stop := r.looks(ctx)
	defer stop()
	for {
		end, err := r.perform(ctx)
		if err != nil {
			return ending{}, err
		}
		r.show()
		if err := r.keepEnds(ctx); err != nil {
			return ending{}, err
		}
		if end != nil {
			return *end, nil
		}
		select {
		case event := <-r.commits:
			r.commitRead(event)
			r.drainCommits()
		case order := <-r.orders:
			if order.end != "" {
				return ending{order.end, order.why}, nil
			}
			if order.demand != nil {
				r.step(*order.demand)
			}
			if order.grow != nil {
				r.step(*order.grow)
			}
		case <-expiry.C:
			return *expired(), nil
		case <-looks:
			if end := r.during(ctx); end != nil {
				return *end, nil
			}
		case <-ctx.Done():
			return ending{}, ctx.Err()
		}
	}
}

func expired() *ending {
	return &ending{orchestrator.JobExpired, &orchestrator.Failure{Code: "expired", Message: "the job's time to live was over before every shard was settled"}}
}

// looks is when the Workflow of the job is looked at; never where it has none.
func (r *runner) looks(ctx context.Context) (<-chan time.Time, func()) {
	if job, _, err := r.read(ctx, r.key); err != nil || job.Workflow == nil {
		return nil, func() {}
	}
	ticker := time.NewTicker(lookEvery)
	return ticker.C, ticker.Stop
}

// drainCommits takes what has come meanwhile, so that effects are computed for many commits at once.
func (r *runner) drainCommits() {
	for range cap(r.commits) {
		select {
		case event := <-r.commits:
			r.commitRead(event)
		default:
			return
		}
	}
}

func (r *runner) expiryTimer(ctx context.Context) *time.Timer {
	job, _, err := r.read(ctx, r.key)
	if err != nil || job.ExpiresAt.IsZero() {
		return time.NewTimer(never)
	}
	return time.NewTimer(time.Until(job.ExpiresAt))
}

const never = 1 << 62 * time.Nanosecond

// perform does what is due, in order; each step feeds the machine, which may want more.
func (r *runner) perform(ctx context.Context) (*ending, error) {
	for len(r.pending) > 0 {
		effect := r.pending[0]
		r.pending = r.pending[1:]
		var err error
		switch effect := effect.(type) {
		case shard.AppendJournal:
			err = r.appendJournal(ctx, effect)
		case shard.ReadJournal:
			err = r.retry(ctx, "read the journal", func(ctx context.Context) error { return r.readJournal(ctx, effect.From) })
		case shard.Publish:
			err = r.publish(ctx, effect.Shards)
		case shard.Progress:
			err = r.progress(ctx, effect.Counts)
		case shard.Fail:
			return &ending{orchestrator.JobFailed, &effect.Failure}, nil
		case shard.AllSettled:
			return &ending{state: orchestrator.JobFinalizing}, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// appendJournal records cuts. A refusal means that another splitter, or an earlier try of this one, has written (C4).
func (r *runner) appendJournal(ctx context.Context, effect shard.AppendJournal) error {
	return r.retry(ctx, "record cuts", func(ctx context.Context) error {
		sequence, err := r.config.Store.AppendJournal(ctx, r.key, effect.Expected, effect.Entry)
		switch {
		case err == nil:
			r.step(shard.JournalRead{Seq: sequence, Entry: effect.Entry})
		case errors.Is(err, state.ErrConflict):
			r.step(shard.AppendRefused{})
		default:
			return err
		}
		return nil
	})
}

func (r *runner) readJournal(ctx context.Context, after uint64) error {
	return r.config.Store.ReadJournal(ctx, r.key, after, func(sequence uint64, entry orchestrator.JournalEntry) {
		r.step(shard.JournalRead{Seq: sequence, Entry: entry})
	})
}

// publish puts recorded shards into the stream (C2, C3), and says running with the first one to be scored.
func (r *runner) publish(ctx context.Context, shards []orchestrator.Shard) error {
	err := r.retry(ctx, "publish shards", func(ctx context.Context) error { return r.config.Store.PublishShards(ctx, shards) })
	if err != nil {
		return err
	}
	numbers := make([]int, len(shards))
	for i, published := range shards {
		numbers[i] = published.Number
	}
	r.step(shard.Published{Numbers: numbers})
	if shards[len(shards)-1].Kind == orchestrator.ShardScore {
		return r.enter(ctx, orchestrator.JobRunning)
	}
	return nil
}

// enter moves an open job to a later open state.
func (r *runner) enter(ctx context.Context, next orchestrator.JobState) error {
	err := r.retry(ctx, "say "+string(next), func(ctx context.Context) error {
		_, err := r.update(ctx, r.key, func(job *orchestrator.Job) error {
			if job.State == next || !job.State.Open() || job.State == orchestrator.JobRunning {
				return errUnchanged
			}
			job.State = next
			return nil
		})
		if errors.Is(err, errUnchanged) {
			return nil
		}
		return err
	})
	return err
}

// progress shows the counts at once and stores them now and then; what is stored is for people, the commits are what counts.
func (r *runner) progress(ctx context.Context, counts orchestrator.Counts) error {
	r.mu.Lock()
	known := r.jobs[r.key]
	if known != nil {
		counts.BytesTotal = known.job.Counts.BytesTotal
		if known.job.Counts.RowsTotal > 0 && !counts.RowsExact && counts.RowsTotal <= 0 {
			counts.RowsTotal = known.job.Counts.RowsTotal
		}
		known.job.Counts = counts
	}
	r.mu.Unlock()
	if time.Since(r.saved) < saveEvery {
		return nil
	}
	r.saved = time.Now()
	_, err := r.update(ctx, r.key, func(job *orchestrator.Job) error {
		if job.State.Final() {
			return errUnchanged
		}
		job.Counts = counts
		return nil
	})
	if err != nil && !errors.Is(err, errUnchanged) && ctx.Err() == nil {
		r.config.Log.Warn("progress is not stored", "job", r.key.ID, "error", err)
	}
	return ctx.Err()
}

// watchCommits gives every commit to the runner, from the first on; after an interruption, again from the first (they are ignored then).
func (r *runner) watchCommits(ctx context.Context) {
	caughtUp := false
	for ctx.Err() == nil {
		err := r.config.Store.WatchCommits(ctx, r.key, func(event state.CommitEvent) {
			if event.CaughtUp && caughtUp {
				return
			}
			caughtUp = caughtUp || event.CaughtUp
			select {
			case r.commits <- event:
			case <-ctx.Done():
			}
		})
		if ctx.Err() == nil {
			r.config.Log.Warn("the watch on commits ended and begins again", "job", r.key.ID, "error", err)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// commitRead feeds one commit to the machine and to what is learned about speeds.
func (r *runner) commitRead(event state.CommitEvent) {
	if event.CaughtUp {
		return
	}
	r.lastRead = max(r.lastRead, event.Sequence)
	before := r.machine.Counts().ShardsDone
	r.step(shard.CommitRead{Seq: event.Sequence, Commit: event.Commit})
	if r.machine.Counts().ShardsDone > before && event.Commit.Outcome == orchestrator.OutcomeScored {
		r.learn(event.Commit)
	}
}

// learn keeps a fact for the planner, within bounds: after a restart old commits are read again, and nobody may have asked yet.
func (r *runner) learn(commit orchestrator.Commit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.jobs[r.key]
	if known == nil || len(r.facts) >= 10_000 || time.Since(commit.Finished) > time.Hour {
		return
	}
	r.facts = append(r.facts, planner.Fact{
		Model: known.job.Model.Name, Pool: commit.Pool, Rows: commit.RowsIn, Seconds: commit.Seconds, LoadSeconds: commit.LoadSeconds,
	})
	r.config.Wake()
}

// rowBytes is the average length of a row that the submit saw in its sample; 0 is unknown.
func rowBytes(job orchestrator.Job) float64 {
	if job.Estimate.Rows <= 0 {
		return 0
	}
	return float64(job.Counts.BytesTotal) / float64(job.Estimate.Rows)
}
