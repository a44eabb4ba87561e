package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// CreateJob stores a new job. ErrConflict: a record of that name exists, a tombstone included.
func (s *Store) CreateJob(ctx context.Context, job orchestrator.Job) (revision uint64, err error) {
	return put(job.Subject(), job, func(key string, data []byte) (uint64, error) { return s.jobs.Create(ctx, key, data) })
}

// UpdateJob writes a job over the revision that was read. ErrConflict: it has moved meanwhile.
func (s *Store) UpdateJob(ctx context.Context, job orchestrator.Job, revision uint64) (uint64, error) {
	return put(job.Subject(), job, func(key string, data []byte) (uint64, error) { return s.jobs.Update(ctx, key, data, revision) })
}

func put(key string, record any, write func(string, []byte) (uint64, error)) (uint64, error) {
	data, err := json.Marshal(record)
	if err != nil {
		return 0, fmt.Errorf("encode record %s: %w", key, err)
	}
	revision, err := write(key, data)
	if err != nil {
		return 0, fmt.Errorf("write record %s: %w", key, classify(err))
	}
	return revision, nil
}

// Job reads one job and its revision.
func (s *Store) Job(ctx context.Context, key orchestrator.JobKey) (job orchestrator.Job, revision uint64, err error) {
	revision, err = get(ctx, s.jobs, key.Subject(), &job)
	return job, revision, err
}

func get(ctx context.Context, bucket jetstream.KeyValue, key string, record any) (revision uint64, err error) {
	entry, err := bucket.Get(ctx, key)
	if err != nil {
		return 0, fmt.Errorf("read record %s: %w", key, classify(err))
	}
	if err := json.Unmarshal(entry.Value(), record); err != nil {
		return 0, fmt.Errorf("decode record %s: %w", key, err)
	}
	return entry.Revision(), nil
}

// ForgetJob removes a job's record for good, a tombstone whose time is over.
func (s *Store) ForgetJob(ctx context.Context, key orchestrator.JobKey, revision uint64) error {
	if err := s.jobs.Purge(ctx, key.Subject(), jetstream.LastRevision(revision)); err != nil {
		return fmt.Errorf("purge record %s: %w", key.Subject(), classify(err))
	}
	return nil
}

// JobChange is a job as it was written at a revision; Gone when its record was removed.
type JobChange struct {
	Key      orchestrator.JobKey
	Job      orchestrator.Job
	Revision uint64
	Gone     bool
}

// WatchJobs calls start with every stored job, then change with each later write, whoever wrote it, until the context ends.
func (s *Store) WatchJobs(ctx context.Context, start func([]JobChange), change func(JobChange)) error {
	watcher, err := s.jobs.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch jobs: %w", err)
	}
	defer func() { _ = watcher.Stop() }() // the server removes the consumer in any case
	var stored []JobChange
	started := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entry, ok := <-watcher.Updates():
			switch {
			case !ok:
				return errors.New("watch jobs: the watch ended")
			case entry == nil:
				started = true
				start(stored)
				stored = nil
			case started:
				if decoded, ok := decodeJob(entry); ok {
					change(decoded)
				}
			default:
				if decoded, ok := decodeJob(entry); ok && !decoded.Gone {
					stored = append(stored, decoded)
				}
			}
		}
	}
}

func decodeJob(entry jetstream.KeyValueEntry) (JobChange, bool) {
	key, ok := orchestrator.ParseJobKey(entry.Key())
	change := JobChange{Key: key, Revision: entry.Revision()}
	if entry.Operation() != jetstream.KeyValuePut {
		change.Gone = true
		return change, ok
	}
	if err := json.Unmarshal(entry.Value(), &change.Job); err != nil {
		return change, false
	}
	return change, ok
}

// PutModel stores a snapshot under its digest. Storing it twice is harmless.
func (s *Store) PutModel(ctx context.Context, model orchestrator.ModelSnapshot) error {
	_, err := put(model.Digest, model, func(key string, data []byte) (uint64, error) { return s.models.Create(ctx, key, data) })
	if errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}

// Model reads the snapshot of a digest.
func (s *Store) Model(ctx context.Context, digest string) (model orchestrator.ModelSnapshot, err error) {
	_, err = get(ctx, s.models, digest, &model)
	return model, err
}
