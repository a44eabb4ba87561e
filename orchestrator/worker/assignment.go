package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/state"
)

// assignments keeps the last assignment read. While the orchestrator or NATS is away, the last one stays in force.
type assignments struct {
	worker string
	store  *state.Store
	wake   chan struct{}

	mu   sync.Mutex
	last orchestrator.Assignment
	next chan struct{} // closed by the next change
}

func newAssignments(worker string, store *state.Store) *assignments {
	return &assignments{worker: worker, store: store, wake: make(chan struct{}, 1), next: make(chan struct{})}
}

// readWithin bounds one read of the assignment that an announcement asked for.
const readWithin = 5 * time.Second

func (a *assignments) listen() (stop func(), err error) {
	return a.store.OnAssignment(a.worker, func() {
		ctx, cancel := context.WithTimeout(context.Background(), readWithin)
		defer cancel()
		_ = a.read(ctx) // the next heartbeat reads again and reports
	})
}

func (a *assignments) read(ctx context.Context) error {
	assignment, _, err := a.store.Assignment(ctx, a.worker)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	a.mu.Lock()
	changed := assignment.Epoch > a.last.Epoch
	if changed {
		a.last = assignment
		close(a.next)
		a.next = make(chan struct{})
	}
	a.mu.Unlock()
	if changed {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func (a *assignments) current() (orchestrator.Assignment, uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last, a.last.Epoch
}

// changes gives a channel that the next change closes.
func (a *assignments) changes() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.next
}

// wait returns when the assignment changes, after the given time, or when ctx ends.
func (a *assignments) wait(ctx context.Context, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-a.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}
