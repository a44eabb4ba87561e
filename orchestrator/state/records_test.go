package state

import (
	"bytes"
	"testing"
	"time"
)

// K5: old records make room for new ones, and never refuse anything.
func TestOldRecordsMakeRoom(t *testing.T) {
	t.Parallel()
	store := open(t, Config{MaxBytes: 1 << 20})
	read := func(from time.Time) (found string) {
		if err := ReadRecords(t.Context(), store.Conn(), from, func(batch []byte) error {
			found += string(batch[:1])
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	if got := read(time.Time{}); got != "" {
		t.Errorf("read %q from an empty stream", got)
	}
	for _, name := range "abcd" {
		if err := store.PutRecords(t.Context(), bytes.Repeat([]byte{byte(name)}, 400<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(time.Time{}); got != "cd" {
		t.Errorf("read %q, want the newest that fit", got)
	}
	stream, err := store.js.Stream(t.Context(), RecordStream)
	if err != nil {
		t.Fatal(err)
	}
	if config := stream.CachedInfo().Config; config.MaxAge != recordAge || config.MaxBytes != 1<<20 {
		t.Errorf("the stream is bounded by %s and %d bytes", config.MaxAge, config.MaxBytes)
	}
	last, err := stream.GetLastMsgForSubject(t.Context(), recordSubject)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(last.Time); got != "d" {
		t.Errorf("read %q from the time of the last", got)
	}
}
