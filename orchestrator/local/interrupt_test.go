package local

import (
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// provider is what grants a host's replicas.
type provider struct {
	granted atomic.Int32
	told    atomic.Int32 // how often somebody was told of a change
}

// interrupted is a host's engine whose replicas a provider may take away.
func (h *host) interrupted(notice time.Duration, granted int) (*Engine, *provider) {
	h.t.Helper()
	p := &provider{}
	p.granted.Store(int32(granted))
	config := h.config("cpu")
	config.Notice = notice
	config.Granted = func(time.Duration) int { return int(p.granted.Load()) }
	config.Changed = func() { p.told.Add(1) }
	e, err := New(config)
	h.must(err)
	return e, p
}

func (h *host) ledger(e *Engine, taken, killed, refused int) {
	h.t.Helper()
	if got := e.Observe(h.t.Context()).Ledger; got.Taken != taken || got.Killed != killed || got.Refused != refused {
		h.t.Errorf("%d taken, %d killed and %d refused; want %d, %d and %d", got.Taken, got.Killed, got.Refused, taken, killed, refused)
	}
}

func TestReplicasAboveWhatIsGrantedAreTakenWithNotice(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	h.manner.Store("stubborn")
	e, provider := h.interrupted(time.Minute, 3)
	h.scale(e, 3)
	workers := h.ready(e, 3)
	provider.granted.Store(1)
	now := time.Now()
	h.must(e.reconcile(now))
	for _, one := range workers[1:] {
		h.eventually("it is told", func() bool { return strings.HasSuffix(h.log(one.ID), "told to end\n") })
	}
	h.must(e.reconcile(now.Add(time.Minute - time.Millisecond)))
	h.ledger(e, 2, 0, 2)
	for _, one := range workers {
		if !e.alive(one.ID) {
			t.Errorf("worker %s was killed before the notice was over", one.ID)
		}
	}
	h.must(e.reconcile(now.Add(time.Minute)))
	h.eventually("those that were taken are gone", func() bool { return !e.alive(workers[1].ID) && !e.alive(workers[2].ID) })
	h.must(e.reconcile(now.Add(time.Minute)))
	h.ledger(e, 2, 2, 2)
	if left := known(e); len(left) != 1 || left[0] != workers[0] || h.log(workers[0].ID) != "worker "+workers[0].ID+" in slot 0\n" {
		t.Errorf("workers = %v, want %v, which nobody has told anything", left, workers[0])
	}
}

func TestWorkerThatEndsWithinTheNoticeIsNotKilled(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e, provider := h.interrupted(time.Minute, 1)
	h.scale(e, 1)
	one := h.ready(e, 1)[0]
	provider.granted.Store(0)
	now := time.Now()
	h.must(e.reconcile(now))
	h.eventually("it ends", func() bool { return !e.alive(one.ID) })
	h.must(e.reconcile(now.Add(time.Hour)))
	h.ledger(e, 1, 0, 1)
	if left := known(e); len(left) > 0 {
		t.Errorf("workers = %v, want none while nothing is granted", left)
	}
}

func TestWithoutNoticeAWorkerIsKilledUnwarned(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e, provider := h.interrupted(0, 1)
	h.scale(e, 1)
	one := h.ready(e, 1)[0]
	provider.granted.Store(0)
	now := time.Now()
	h.must(e.reconcile(now))
	h.eventually("it is killed", func() bool { return !e.alive(one.ID) })
	h.ledger(e, 1, 1, 1)
	if strings.Contains(h.log(one.ID), "told to end") {
		t.Errorf("it was told:\n%s", h.log(one.ID))
	}
}

// A request above what is granted stays asked for, and is granted later.
func TestRefusedReplicasStartWhenCapacityIsBack(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e, provider := h.interrupted(time.Minute, 1)
	h.scale(e, 3)
	h.ready(e, 1)
	h.must(e.reconcile(time.Now()))
	if got := e.Observe(t.Context()); got.Replicas != 3 || got.Available == nil || *got.Available != 1 {
		t.Errorf("pool = %+v, want 3 replicas asked for, 1 granted", got)
	}
	h.ledger(e, 0, 0, 2)
	provider.granted.Store(2)
	h.must(e.reconcile(time.Now()))
	h.ready(e, 2)
	h.ledger(e, 0, 0, 2) // nothing new is refused
}

// What drains by its assignment still fills the provider's machine.
func TestWorkerThatLeavesFillsWhatIsGranted(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e, _ := h.interrupted(time.Minute, 1)
	h.scale(e, 1)
	first := h.ready(e, 1)[0]
	h.scale(e, 0, first.ID)
	h.scale(e, 1)
	if got := known(e); len(got) != 1 || got[0] != first {
		t.Errorf("workers = %v, want only %v: no more is granted", got, first)
	}
	h.end(e, first)
	h.must(e.reconcile(time.Now()))
	if second := h.ready(e, 1)[0]; second.ID == first.ID {
		t.Errorf("no other worker than %v", first)
	}
}

// A replica of two workers is taken away whole.
func TestWholeReplicasAreTaken(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e, provider := h.interrupted(time.Minute, 2)
	e.config.Slots, e.slots = 2, 2
	h.scale(e, 2)
	workers := h.ready(e, 4)
	provider.granted.Store(1)
	h.must(e.reconcile(time.Now()))
	h.eventually("two end", func() bool { return !e.alive(workers[2].ID) && !e.alive(workers[3].ID) })
	if !e.alive(workers[0].ID) || !e.alive(workers[1].ID) {
		t.Error("a worker of the replica that is granted was taken away")
	}
	h.ledger(e, 2, 0, 1)
}

// The trace goes on and a notice runs on when the service is started again, and what was billed is known.
func TestInterruptionsGoOnAfterARestart(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	h.manner.Store("stubborn")
	first, provider := h.interrupted(time.Minute, 2)
	h.scale(first, 2)
	workers := h.ready(first, 2)
	provider.granted.Store(1)
	now := time.Now()
	h.must(first.reconcile(now))
	before := first.Observe(t.Context()).Ledger

	var since time.Duration
	config := first.config
	config.Granted = func(at time.Duration) int { since = at; return 1 }
	again, err := New(config)
	h.must(err)
	if got := again.Observe(t.Context()); !got.Ledger.Since.Equal(before.Since) || got.Ledger.Seconds < before.Seconds || got.Replicas != 1 {
		t.Errorf("after a restart %+v, before it the ledger was %+v", got, before)
	}
	h.must(again.reconcile(now.Add(time.Minute)))
	h.eventually("it is killed", func() bool { return !again.alive(workers[1].ID) })
	if want := now.Add(time.Minute).Sub(before.Since); since != want {
		t.Errorf("the provider was asked for %s after the first start, want %s", since, want)
	}
	h.ledger(again, 1, 1, 1)
}

func TestLedgerCountsFromStartToEnd(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	config := h.config("cpu")
	config.Slots = 2
	e, err := New(config)
	h.must(err)
	now := time.Now()
	h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 1, Slots: e.config.Slots}, nil))
	h.must(e.reconcile(now))
	workers := h.ready(e, 2)
	near := func(ledger orchestrator.Ledger, want float64) {
		t.Helper()
		if math.Abs(ledger.Seconds-want) > 5 {
			t.Errorf("%.1f s of replicas, want about %g", ledger.Seconds, want)
		}
	}
	near(e.ledgerLocked(now.Add(100*time.Second)), 100)
	h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 0, Slots: e.config.Slots}, []string{workers[0].ID}))
	h.end(e, workers[0])
	h.must(e.reconcile(now.Add(200 * time.Second)))
	near(e.ledgerLocked(now.Add(300*time.Second)), 100+150)
	again, err := New(config)
	h.must(err)
	near(again.ledgerLocked(now.Add(300*time.Second)), 100+150)
}

func TestChangesOfCapacityAreTold(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e, provider := h.interrupted(time.Minute, 1)
	h.run(e)
	h.eventually("the first look is told", func() bool { return provider.told.Load() == 1 })
	provider.granted.Store(0)
	h.eventually("the change is told", func() bool { return provider.told.Load() == 2 })
}
