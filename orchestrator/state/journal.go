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
	return readSubject(ctx, s.journal, journalSubject+key.Subject(), after, func(message jetstream.Msg, sequence uint64) error {
		var entry orchestrator.JournalEntry
		if err := json.Unmarshal(message.Data(), &entry); err != nil {
			return fmt.Errorf("decode journal entry %d of %s: %w", sequence, key.ID, err)
		}
		each(sequence, entry)
		return nil
	})
}

// readSubject reads what a subject filter matches now, after a sequence, to its end.
func readSubject(ctx context.Context, stream jetstream.Stream, filter string, after uint64, each func(jetstream.Msg, uint64) error) error {
	last, err := lastSequence(ctx, stream, filter)
	if err != nil || last <= after {
		return err
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{filter}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", filter, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("read %s: %w", filter, err)
	}
	defer messages.Stop()
	for at := after; at < last; {
		message, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read %s after %d: %w", filter, at, err)
		}
		metadata, err := message.Metadata()
		if err != nil {
			return fmt.Errorf("read %s after %d: %w", filter, at, err)
		}
		at = metadata.Sequence.Stream
		if err := each(message, at); err != nil {
			return err
		}
	}
	return nil
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
