package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/object"
	"nightshift.dev/nightshift/orchestrator/shard"
)

// close ends the job's work: results where everything is settled, the final record, the consumer, the sweep. Each step may be repeated (R2, R3, R4).
func (r *runner) close(ctx context.Context, end ending) error {
	results := results{failure: end.why}
	if end.state == orchestrator.JobFinalizing {
		if err := r.enterFinalizing(ctx); err != nil {
			return err
		}
		err := r.retry(ctx, "write results", func(ctx context.Context) (err error) {
			results, err = r.writeResults(ctx)
			r.waitingFor(ctx, err)
			return err
		})
		if err != nil {
			return err
		}
		if end, results, err = r.publishSteps(ctx, ending{results.state(), results.failure}, results); err != nil {
			return err
		}
	}
	err := r.retry(ctx, "close the job", func(ctx context.Context) error { return r.config.Store.CloseJob(ctx, r.key) })
	if err != nil {
		return err
	}
	if err := r.settle(ctx, end.state, results); err != nil {
		return err
	}
	job, _, err := r.read(ctx, r.key)
	if err != nil {
		return err
	}
	r.sweep(ctx, job)
	return nil
}

func (r *runner) enterFinalizing(ctx context.Context) error {
	return r.retry(ctx, "say finalizing", func(ctx context.Context) error {
		counts := r.machine.Counts()
		_, err := r.update(ctx, r.key, func(job *orchestrator.Job) error {
			if job.State == orchestrator.JobFinalizing || job.State.Final() {
				return errUnchanged
			}
			counts.BytesTotal = job.Counts.BytesTotal
			job.State, job.Counts = orchestrator.JobFinalizing, counts
			return nil
		})
		if errors.Is(err, errUnchanged) {
			return nil
		}
		return err
	})
}

// settle writes the final record. A record that is final already was written by another orchestrator and stays (R5).
func (r *runner) settle(ctx context.Context, final orchestrator.JobState, results results) error {
	var closed uint64
	counts := r.machine.Counts()
	err := r.retry(ctx, "say "+string(final), func(ctx context.Context) (err error) {
		if closed, err = r.config.Store.LastCommit(ctx, r.key); err != nil {
			return err
		}
		_, err = r.update(ctx, r.key, func(job *orchestrator.Job) error {
			if job.State.Final() {
				return errUnchanged
			}
			counts.BytesTotal = job.Counts.BytesTotal
			job.State, job.Counts, job.Waiting, job.Failure = final, counts, nil, results.failure
			job.Closed = append(job.Closed[:min(job.Epoch, len(job.Closed))], closed)
			if results.manifest != "" {
				job.Manifest, job.Actual = results.manifest, results.actual
			}
			if job.Workflow != nil && results.told {
				kept := *job.Workflow
				kept.Ended = true
				job.Workflow = &kept
			}
			if job.Actual.Finished.IsZero() {
				job.Actual.Finished = time.Now().UTC()
			}
			return nil
		})
		if errors.Is(err, errUnchanged) {
			return nil
		}
		return err
	})
	r.machine.Step(shard.Closed{Seq: closed})
	return err
}

// catchUp reads the commits up to the one with which the epoch ended: they count, for a retry too, whether or not they had been read when the job was cancelled (R6).
func (r *runner) catchUp(ctx context.Context, job orchestrator.Job) error {
	if job.Epoch >= len(job.Closed) {
		return nil
	}
	for r.lastRead < job.Closed[job.Epoch] {
		select {
		case event := <-r.commits:
			r.commitRead(event)
		case <-ctx.Done():
			return fmt.Errorf("commits of job %s up to sequence %d have not been read: %w", job.ID, job.Closed[job.Epoch], ctx.Err())
		}
	}
	return nil
}

// sweep removes every object under the job's parts that no counted commit names (W3, W4, W8). What cannot be removed now is tried again by the late
// sweep.
func (r *runner) sweep(ctx context.Context, job orchestrator.Job) {
	if err := r.sweepOnce(ctx, job); err != nil && ctx.Err() == nil {
		r.config.Log.Warn("the sweep is not complete", "job", r.key.ID, "error", err)
	}
}

func (r *runner) sweepOnce(ctx context.Context, job orchestrator.Job) error {
	ctx, cancel := tryOnce(ctx)
	defer cancel()
	objects, err := object.New(object.Access{Write: job.WriteRoots})
	if err != nil {
		return err
	}
	defer func() { _ = objects.Close() }() // nothing is open
	entries, err := objects.ListNames(ctx, job.Output+"parts/")
	if err != nil || len(entries) == 0 {
		return err
	}
	if err := r.catchUp(ctx, job); err != nil {
		return err
	}
	named, err := r.namedByCommits(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, entry := range entries {
		if named[entry.URI] {
			continue
		}
		failed = errors.Join(failed, objects.Delete(ctx, entry.URI))
	}
	return failed
}

// sweepTemporaries removes what an orchestrator that died while it wrote the manifest or the error file has left beside them (R4). It may not be done
// before the late sweep: another orchestrator may be writing them (R5).
func (r *runner) sweepTemporaries(ctx context.Context, job orchestrator.Job) error {
	objects, err := object.New(object.Access{Write: job.WriteRoots})
	if err != nil {
		return err
	}
	defer func() { _ = objects.Close() }() // nothing is open
	var failed error
	for _, name := range []string{api.ManifestFile, api.ErrorsFile} {
		entries, err := objects.ListNames(ctx, job.Output+name)
		failed = errors.Join(failed, err)
		for _, entry := range entries {
			if object.IsTemporary(entry.URI) {
				failed = errors.Join(failed, objects.Delete(ctx, entry.URI))
			}
		}
	}
	return failed
}

// namedByCommits collects the objects that the deciding commits name.
func (r *runner) namedByCommits(ctx context.Context) (map[string]bool, error) {
	named := map[string]bool{}
	for cut := range r.machine.ScoreCuts() {
		sequence := r.machine.CommitSeq(cut.Number)
		if sequence == 0 {
			continue
		}
		commit, err := r.config.Store.CommitAt(ctx, sequence)
		if err != nil {
			return nil, err
		}
		for _, written := range []*orchestrator.ObjectRef{commit.Result, commit.Errors} {
			if written != nil {
				named[written.URI] = true
			}
		}
	}
	return named, nil
}

// lateAfter is when no attempt on a job that has ended can write any more: its shard would have been given to another long ago.
func (d *Dispatcher) lateAfter() time.Duration { return 2*d.config.Store.AckWait() + 10*time.Second }

// sweepsLate says whether a job that has ended still has its late sweep before it.
func (d *Dispatcher) sweepsLate(job orchestrator.Job) bool {
	return job.State.Final() && !job.Deleted && time.Since(job.Times[job.State]) < 2*d.lateAfter()
}

// lateSweep sweeps again when zombies can no longer write (W11).
func (r *runner) lateSweep(ctx context.Context, job orchestrator.Job) {
	select {
	case <-time.After(time.Until(job.Times[job.State].Add(r.lateAfter()))):
	case <-ctx.Done():
		return
	}
	if r.machine == nil { // this process did not run the job: read its records first
		if err := r.replay(ctx, job); err != nil {
			r.complain(ctx, err)
			return
		}
	}
	r.sweep(ctx, job)
	if err := r.sweepTemporaries(ctx, job); err != nil && ctx.Err() == nil {
		r.config.Log.Warn("the late sweep is not complete", "job", r.key.ID, "error", err)
	}
}
