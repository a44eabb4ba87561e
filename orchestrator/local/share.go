package local

import (
	"errors"
	"time"
)

// Slots are counted as if all of a replica's were used: replica 1 of a pool with slotsPerReplica 4 begins at slot 4, also where memory is for
// two workers a replica only.

// foundLocked says how many replicas the workers are that an engine before this one has left running, and how many were to share one.
func (e *Engine) foundLocked() (replicas, slots int) {
	found := map[int]bool{}
	for _, worker := range e.workers {
		slots = max(slots, worker.Sharing)
		if !worker.leaves() {
			found[worker.Slot/e.config.Slots] = true
		}
	}
	if slots == 0 || slots > e.config.Slots {
		slots = e.config.Slots
	}
	return len(found), slots
}

// shareLocked changes how many workers share a replica, and its bill.
func (e *Engine) shareLocked(slots int, now time.Time) (failed error) {
	if slots == e.slots {
		return nil
	}
	for _, worker := range e.workers {
		e.ledger.Seconds += e.seconds(worker, now)
		worker.Billed, worker.Sharing = now, slots
		failed = errors.Join(failed, worker.remember(e.config.Dir, e.config.Pool))
	}
	e.keepLedgerLocked()
	e.slots = slots
	return failed
}

// freeSlotLocked is the lowest free slot of a replica that has room. Workers that leave have theirs until they end.
func (e *Engine) freeSlotLocked() int {
	taken, sharing := map[int]bool{}, map[int]int{}
	for _, worker := range e.workers {
		taken[worker.Slot] = true
		sharing[worker.Slot/e.config.Slots]++
	}
	for slot := 0; ; slot++ {
		if !taken[slot] && sharing[slot/e.config.Slots] < e.slots {
			return slot
		}
	}
}
