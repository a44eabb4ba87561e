package state

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// LogEntry is some lines that a worker's scorer wrote while it worked for a job.
type LogEntry struct {
	Worker  string    `json:"worker"`
	At      time.Time `json:"at"`
	Lines   []string  `json:"lines"`
	Dropped int       `json:"dropped,omitempty"` // lines before these that were too many to keep
}

// PutLog stores lines of a job. Old ones make room.
func (s *Store) PutLog(ctx context.Context, key orchestrator.JobKey, entry LogEntry) error {
	data, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("encode log of job %s: %w", key.ID, err)
	}
	if _, err := s.js.Publish(ctx, logSubject+key.Subject(), data); err != nil {
		return fmt.Errorf("store log of job %s: %w", key.ID, classify(err))
	}
	return nil
}

// ReadLog calls each with what is kept of a job's log after a sequence, oldest first.
func (s *Store) ReadLog(ctx context.Context, key orchestrator.JobKey, after uint64, each func(sequence uint64, entry LogEntry)) error {
	stream, err := s.js.Stream(ctx, LogStream)
	if err != nil {
		return fmt.Errorf("open stream %s: %w", LogStream, err)
	}
	return readSubject(ctx, stream, logSubject+key.Subject(), after, func(message *jetstream.RawStreamMsg) error {
		var entry LogEntry
		if err := json.Unmarshal(message.Data, &entry); err != nil {
			return fmt.Errorf("decode log entry %d of job %s: %w", message.Sequence, key.ID, err)
		}
		each(message.Sequence, entry)
		return nil
	})
}
