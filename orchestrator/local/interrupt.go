package local

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// grantedLocked is how many replicas the provider runs now.
func (e *Engine) grantedLocked(now time.Time) int {
	return max(e.config.Granted(now.Sub(e.ledger.Since)), 0)
}

// interruptLocked does what a provider of spot capacity does: it takes replicas above what it grants away, with notice, and refuses what it does not have. It
// says how many workers may start.
func (e *Engine) interruptLocked(now time.Time) (room int) {
	if e.config.Granted == nil {
		return math.MaxInt
	}
	granted := e.grantedLocked(now)
	if !e.looked || granted != e.granted {
		e.config.Log.Info("spot capacity changed", "pool", e.config.Pool, "replicas", granted, "before", e.granted)
		e.looked, e.granted, e.news = true, granted, true
	}
	var there []*process
	for _, worker := range e.workers {
		if worker.Taken.IsZero() {
			there = append(there, worker)
		}
	}
	slices.SortFunc(there, func(a, b *process) int { return cmp.Or(cmp.Compare(b.Slot, a.Slot), cmp.Compare(b.ID, a.ID)) })
	room = granted*e.slots - len(there)
	for _, worker := range there[:min(max(-room, 0), len(there))] {
		e.takeLocked(worker, now)
	}
	e.refuseLocked(granted)
	return max(room, 0)
}

// takeLocked tells a worker that its replica is taken away; the end of the notice kills it, at once where there is none.
func (e *Engine) takeLocked(worker *process, now time.Time) {
	worker.Taken = now
	if !worker.leaves() {
		worker.Leaving = now
	}
	e.ledger.Taken++
	e.news = true
	e.config.Log.Info("worker taken away", "pool", e.config.Pool, "worker", worker.ID, "notice", e.config.Notice,
		"why", fmt.Sprintf("the provider grants %d replicas now", e.granted))
	if e.config.Notice > 0 {
		worker.kill(syscall.SIGTERM)
	} else {
		e.endNoticeLocked(worker, now)
	}
	if err := worker.remember(e.config.Dir, e.config.Pool); err != nil {
		e.config.Log.Warn("a restart of the service will not know that a worker was taken away", "error", err)
	}
	e.keepLedgerLocked()
}

// endNoticeLocked kills a worker whose notice is over.
func (e *Engine) endNoticeLocked(worker *process, now time.Time) {
	if now.Sub(worker.Taken) < e.config.Notice {
		return
	}
	if !worker.Killed {
		worker.Killed = true
		e.ledger.Killed++
		e.config.Log.Info("worker killed", "pool", e.config.Pool, "worker", worker.ID, "why", "its notice is over")
		e.keepLedgerLocked()
	}
	worker.kill(syscall.SIGKILL)
}

// refuseLocked notes when a request is above what is granted; it stays asked for.
func (e *Engine) refuseLocked(granted int) {
	refused := max(e.replicas-granted, 0)
	if refused > e.refused {
		e.ledger.Refused += refused - e.refused
		e.config.Log.Info("replicas refused", "pool", e.config.Pool, "asked", e.replicas, "granted", granted,
			"why", "the provider has no more; they start when it has")
		e.keepLedgerLocked()
	}
	e.refused = refused
}

// goneLocked forgets a worker that has ended, and what it has cost is known.
func (e *Engine) goneLocked(worker *process, now time.Time) {
	delete(e.workers, worker.ID)
	e.gone = append(e.gone, worker.ID)
	e.gone = e.gone[max(len(e.gone)-mostGone, 0):]
	e.news = e.news || !worker.leaves()
	worker.forget(e.config.Dir)
	e.ledger.Seconds += e.seconds(worker, now)
	e.keepLedgerLocked()
}

// seconds is what a worker has cost since it was last billed: its part of the replica.
func (e *Engine) seconds(worker *process, now time.Time) float64 {
	since := worker.Started
	if worker.Billed.After(since) {
		since = worker.Billed
	}
	return max(now.Sub(since).Seconds(), 0) / float64(e.slots)
}

// ledgerLocked is the ledger with what runs.
func (e *Engine) ledgerLocked(now time.Time) orchestrator.Ledger {
	ledger := e.ledger
	for _, worker := range e.workers {
		ledger.Seconds += e.seconds(worker, now)
	}
	return ledger
}

func (e *Engine) ledgerFile() string {
	return filepath.Join(e.config.Dir, "ledgers", e.config.Pool+".json")
}

// openLedger reads what an engine before this one was billed. The trace of interruptions goes on where it was.
func (e *Engine) openLedger(now time.Time) error {
	data, err := os.ReadFile(e.ledgerFile())
	if errors.Is(err, fs.ErrNotExist) {
		e.ledger = orchestrator.Ledger{Since: now.UTC()}
		return e.writeLedger()
	}
	if err == nil {
		err = json.Unmarshal(data, &e.ledger)
	}
	if err != nil {
		return fmt.Errorf("read what pool %s was billed: %w", e.config.Pool, err)
	}
	return nil
}

func (e *Engine) writeLedger() error {
	data, err := json.Marshal(e.ledger)
	if err == nil {
		err = os.WriteFile(e.ledgerFile()+".new", data, 0o640)
	}
	if err == nil {
		err = os.Rename(e.ledgerFile()+".new", e.ledgerFile())
	}
	if err != nil {
		return fmt.Errorf("write down what pool %s was billed: %w", e.config.Pool, err)
	}
	return nil
}

func (e *Engine) keepLedgerLocked() {
	if err := e.writeLedger(); err != nil {
		e.config.Log.Warn("a restart of the service will not know what was billed", "error", err)
	}
}
