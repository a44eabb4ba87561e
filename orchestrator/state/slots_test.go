package state

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

func TestSlotsAreGuardedAndWatched(t *testing.T) {
	t.Parallel()
	store := open(t, Config{MaxBytes: 1 << 20})
	if _, _, err := store.Slots(t.Context(), "gpu"); !errors.Is(err, ErrNotFound) {
		t.Errorf("slots of a new pool: %v, want ErrNotFound", err)
	}
	first := orchestrator.PoolSlots{Pool: "gpu", Cluster: "1", PerReplica: 4, Slots: 2, Replicas: []orchestrator.ReplicaSlots{{Index: 1, Pods: []string{"a"}, Leaving: true}}}
	revision, err := store.PutSlots(t.Context(), first, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutSlots(t.Context(), first, 0); !errors.Is(err, ErrConflict) {
		t.Errorf("a second first: %v, want ErrConflict", err)
	}
	seen := make(chan orchestrator.PoolSlots, 4)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- store.WatchSlots(ctx, "gpu", func(slots orchestrator.PoolSlots) { seen <- slots })
	}()
	expect := func(want orchestrator.PoolSlots) {
		t.Helper()
		if diff := cmp.Diff(want, <-seen); diff != "" {
			t.Errorf("watched (-want +got):\n%s", diff)
		}
	}
	expect(first)
	other := orchestrator.PoolSlots{Pool: "other"}
	if _, err := store.PutSlots(t.Context(), other, 0); err != nil {
		t.Fatal(err)
	}
	second := orchestrator.PoolSlots{Pool: "gpu", Cluster: "2", PerReplica: 4, Slots: 4}
	if _, err := store.PutSlots(t.Context(), second, revision); err != nil {
		t.Fatal(err)
	}
	expect(second) // and not the other pool's
	if _, err := store.PutSlots(t.Context(), first, revision); !errors.Is(err, ErrConflict) {
		t.Errorf("over a stale revision: %v, want ErrConflict", err)
	}
	if got, _, err := store.Slots(t.Context(), "gpu"); err != nil || !cmp.Equal(got, second) {
		t.Errorf("slots = %v, %v", got, err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the watch ended with %v", err)
	}
}
