package poolslots

import (
	"context"
	"errors"
	"testing"

	"nightshift.dev/nightshift/orchestrator"
)

var errNone = errors.New("there are none")

// shelf is a store of one pool's slots.
type shelf struct {
	slots         orchestrator.PoolSlots
	revision      uint64
	reads, writes int
	lost          error // the answer to a write
}

func (s *shelf) Slots(context.Context, string) (orchestrator.PoolSlots, uint64, error) {
	s.reads++
	if s.revision == 0 {
		return orchestrator.PoolSlots{}, 0, errNone
	}
	return s.slots, s.revision, nil
}

func (s *shelf) PutSlots(_ context.Context, slots orchestrator.PoolSlots, revision uint64) (uint64, error) {
	s.writes++
	if revision != s.revision {
		return 0, errors.New("somebody else has written")
	}
	s.slots, s.revision = slots, s.revision+1
	return s.revision, s.lost
}

func TestRecord(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	r := New("spot", s, errNone)
	load := func(want bool) {
		t.Helper()
		if read, err := r.Load(t.Context()); read != want || err != nil {
			t.Fatalf("read %t, want %t: %v", read, want, err)
		}
	}
	if _, known := r.Slots(); known {
		t.Error("known before it was read")
	}
	load(true)
	load(false)
	if slots, known := r.Slots(); !known || slots.Pool != "spot" {
		t.Errorf("%+v, known %t", slots, known)
	}
	two := orchestrator.PoolSlots{Pool: "spot", Slots: 2, Replicas: []orchestrator.ReplicaSlots{{Index: 0}}}
	for range 2 { // the second time there is nothing to write
		if err := r.Put(t.Context(), two); err != nil || s.writes != 1 || s.slots.Slots != 2 {
			t.Fatalf("%d writes, %+v: %v", s.writes, s.slots, err)
		}
	}
	s.lost = errors.New("the answer was lost")
	three := two
	three.Slots = 3
	if err := r.Put(t.Context(), three); err == nil {
		t.Error("no error")
	}
	if slots, known := r.Slots(); known || slots.Slots != 2 {
		t.Errorf("after an error: %+v, known %t", slots, known)
	}
	s.lost = nil
	load(true)
	if slots, known := r.Slots(); !known || slots.Slots != 3 {
		t.Errorf("what was stored is not there: %+v", slots)
	}
	s.revision++ // somebody else
	if err := r.Put(t.Context(), two); err == nil || s.slots.Slots != 3 {
		t.Errorf("%+v was written over: %v", s.slots, err)
	}
}

// A pool without replicas is the same with none of them and with an empty list.
func TestNoneIsNone(t *testing.T) {
	t.Parallel()
	s := &shelf{revision: 1, slots: orchestrator.PoolSlots{Pool: "spot"}}
	r := New("spot", s, errNone)
	if _, err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Put(t.Context(), orchestrator.PoolSlots{Pool: "spot", Replicas: []orchestrator.ReplicaSlots{}}); err != nil || s.writes > 0 {
		t.Errorf("%d writes: %v", s.writes, err)
	}
}
