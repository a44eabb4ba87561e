package poolslots

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// within bounds one request to the store.
const within = 10 * time.Second

// Store keeps the slots of pools.
type Store interface {
	Slots(ctx context.Context, pool string) (orchestrator.PoolSlots, uint64, error)
	PutSlots(ctx context.Context, slots orchestrator.PoolSlots, revision uint64) (uint64, error)
}

// Record is that of one pool. Load and Put are for one goroutine, Slots for all.
type Record struct {
	pool     string
	store    Store
	none     error
	revision uint64

	mu    sync.Mutex
	slots orchestrator.PoolSlots
	known bool
}

// New knows nothing yet. none is the store's error for a pool without slots.
func New(pool string, store Store, none error) *Record {
	return &Record{pool: pool, store: store, none: none}
}

// Slots are those that were last read or written; known says that they are those of the store.
func (r *Record) Slots() (slots orchestrator.PoolSlots, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.slots, r.known
}

// Load reads them unless they are known; read says that it did.
func (r *Record) Load(ctx context.Context) (read bool, err error) {
	if _, known := r.Slots(); known {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	slots, revision, err := r.store.Slots(ctx, r.pool)
	if err != nil && !errors.Is(err, r.none) {
		return false, fmt.Errorf("read the slots of pool %s: %w", r.pool, err)
	}
	slots.Pool = r.pool
	r.revision = revision
	r.have(slots, true)
	return true, nil
}

// Put stores them where they are others. After an error they are read anew: somebody else may have written.
func (r *Record) Put(ctx context.Context, slots orchestrator.PoolSlots) error {
	before, _ := r.Slots()
	if len(slots.Replicas) == 0 && len(before.Replicas) == 0 {
		slots.Replicas = before.Replicas // none is none
	}
	if reflect.DeepEqual(slots, before) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	revision, err := r.store.PutSlots(ctx, slots, r.revision)
	if err != nil {
		r.have(before, false)
		return fmt.Errorf("write the slots of pool %s: %w", r.pool, err)
	}
	r.revision = revision
	r.have(slots, true)
	return nil
}

func (r *Record) have(slots orchestrator.PoolSlots, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slots, r.known = slots, known
}
