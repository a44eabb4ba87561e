package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/format"
	"nightshift.dev/nightshift/orchestrator/state"
)

// Config is what one worker is told when it starts.
type Config struct {
	ID   string // unique over all workers that ever were
	Pool string
	Slot int
	Host string
	// Grace is how long a shard in hand may still be worked on after the order to end; then it is handed back.
	Grace time.Duration
	// Heartbeat is the time between two words of presence. Below a third of the presence's time to live.
	Heartbeat time.Duration
	// Orphan is how long a worker goes on without reaching NATS before it ends.
	Orphan time.Duration
	// Messages reads the sources of standing jobs, and publishes their results.
	Messages Messages
	// ProgressFile is where Argo reads how far the pod is; empty: nobody does.
	ProgressFile string
	Log          *slog.Logger
}

// Messages reads ranges of sources, and publishes results beside them.
type Messages interface {
	Open(ctx context.Context, source orchestrator.Source, from orchestrator.Object, part orchestrator.Range) (format.Messages, error)
	// Publish returns when all rows are stored, in their order, but for those that it marks as refused.
	Publish(ctx context.Context, source orchestrator.Source, to orchestrator.ResultsTo, rows []orchestrator.Published) error
}

// Worker pulls, scores and commits until it is told to end.
type Worker struct {
	config      Config
	store       *state.Store
	presence    *presence
	assignments *assignments
	session     *session
	jobs        *jobs
	logs        *logs
	progress    *progressFile
	turn        chan struct{} // held by the attempt that feeds the scorer
	with        oneJob        // whose rows the scorer has
	spent       spent
}

// held is the most shards a worker holds: the one being scored and one fetched ahead.
const held = 2

// New makes a worker; Run starts it.
func New(config Config, store *state.Store) *Worker {
	w := &Worker{
		config: config, store: store, presence: newPresence(config, store), assignments: newAssignments(config.ID, store),
		jobs: newJobs(store), logs: newLogs(config.ID, store), progress: newProgressFile(config.ProgressFile, config.Log), turn: make(chan struct{}, 1),
	}
	used := &memory{assignments: w.assignments, tell: w.presence.soon}
	w.presence.measured = used.measured
	w.session = &session{log: w.logs.line, loading: w.presence.loading, memory: used}
	return w
}

// Run works until ctx ends (then it finishes or hands back what it holds), until its assignment says drain, or until NATS has been out of
// reach for too long.
func (w *Worker) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	stopListening, err := w.assignments.listen()
	if err != nil {
		return err
	}
	defer stopListening()

	work, abandon := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx by the grace
	defer abandon()
	var background sync.WaitGroup
	background.Go(func() { w.heartbeats(work, stop) })
	background.Go(func() { w.logs.run(work) })

	var attempts sync.WaitGroup
	w.pullLoop(ctx, work, &attempts)
	w.presence.set(func(p *orchestrator.Presence) { p.State = orchestrator.WorkerDraining })
	w.finish(&attempts, abandon)
	w.session.stop()
	abandon()
	background.Wait()
	w.presence.remove()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// finish waits for the attempts in hand; after the grace they are abandoned and hand their shards back (W12).
func (w *Worker) finish(attempts *sync.WaitGroup, abandon func()) {
	done := make(chan struct{})
	go func() { attempts.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(w.config.Grace):
		abandon()
		<-done
	}
}

// pullLoop takes shards while there is room in hand, and gives each to an attempt.
func (w *Worker) pullLoop(ctx, work context.Context, attempts *sync.WaitGroup) {
	room := make(chan struct{}, held)
	for {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		delivery := w.next(ctx)
		if delivery == nil {
			return
		}
		attempts.Go(func() {
			defer func() { <-room }()
			w.attempt(work, ctx, delivery)
		})
	}
}

// idleWait is how long a pull waits at the last job of the list; shorter than anybody would notice, long enough to be cheap.
const idleWait = 500 * time.Millisecond

// next gives the next shard of the first job that has one; nil when the worker shall end.
func (w *Worker) next(ctx context.Context) *state.Delivery {
	for ctx.Err() == nil {
		if pause := max(w.session.pause(), w.session.memory.pause()); pause > 0 { // do not take shards from workers that can score them (P4, H4)
			w.assignments.wait(ctx, pause)
			continue
		}
		assignment, known := w.assignments.current()
		if assignment.Drain {
			return nil
		}
		for i, order := range assignment.Jobs {
			wait := time.Duration(0)
			if i == len(assignment.Jobs)-1 {
				wait = idleWait
			}
			delivery, err := w.store.Pull(ctx, order.JobKey, wait)
			if err == nil {
				return delivery
			}
			if !errors.Is(err, state.ErrNotFound) && ctx.Err() == nil {
				w.config.Log.Warn("pull failed", "job", order.ID, "error", err)
				w.assignments.wait(ctx, idleWait)
			}
		}
		w.warm(ctx, assignment.Warm)
		w.presence.idle(known)
		if len(assignment.Jobs) == 0 {
			w.assignments.wait(ctx, w.config.Heartbeat)
		}
	}
	return nil
}

// warm loads the model that the worker shall have ready, unless it holds a shard.
func (w *Worker) warm(ctx context.Context, model orchestrator.ModelRef) {
	if model.Digest == "" || w.session.has(model) || w.presence.holds() {
		return
	}
	snapshot, err := w.store.Model(ctx, model.Digest)
	if err == nil {
		w.logs.about(ctx, orchestrator.JobKey{}) // no job's lines
		_, err = w.session.load(ctx, snapshot)
	}
	if err != nil && ctx.Err() == nil {
		w.config.Log.Warn("the model for what comes is not loaded", "model", model.Name, "error", err)
	}
}

func newAttemptID(worker string) string {
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails, see its documentation
	return worker + "-" + hex.EncodeToString(random[:])
}

// heartbeats says that the worker lives, and reads its assignment again, because an announcement may have been lost.
func (w *Worker) heartbeats(ctx context.Context, stop context.CancelCauseFunc) {
	reached := time.Now()
	for {
		beat, cancel := context.WithTimeout(ctx, w.config.Heartbeat)
		err := errors.Join(w.presence.beat(beat), w.assignments.read(beat))
		cancel()
		switch {
		case err == nil:
			reached = time.Now()
		case ctx.Err() != nil:
			return
		case time.Since(reached) > w.config.Orphan:
			stop(fmt.Errorf("NATS has been out of reach for %s: %w", time.Since(reached).Round(time.Second), err))
		default:
			w.config.Log.Warn("heartbeat failed", "error", err)
		}
		select {
		case <-time.After(w.config.Heartbeat):
		case <-w.presence.changed:
		case <-ctx.Done():
			return
		}
	}
}
