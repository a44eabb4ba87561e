package control

import (
	"slices"
	"sync"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// mostTables bounds what is kept: some ten to forty megabytes each.
const mostTables = 8

// tables solves what plans lack, one table at a time and beside the loop, and keeps the last few. The zero value is ready.
type tables struct {
	mu      sync.Mutex
	kept    []*orchestrator.Table // the newest last
	solving sync.WaitGroup
	busy    bool
}

// want begins with the first of what is lacking, unless one is being solved. done is called when it is there.
func (t *tables) want(lacking []orchestrator.TableParameters, done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(lacking) == 0 || t.busy {
		return
	}
	t.busy = true
	t.solving.Go(func() {
		table, err := planner.Solve(lacking[0])
		t.mu.Lock()
		t.busy = false
		if err == nil { // the planner asks only for what can be solved
			t.kept = append(slices.Clone(t.kept), table)
			t.kept = t.kept[max(len(t.kept)-mostTables, 0):]
		}
		t.mu.Unlock()
		done()
	})
}

// all are those that are there.
func (t *tables) all() []*orchestrator.Table {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept
}

// wait returns when nothing is being solved: after some seconds at most.
func (t *tables) wait() { t.solving.Wait() }
