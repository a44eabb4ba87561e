package local

import (
	"cmp"
	"slices"
	"syscall"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// The variables by which a program of the user's own learns who it is.
const (
	consumerVariable = "NIGHTSHIFT_CONSUMER"
	poolVariable     = "NIGHTSHIFT_POOL"
)

// Running are the user's own programs, by slot; own is false where the pool runs workers of ours.
func (e *Engine) Running() (list []orchestrator.Consumer, own bool) {
	if !e.config.Own {
		return nil, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range e.workers {
		if one.alive() {
			list = append(list, orchestrator.Consumer{ID: one.ID, Slot: one.Slot, Started: one.Started, Leaves: one.leaves() || !one.Taken.IsZero(), MostGrace: e.config.MostGrace})
		}
	}
	slices.SortFunc(list, func(a, b orchestrator.Consumer) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.ID, b.ID))
	})
	return list, true
}

// Leave asks a program of the user's own to end, once. It has the grace to do so, and never less than any worker.
func (e *Engine) Leave(id string, grace time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	worker, ok := e.workers[id]
	if !ok || worker.leaves() {
		return nil
	}
	worker.kill(syscall.SIGTERM) // first: who was told and not written down is replaced, who was not told would be killed unwarned
	worker.Leaving, worker.Grace = time.Now(), max(min(grace, e.config.MostGrace), e.config.Grace)
	return worker.remember(e.config.Dir, e.config.Pool)
}

// endConsumer ends a program by force whose grace is over.
func (e *Engine) endConsumer(worker *process, since time.Duration) {
	if since > worker.Grace {
		e.config.Log.Warn("a consumer that should leave does not end and is killed", "consumer", worker.ID, "grace", worker.Grace, "log", e.logFile(worker.ID))
		worker.kill(syscall.SIGKILL)
	}
}

// environment is what a worker's has on top of this process's.
func (e *Engine) environment(id string) []string {
	if !e.config.Own {
		return e.config.Env
	}
	return append(slices.Clone(e.config.Env), consumerVariable+"="+id, poolVariable+"="+e.config.Pool)
}
