package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// Config says how workers of a pool are started.
type Config struct {
	Pool  string
	Slots int    // workers of a replica
	Dir   string // holds workers/ID.json and logs/ID.log
	// Command gives the program and arguments of a worker.
	Command func(id string, slot int) []string
	Env     []string      // NAME=VALUE pairs on top of this process's environment: what must not stand on a command line
	Grace   time.Duration // from SIGTERM to SIGKILL
	// Granted is how many replicas a provider would run, so long after the pool's first start; nil: as many as are asked for.
	Granted func(since time.Duration) int
	Notice  time.Duration // from SIGTERM to SIGKILL of a worker whose replica the provider takes away
	// Own says that the command is a program of the user's own, which is told by SIGTERM to leave; MostGrace bounds the grace that it declares.
	Own       bool
	MostGrace time.Duration
	Changed   func() // is called when the provider has done something, or a worker has ended that was wanted; nil: nobody is told
	Log       *slog.Logger
}

// Engine starts and ends worker processes of one pool.
type Engine struct {
	config Config
	kick   chan struct{}

	mu       sync.Mutex
	replicas int
	slots    int // workers of a replica: at most config.Slots
	workers  map[string]*process
	gone     []string  // that have ended, the last ones
	quick    int       // workers that ended within quickEnd of their start, in a row
	notUntil time.Time // no start before
	ledger   orchestrator.Ledger
	granted  int  // by the provider, when it was last looked at
	looked   bool // it was
	refused  int  // replicas that are asked for and not granted
	news     bool // that nobody was told of yet: of the provider, or of a worker that ended though it was wanted
}

const (
	quickEnd = 10 * time.Second
	// drainLimit is how long a worker that leaves may still work on what it holds before it is told to hand it back.
	drainLimit = 15 * time.Minute
	pollExit   = 250 * time.Millisecond // how often adopted processes, which are no children, are looked at
	mostGone   = 256                    // remembered of those that have ended: their last words end by themselves within seconds
)

// New reads which workers still run, and keeps them.
func New(config Config) (*Engine, error) {
	for _, folder := range []string{"workers", "logs", "ledgers"} {
		if err := os.MkdirAll(filepath.Join(config.Dir, folder), 0o750); err != nil {
			return nil, fmt.Errorf("prepare the engine's folder: %w", err)
		}
	}
	e := &Engine{config: config, kick: make(chan struct{}, 1), workers: map[string]*process{}}
	adopted, err := adopt(filepath.Join(config.Dir, "workers"), config.Pool)
	if err != nil {
		return nil, err
	}
	for _, worker := range adopted {
		e.workers[worker.ID] = worker
	}
	e.replicas, e.slots = e.foundLocked()
	return e, e.openLedger(time.Now())
}

// Observe says how many replicas are asked for at present, how many of them would run where capacity may end, and what was billed.
func (e *Engine) Observe(context.Context) orchestrator.PoolView {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	view := orchestrator.PoolView{
		Name: e.config.Pool, Replicas: e.replicas, Slots: e.slots, Ledger: e.ledgerLocked(now), Reading: orchestrator.Reading{At: now.UTC(), Source: "local engine"},
	}
	if e.config.Granted != nil {
		granted := e.grantedLocked(now)
		view.Available = &granted
	}
	return view
}

// Ended are workers whose processes have ended, the last ones: whatever they have said of themselves no longer holds.
func (e *Engine) Ended() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.gone)
}

// Scale sets the number of replicas and of the workers of each, as planned. leaving are workers that drain by their assignments and do not count any more; they end by themselves,
// or after drainLimit by force.
func (e *Engine) Scale(_ context.Context, plan orchestrator.PoolPlan, leaving []string) error {
	e.mu.Lock()
	failed := e.shareLocked(min(max(plan.Slots, 1), e.config.Slots), time.Now())
	e.replicas = plan.Replicas
	for _, id := range leaving {
		if worker, ok := e.workers[id]; ok && !worker.leaves() {
			worker.Leaving = time.Now()
			failed = errors.Join(failed, worker.remember(e.config.Dir, e.config.Pool))
		}
	}
	e.mu.Unlock()
	select {
	case e.kick <- struct{}{}:
	default:
	}
	return failed
}

// stayingLocked counts the workers that do not leave.
func (e *Engine) stayingLocked() (count int) {
	for _, worker := range e.workers {
		if !worker.leaves() {
			count++
		}
	}
	return count
}

