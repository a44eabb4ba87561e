package state

import (
	"errors"
	"testing"
)

func TestScheduleRecordIsGuardedByItsRevision(t *testing.T) {
	t.Parallel()
	store := open(t, Config{MaxBytes: 1 << 20})
	var got string
	if _, err := store.Schedule(t.Context(), "nightly", &got); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown schedule: %v, want ErrNotFound", err)
	}
	revision, err := store.PutSchedule(t.Context(), "nightly", "first", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutSchedule(t.Context(), "nightly", "first", 0); !errors.Is(err, ErrConflict) {
		t.Errorf("a second first: %v, want ErrConflict", err)
	}
	if _, err := store.PutSchedule(t.Context(), "nightly", "second", revision); err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutSchedule(t.Context(), "nightly", "third", revision); !errors.Is(err, ErrConflict) {
		t.Errorf("over a stale revision: %v, want ErrConflict", err)
	}
	if _, err := store.Schedule(t.Context(), "nightly", &got); err != nil || got != "second" {
		t.Errorf("schedule = %q, %v", got, err)
	}
}
