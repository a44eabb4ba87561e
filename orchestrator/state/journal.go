package state

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// AppendJournal adds an entry if the last sequence of the job's subject is still expected (0: no entry yet). ErrConflict: somebody
// else appended, or an earlier try of ours did: read on from expected.
func (s *Store) AppendJournal(ctx context.Context, key orchestrator.JobKey, expected uint64, entry orchestrator.JournalEntry) (uint64, error) {
	return s.publish(ctx, journalSubject+key.Subject(), expected, entry)
}

// publish stores a record on a subject whose last sequence is known.
func (s *Store) publish(ctx context.Context, subject string, expected uint64, record any) (uint64, error) {
	data, err := json.Marshal(record)
	if err != nil {
		return 0, fmt.Errorf("encode message for %s: %w", subject, err)
	}
	ack, err := s.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(expected))
	if err != nil {
		return 0, fmt.Errorf("publish on %s: %w", subject, classify(err))
	}
	return ack.Sequence, nil
}

// ReadJournal calls each with every entry of a job after the given sequence, in order.
func (s *Store) ReadJournal(ctx context.Context, key orchestrator.JobKey, after uint64, each func(sequence uint64, entry orchestrator.JournalEntry)) error {
	return readSubject(ctx, s.journal, journalSubject+key.Subject(), after, func(message *jetstream.RawStreamMsg) error {
		var entry orchestrator.JournalEntry
		if err := json.Unmarshal(message.Data, &entry); err != nil {
			return fmt.Errorf("decode journal entry %d of %s: %w", message.Sequence, key.ID, err)
		}
		each(message.Sequence, entry)
		return nil
	})
}

// readSubject reads what is stored on a subject, after a sequence, to its end, one request a message: from the leader, and without a consumer,
// which a server would keep for minutes.
func readSubject(ctx context.Context, stream jetstream.Stream, subject string, after uint64, each func(*jetstream.RawStreamMsg) error) error {
	for next := after + 1; ; {
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		message, err := stream.GetMsg(try, next, jetstream.WithGetMsgSubject(subject))
		cancel()
		if err := classify(err); isNotFound(err) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read %s from %d: %w", subject, next, err)
		}
		if err := each(message); err != nil {
			return err
		}
		next = message.Sequence + 1
	}
}

// lastSequence is the sequence of the last message that a filter matches, 0 when there is none.
func lastSequence(ctx context.Context, stream jetstream.Stream, filter string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	message, err := stream.GetLastMsgForSubject(ctx, filter)
	if err != nil {
		if err := classify(err); !isNotFound(err) {
			return 0, fmt.Errorf("read the end of %s: %w", filter, err)
		}
		return 0, nil
	}
	return message.Sequence, nil
}
