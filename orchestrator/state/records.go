package state

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// RecordStream holds what decisions were taken on what, for replay.
const RecordStream = "NIGHTSHIFT_RECORDS"

const (
	recordSubject = "nightshift.records"
	recordAge     = 7 * 24 * time.Hour
	recordBytes   = 256 << 20
)

// PutRecords stores a batch of records. Old ones make room.
func (s *Store) PutRecords(ctx context.Context, batch []byte) error {
	if _, err := s.js.Publish(ctx, recordSubject, batch); err != nil {
		return fmt.Errorf("store records: %w", classify(err))
	}
	return nil
}

// ReadRecords calls each with the batches that were stored from a time on, oldest first. It takes no Store: whoever reads records may not be permitted to
// open everything else.
func ReadRecords(ctx context.Context, nc *nats.Conn, from time.Time, each func(batch []byte) error) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	stream, err := js.Stream(ctx, RecordStream)
	if err != nil {
		return fmt.Errorf("open stream %s: %w (is a nightshift service running on this NATS?)", RecordStream, err)
	}
	held := stream.CachedInfo().State
	if held.Msgs == 0 {
		return nil
	}
	var failed error
	ahead := sort.Search(int(held.LastSeq+1-held.FirstSeq), func(i int) bool {
		at, err := storedAt(ctx, stream, held.FirstSeq+uint64(i))
		failed = errors.Join(failed, err)
		return !at.Before(from)
	})
	if failed != nil {
		return fmt.Errorf("find the records of %s: %w", from.UTC().Format(time.RFC3339), failed)
	}
	return readSubject(ctx, stream, recordSubject, held.FirstSeq+uint64(ahead)-1, func(message *jetstream.RawStreamMsg) error { return each(message.Data) })
}

// storedAt is when the message was stored that has this sequence, or is the next one there is.
func storedAt(ctx context.Context, stream jetstream.Stream, sequence uint64) (time.Time, error) {
	message, err := stream.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(recordSubject))
	if err != nil {
		return time.Time{}, err
	}
	return message.Time, nil
}
