package state

import (
	"context"
	"encoding/json"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// PutSlots replaces the slots of a pool, where revision is that of the last ones (0: there are none). ErrConflict: somebody else has replaced them.
func (s *Store) PutSlots(ctx context.Context, slots orchestrator.PoolSlots, revision uint64) (uint64, error) {
	return put(slotsKey(slots.Pool), slots, func(key string, data []byte) (uint64, error) { return s.plans.Update(ctx, key, data, revision) })
}

// Slots reads the slots of a pool and their revision. ErrNotFound: there are none yet.
func (s *Store) Slots(ctx context.Context, pool string) (slots orchestrator.PoolSlots, revision uint64, err error) {
	revision, err = get(ctx, s.plans, slotsKey(pool), &slots)
	return slots, revision, err
}

// WatchSlots calls each with the slots of a pool, if there are any, and with every change, until the context ends.
func (s *Store) WatchSlots(ctx context.Context, pool string, each func(orchestrator.PoolSlots)) error {
	return follow(ctx, "the slots of pool "+pool, s.plans, slotsKey(pool), func(entry jetstream.KeyValueEntry) {
		var slots orchestrator.PoolSlots
		if entry.Operation() == jetstream.KeyValuePut && json.Unmarshal(entry.Value(), &slots) == nil {
			each(slots)
		}
	}, func() {})
}

func slotsKey(pool string) string { return "slots." + pool }
