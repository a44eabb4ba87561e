package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/scorer"
)

const (
	// mostUses is how many models a worker remembers the memory of: the newest.
	mostUses = 16
	// noticeable is by which part a peak must be higher to be told.
	noticeable = 20
	// raiseWithin is how long a batch waits for more memory, which the planner gives within a blink, unless others have to end first.
	raiseWithin = 5 * time.Second
	// longestShort bounds the pause after a shard went back for want of memory.
	longestShort = 30 * time.Second
)

// errShort wraps the failure of a scorer that needs more memory than its worker has now and could be given (H4): not the shard's fault.
var errShort = errors.New("more memory is needed")

// memory is what scorers may use and have used.
type memory struct {
	assignments *assignments
	tell        func() // that a scorer was ended

	mu      sync.Mutex
	uses    []orchestrator.MemoryUse // those of the newest models last
	process *scorer.Process          // that runs
	model   string
	short   struct { // a shard went back
		limit int64 // at this limit
		count int   // so many times in a row
		until time.Time
	}
}

// allowed is how much a scorer may hold now by the assignment; 0: no bound.
func (m *memory) allowed() int64 {
	assignment, _ := m.assignments.current()
	return max(assignment.Memory, 0)
}

// runs says which process is to be measured.
func (m *memory) runs(process *scorer.Process, model string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.measureLocked()
	m.process, m.model = process, model
}

// measured is what the worker says of its scorers.
func (m *memory) measured() []orchestrator.MemoryUse {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.measureLocked()
	return slices.Clone(m.uses)
}

// measureLocked takes the peak of the process that runs, where it is noticeably higher than what was told (H1).
func (m *memory) measureLocked() {
	if m.process == nil || !m.process.Alive() {
		return // what was ended needs more than it held
	}
	use, peak := m.useLocked(m.model), m.process.PeakMemory()
	if peak > use.Peak+use.Peak/noticeable {
		use.Peak = peak
	}
}

// useLocked finds what is known of a model, and makes it the newest.
func (m *memory) useLocked(model string) *orchestrator.MemoryUse {
	use := orchestrator.MemoryUse{Model: model}
	at := slices.IndexFunc(m.uses, func(one orchestrator.MemoryUse) bool { return one.Model == model })
	if at >= 0 {
		use = m.uses[at]
		m.uses = slices.Delete(m.uses, at, at+1)
	}
	m.uses = append(m.uses, use)
	if len(m.uses) > mostUses {
		m.uses = slices.Delete(m.uses, 0, 1)
	}
	return &m.uses[len(m.uses)-1]
}

// ended notes a scorer that was ended for want of memory (H3), and says so at once.
func (m *memory) ended(model string, err error) {
	failure := shortage(err)
	if failure == nil {
		return
	}
	m.mu.Lock()
	use := m.useLocked(model)
	use.Ended, use.EndedAt = max(use.Ended, failure.Used), time.Now().UTC()
	m.mu.Unlock()
	m.tell()
}

// shortage is how a scorer was ended for want of memory; nil: err is another failure.
func shortage(err error) *scorer.MemoryError {
	var failure *scorer.MemoryError
	if errors.As(err, &failure) {
		return failure
	}
	return nil
}

// raise is the wait for more memory for a model, as long as one batch is scored.
type raise struct {
	*memory
	model orchestrator.ModelSnapshot
	had   int64 // the most that was not enough
	vain  int64 // above this nothing came
}

func (m *memory) raise(model orchestrator.ModelSnapshot) *raise {
	return &raise{memory: m, model: model}
}

// possible says whether a scorer was ended for want of memory that its worker does not have, but might be given.
func (r *raise) possible(err error) bool {
	assignment, _ := r.assignments.current()
	return shortage(err) != nil && r.atMost(assignment.Memory) < r.atMost(assignment.MemoryMost)
}

// leaves says that the worker ends, which might have been given more: others get its memory, and its shard.
func (r *raise) leaves(err error) bool {
	assignment, _ := r.assignments.current()
	return assignment.Drain && r.possible(err)
}

// got notes how a scorer was ended, waits for more memory than was not enough, once for each amount, and says whether it is there.
func (r *raise) got(ctx context.Context, err error) bool {
	r.ended(r.model.Name, err)
	failure := shortage(err)
	if failure == nil || failure.Limit == 0 {
		return false
	}
	r.had = max(r.had, failure.Limit)
	if r.vain < r.had && r.possible(err) {
		r.await(ctx)
		r.vain = r.had
	}
	return r.more()
}

// more says whether there is more than was not enough.
func (r *raise) more() bool { return r.atMost(r.allowed()) > r.had }

// atMost is a bound of the worker together with that of the model.
func (r *raise) atMost(bound int64) int64 {
	if bound <= 0 {
		bound = math.MaxInt64
	}
	if r.model.MemoryLimit > 0 {
		bound = min(bound, r.model.MemoryLimit)
	}
	return bound
}

func (r *raise) await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, raiseWithin)
	defer cancel()
	for {
		changed := r.assignments.changes()
		if assignment, _ := r.assignments.current(); assignment.Drain || r.more() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// sendBack is the error that sends a shard back, and makes the worker pause.
func (m *memory) sendBack(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	short := &m.short
	short.limit = m.allowed()
	short.until = time.Now().Add(min(time.Second<<min(short.count, 5), longestShort))
	short.count++
	return fmt.Errorf("%w: %v", errShort, err) //nolint:errorlint // how the scorer died says nothing about rows now
}

// pause is how long no shard should be pulled, because the last one went back for want of memory and there is not more yet.
func (m *memory) pause() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.short.count > 0 && m.allowed() > m.short.limit {
		m.short.count = 0
	}
	if m.short.count == 0 {
		return 0
	}
	return max(time.Until(m.short.until), 0)
}
