package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// PutPresence is a heartbeat.
func (s *Store) PutPresence(ctx context.Context, presence orchestrator.Presence) error {
	_, err := put(presence.Worker, presence, func(key string, data []byte) (uint64, error) { return s.workers.Put(ctx, key, data) })
	return err
}

// RemovePresence says that a worker has ended by itself.
func (s *Store) RemovePresence(ctx context.Context, worker string) error {
	return s.workers.Delete(ctx, worker)
}

// PresenceChange is a worker's latest word; Gone when it said that it ends. A worker that falls silent is not announced: look at Presence.At.
type PresenceChange struct {
	Worker   string
	Presence orchestrator.Presence
	Gone     bool
}

// WatchPresence calls each with every worker's present word, then caughtUp once, and then each with every later word, until the context ends.
func (s *Store) WatchPresence(ctx context.Context, each func(PresenceChange), caughtUp func()) error {
	return follow(ctx, "workers", s.workers, jetstream.AllKeys, func(entry jetstream.KeyValueEntry) {
		change := PresenceChange{Worker: entry.Key(), Gone: entry.Operation() != jetstream.KeyValuePut}
		if change.Gone || json.Unmarshal(entry.Value(), &change.Presence) == nil {
			each(change)
		}
	}, caughtUp)
}

// follow calls each with every record under some keys of a bucket, then caughtUp once, and then each with every later change, until the context ends.
func follow(ctx context.Context, what string, bucket jetstream.KeyValue, keys string, each func(jetstream.KeyValueEntry), caughtUp func()) error {
	watcher, err := bucket.Watch(ctx, keys)
	if err != nil {
		return fmt.Errorf("watch %s: %w", what, err)
	}
	defer func() { _ = watcher.Stop() }() // the server removes the consumer in any case
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entry, ok := <-watcher.Updates():
			switch {
			case !ok:
				return fmt.Errorf("watch %s: the watch ended", what)
			case entry == nil:
				caughtUp()
			default:
				each(entry)
			}
		}
	}
}

// Assignment reads a worker's assignment and its revision. ErrNotFound: it has none yet.
func (s *Store) Assignment(ctx context.Context, worker string) (assignment orchestrator.Assignment, revision uint64, err error) {
	revision, err = get(ctx, s.assignments, worker, &assignment)
	assignment.Jobs = slices.DeleteFunc(assignment.Jobs, func(one *orchestrator.Order) bool { return one == nil }) // null, which nobody of us writes
	return assignment, revision, err
}

// PutAssignment writes over the revision that was read (0: there was none) and announces the change on a plain subject.
func (s *Store) PutAssignment(ctx context.Context, assignment orchestrator.Assignment, revision uint64) (uint64, error) {
	next, err := put(assignment.Worker, assignment, func(key string, data []byte) (uint64, error) {
		if revision == 0 { // Create, unlike Update, also writes over the mark that a removal leaves
			return s.assignments.Create(ctx, key, data)
		}
		return s.assignments.Update(ctx, key, data, revision)
	})
	if err != nil {
		return 0, err
	}
	if err := s.nc.Publish(assignmentSubject+assignment.Worker, nil); err != nil {
		return next, fmt.Errorf("announce the assignment of %s: %w", assignment.Worker, err)
	}
	return next, nil
}

// RemoveAssignment forgets the assignment of a worker that is gone.
func (s *Store) RemoveAssignment(ctx context.Context, worker string) error {
	if err := s.assignments.Purge(ctx, worker); err != nil {
		return fmt.Errorf("remove the assignment of %s: %w", worker, classify(err))
	}
	return nil
}

// AssignedWorkers lists the workers that have an assignment.
func (s *Store) AssignedWorkers(ctx context.Context) ([]string, error) {
	keys, err := s.assignments.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, nil
	}
	return keys, err
}

// OnAssignment calls changed whenever a change of the worker's assignment is announced. Announcements may be lost: read at start and
// with every heartbeat too.
func (s *Store) OnAssignment(worker string, changed func()) (stop func(), err error) {
	subscription, err := s.nc.Subscribe(assignmentSubject+worker, func(*nats.Msg) { changed() })
	if err != nil {
		return nil, fmt.Errorf("listen for the assignment of %s: %w", worker, err)
	}
	return func() { _ = subscription.Unsubscribe() }, nil // fails only when the connection is gone
}

// PutPlan stores a record of a decision under a name such as "plan" or "memory".
func (s *Store) PutPlan(ctx context.Context, name string, record any) error {
	_, err := put(name, record, func(key string, data []byte) (uint64, error) { return s.plans.Put(ctx, key, data) })
	return err
}

// Plan reads what PutPlan stored. ErrNotFound: nothing.
func (s *Store) Plan(ctx context.Context, name string, record any) error {
	_, err := get(ctx, s.plans, name, record)
	return err
}
