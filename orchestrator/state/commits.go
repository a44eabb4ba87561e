package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// Commit stores the shard's one commit. ErrConflict: the shard has one already. Any other error leaves open whether it was stored:
// ask CommitOf.
func (s *Store) Commit(ctx context.Context, shard orchestrator.Shard, commit orchestrator.Commit) error {
	_, err := s.publish(ctx, commitSubject+shard.CommitSubject(), 0, commit)
	return err
}

// CommitOf asks the leader for the shard's commit. ErrNotFound: it has none.
func (s *Store) CommitOf(ctx context.Context, shard orchestrator.Shard) (orchestrator.Commit, error) {
	message, err := s.commits.GetLastMsgForSubject(ctx, commitSubject+shard.CommitSubject())
	if err != nil {
		return orchestrator.Commit{}, fmt.Errorf("look for the commit of shard %s: %w", shard.ID(), classify(err))
	}
	return decodeCommit(message.Data, message.Sequence)
}

// CommitAt reads the commit at a sequence of the commit stream.
func (s *Store) CommitAt(ctx context.Context, sequence uint64) (orchestrator.Commit, error) {
	message, err := s.commits.GetMsg(ctx, sequence)
	if err != nil {
		return orchestrator.Commit{}, fmt.Errorf("read commit %d: %w", sequence, classify(err))
	}
	return decodeCommit(message.Data, sequence)
}

func decodeCommit(data []byte, sequence uint64) (commit orchestrator.Commit, err error) {
	if err := json.Unmarshal(data, &commit); err != nil {
		return commit, fmt.Errorf("decode commit %d: %w", sequence, err)
	}
	return commit, nil
}

// CommitEvent is a commit read from the stream, or the mark that everything stored before the watch began has been given.
type CommitEvent struct {
	Sequence uint64
	Commit   orchestrator.Commit
	CaughtUp bool
}

// watchedAgain is how long the server keeps what reads commits for somebody who is gone. With the library's five minutes the reading of a few hundred jobs, begun anew by
// a service that is killed again and again, reaches the thousand consumers that a stream may have, and no job is read until they are forgotten.
const watchedAgain = 15 * time.Second

// WatchCommits gives every commit of a job in the order of the stream, of every epoch, those stored already first, until the context
// ends. Exactly one event has CaughtUp set.
func (s *Store) WatchCommits(ctx context.Context, key orchestrator.JobKey, each func(CommitEvent)) error {
	filter := commitSubject + key.Subject() + ".*.*"
	last, err := lastSequence(ctx, s.commits, filter)
	if err != nil {
		return err
	}
	consumer, err := s.commits.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}, InactiveThreshold: watchedAgain})
	if err != nil {
		return fmt.Errorf("read the commits of job %s: %w", key.ID, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("read the commits of job %s: %w", key.ID, err)
	}
	defer messages.Stop()
	caughtUp := false
	for at := uint64(0); ; {
		if !caughtUp && at >= last {
			caughtUp = true
			each(CommitEvent{CaughtUp: true})
		}
		message, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read the commits of job %s: %w", key.ID, err)
		}
		metadata, err := message.Metadata()
		if err != nil {
			return fmt.Errorf("read the commits of job %s: %w", key.ID, err)
		}
		at = metadata.Sequence.Stream
		commit, err := decodeCommit(message.Data(), at)
		if err != nil {
			return err
		}
		each(CommitEvent{Sequence: at, Commit: commit})
	}
}

// LastCommit is the sequence of the commit stream's last message of a job, 0 when it has none: where a closing epoch ends.
func (s *Store) LastCommit(ctx context.Context, key orchestrator.JobKey) (uint64, error) {
	return lastSequence(ctx, s.commits, commitSubject+key.Subject()+".*.*")
}

// Attempts reads what was recorded of a shard's attempts in this epoch, oldest first, and the guard for the next record.
func (s *Store) Attempts(ctx context.Context, shard orchestrator.Shard) (events []orchestrator.AttemptEvent, last uint64, err error) {
	err = readSubject(ctx, s.attempts, attemptSubject+shard.CommitSubject(), 0, func(message *jetstream.RawStreamMsg) error {
		var event orchestrator.AttemptEvent
		if err := json.Unmarshal(message.Data, &event); err != nil {
			return fmt.Errorf("decode attempt %d of shard %s: %w", message.Sequence, shard.ID(), err)
		}
		events, last = append(events, event), message.Sequence
		return nil
	})
	return events, last, err
}

// RecordAttempt adds an event if the subject's last sequence is still expected (0: no event yet).
func (s *Store) RecordAttempt(ctx context.Context, shard orchestrator.Shard, expected uint64, event orchestrator.AttemptEvent) (uint64, error) {
	return s.publish(ctx, attemptSubject+shard.CommitSubject(), expected, event)
}

// ForgetWork removes the journal, commits and attempts of a job. Only for a job whose work has been over for longer than the longest
// ack wait: after the purge a zombie's guarded commit would be accepted again.
func (s *Store) ForgetWork(ctx context.Context, key orchestrator.JobKey) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return errors.Join(
		s.attempts.Purge(ctx, jetstream.WithPurgeSubject(attemptSubject+key.Subject()+".>")),
		s.commits.Purge(ctx, jetstream.WithPurgeSubject(commitSubject+key.Subject()+".>")),
		s.journal.Purge(ctx, jetstream.WithPurgeSubject(journalSubject+key.Subject())),
	)
}