// Run keeps as many workers as asked for until ctx ends; the workers go on.
func (e *Engine) Run(ctx context.Context) error {
	ticker := time.NewTicker(pollExit)
	defer ticker.Stop()
	for {
		if err := e.reconcile(time.Now()); err != nil {
			e.config.Log.Error("a worker does not start", "pool", e.config.Pool, "error", err)
		}
		e.tell()
		select {
		case <-e.kick:
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// tell says that something has happened that nobody asked for.
func (e *Engine) tell() {
	e.mu.Lock()
	news := e.news
	e.news = false
	e.mu.Unlock()
	if news && e.config.Changed != nil {
		e.config.Changed()
	}
}

// reconcile notes the ends of workers, lets the provider take and refuse, and starts what is missing.
func (e *Engine) reconcile(now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, worker := range e.workers {
		switch {
		case !worker.alive():
			e.goneLocked(worker, now)
			e.ended(worker, now)
		case !worker.Taken.IsZero():
			e.endNoticeLocked(worker, now)
		case worker.leaves() && e.config.Own:
			e.endConsumer(worker, now.Sub(worker.Leaving))
		case worker.leaves():
			e.hurry(worker, now.Sub(worker.Leaving))
		}
	}
	room := e.interruptLocked(now)
	for staying := e.stayingLocked(); staying < e.replicas*e.slots && room > 0 && !now.Before(e.notUntil); staying++ {
		room--
		if err := e.startLocked(now); err != nil {
			e.quick++
			e.notUntil = now.Add(pause(e.quick))
			return err
		}
	}
	return nil
}

// hurry ends a worker that drains for longer than any shard should take: it is asked, and after the grace killed.
func (e *Engine) hurry(worker *process, since time.Duration) {
	switch {
	case since > drainLimit+e.config.Grace:
		e.config.Log.Warn("a worker that should leave does not end and is killed", "worker", worker.ID, "log", e.logFile(worker.ID))
		worker.kill(syscall.SIGKILL)
	case since > drainLimit:
		worker.kill(syscall.SIGTERM) // again and again does no harm
	}
}

// ended makes the next start wait when workers end soon after their start, one after another.
func (e *Engine) ended(worker *process, now time.Time) {
	if worker.leaves() || now.Sub(worker.Started) > quickEnd {
		e.quick = 0
		return
	}
	e.quick++
	e.notUntil = now.Add(pause(e.quick))
	e.config.Log.Warn("a worker ended soon after its start", "worker", worker.ID, "log", e.logFile(worker.ID), "next start in", pause(e.quick))
}

// pause is 0 for the first quick end, then 1, 2, 4 ... 30 seconds.
func pause(quick int) time.Duration {
	if quick < 2 {
		return 0
	}
	return min(time.Second<<min(quick-2, 5), 30*time.Second)
}

func (e *Engine) logFile(id string) string { return filepath.Join(e.config.Dir, "logs", id+".log") }

func (e *Engine) startLocked(now time.Time) error {
	slot := e.freeSlotLocked()
	id := fmt.Sprintf("%s-%d-%s", e.config.Pool, slot, newGeneration(now))
	worker, err := start(e.config.Command(id, slot), e.environment(id), id, slot, e.logFile(id))
	if err != nil {
		return err
	}
	worker.Sharing = e.slots
	if err := worker.remember(e.config.Dir, e.config.Pool); err != nil {
		worker.kill(syscall.SIGKILL)
		return err
	}
	e.workers[id] = worker
	return nil
}

// Stop ends every worker: SIGTERM, the grace, SIGKILL. It returns when all are gone, or with ctx.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	e.replicas = 0
	for _, worker := range e.workers {
		worker.Leaving = time.Now()
		worker.kill(syscall.SIGTERM)
	}
	e.mu.Unlock()
	killAt := time.Now().Add(e.config.Grace)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		left := e.reap(killAt)
		if left == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("end %d workers of pool %s: %w", left, e.config.Pool, errors.Join(ctx.Err()))
		}
	}
}

func (e *Engine) reap(killAt time.Time) (left int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, worker := range e.workers {
		if !worker.alive() {
			e.goneLocked(worker, time.Now())
			continue
		}
		if time.Now().After(killAt) {
			worker.kill(syscall.SIGKILL)
		}
	}
	return len(e.workers)
}
