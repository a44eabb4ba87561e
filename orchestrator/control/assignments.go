package control

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/state"
)

// assignments writes what has changed, and nothing else.
type assignments struct {
	store *state.Store
	swept time.Time

	mu    sync.Mutex
	known map[string]known // by worker
}

type known struct {
	assignment orchestrator.Assignment
	revision   uint64
}

// load reads what every worker was told by an earlier life of the service: who drains goes on doing so.
func (a *assignments) load(ctx context.Context) error {
	workers, err := a.store.AssignedWorkers(ctx)
	if err != nil {
		return fmt.Errorf("list the stored assignments: %w", err)
	}
	for _, worker := range workers {
		assignment, revision, err := a.store.Assignment(ctx, worker)
		if err != nil {
			return err
		}
		a.set(worker, known{assignment, revision})
	}
	return nil
}

// put writes a worker's assignment if it differs from the stored one, or if the worker follows an epoch that is not stored any more: it heeds newer
// ones only. After a conflict the stored one is read, and the next plan decides again.
func (a *assignments) put(ctx context.Context, wanted orchestrator.Assignment, follows uint64) error {
	stored, ok := a.get(wanted.Worker)
	if !ok {
		assignment, revision, err := a.store.Assignment(ctx, wanted.Worker)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		stored = known{assignment, revision}
		a.set(wanted.Worker, stored)
	}
	wanted.Epoch = stored.assignment.Epoch
	if stored.revision > 0 && follows <= wanted.Epoch && reflect.DeepEqual(stored.assignment, wanted) {
		return nil
	}
	wanted.Epoch = max(wanted.Epoch, follows) + 1
	revision, err := a.store.PutAssignment(ctx, wanted, stored.revision)
	if errors.Is(err, state.ErrConflict) {
		a.drop(wanted.Worker)
	}
	if err != nil {
		return err
	}
	a.set(wanted.Worker, known{wanted, revision})
	return nil
}

func (a *assignments) get(worker string) (known, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	stored, ok := a.known[worker]
	return stored, ok
}

func (a *assignments) set(worker string, stored known) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known[worker] = stored
}

func (a *assignments) drop(worker string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.known, worker)
}

func (a *assignments) draining(worker string) bool {
	stored, _ := a.get(worker)
	return stored.assignment.Drain
}

// sweepEvery is how often assignments of workers that are gone are looked for in the store.
const sweepEvery = time.Minute

// forget removes the assignments of workers that are gone.
func (a *assignments) forget(ctx context.Context, present []orchestrator.Presence) error {
	if time.Since(a.swept) < sweepEvery {
		return nil
	}
	first := a.swept.IsZero()
	a.swept = time.Now()
	if first { // workers of an earlier life may not have spoken yet
		return nil
	}
	alive := map[string]bool{}
	for _, worker := range present {
		alive[worker.Worker] = true
	}
	stored, err := a.store.AssignedWorkers(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, worker := range stored {
		if !alive[worker] {
			a.drop(worker)
			failed = errors.Join(failed, a.store.RemoveAssignment(ctx, worker))
		}
	}
	return failed
}
