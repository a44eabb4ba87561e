package local

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

func TestWorkerThatDiesIsStartedAgainInItsSlot(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	var told atomic.Int64
	e.config.Changed = func() { told.Add(1) }
	h.run(e)
	h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 2, Slots: e.config.Slots}, nil))
	before := h.ready(e, 2)
	if told.Load() != 0 || len(e.Ended()) != 0 {
		t.Errorf("before anything ends: told %d times, ended %v", told.Load(), e.Ended())
	}
	h.end(e, before[0])
	h.eventually("another worker is up", func() bool {
		list := known(e)
		return len(list) == 2 && list[0].PID != before[0].PID && h.log(list[0].ID) != ""
	})
	if diff := cmp.Diff([]string{before[0].ID}, e.Ended()); diff != "" {
		t.Errorf("ended (-want +got):\n%s", diff)
	}
	h.eventually("it is told", func() bool { return told.Load() > 0 })
	after := known(e)
	if after[0].Slot != 0 || after[0].ID == before[0].ID || after[1] != before[1] {
		t.Errorf("workers = %v after the first of %v died", after, before)
	}
	if diff := cmp.Diff([]string{after[0].ID, after[1].ID}, h.records()); diff != "" {
		t.Errorf("written down (-want +got):\n%s", diff)
	}
}

func TestPausesGrow(t *testing.T) {
	t.Parallel()
	for quick, want := range map[int]time.Duration{
		0: 0, 1: 0, 2: time.Second, 3: 2 * time.Second, 4: 4 * time.Second, 6: 16 * time.Second, 7: 30 * time.Second, 1 << 40: 30 * time.Second,
	} {
		if got := pause(quick); got != want {
			t.Errorf("pause after %d quick ends = %s, want %s", quick, got, want)
		}
	}
}

// dead waits until the last worker that started has died, and tells the engine so at the given time.
func (h *host) dead(e *Engine, now time.Time) {
	h.t.Helper()
	h.eventually("the worker has died", func() bool { return !e.alive(known(e)[0].ID) })
	h.must(e.reconcile(now))
}

func TestWorkersThatDieAtOnceAreStartedAfterGrowingPauses(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	h.manner.Store("dies")
	e := h.engine()
	h.scale(e, 1)
	now := time.Now()
	h.dead(e, now) // the first is followed by another at once
	for n, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		h.dead(e, now)
		h.must(e.reconcile(now.Add(wait - time.Millisecond)))
		if got, want := int(h.started.Load()), n+2; got != want {
			t.Fatalf("%d workers started before the pause of %s was over, want %d", got, wait, want)
		}
		h.must(e.reconcile(now.Add(wait)))
		if got, want := int(h.started.Load()), n+3; got != want {
			t.Fatalf("%d workers started after the pause of %s, want %d", got, wait, want)
		}
	}
}

func TestWorkerThatRanLongIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	h.manner.Store("dies")
	e := h.engine()
	h.scale(e, 1)
	now := time.Now()
	h.dead(e, now)
	h.dead(e, now)
	h.manner.Store("obeys")
	h.must(e.reconcile(now.Add(time.Second)))
	third := h.ready(e, 1)[0]
	e.workers[third.ID].Started = now.Add(-time.Hour) // nobody waits so long here
	h.end(e, third)
	h.must(e.reconcile(now.Add(time.Second)))
	h.end(e, h.ready(e, 1)[0])
	h.must(e.reconcile(now.Add(time.Second))) // the first quick end again: no pause
	if got := h.started.Load(); got != 5 {
		t.Errorf("%d workers started, want 5: a long run ends the pauses", got)
	}
}

func TestProgramThatIsMissingIsTriedAgain(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	program, err := os.Executable()
	h.must(err)
	later := filepath.Join(h.dir, "installed-later")
	config := h.config("cpu")
	config.Command = commandOf(later, h.dir, "obeys")
	e, err := New(config)
	h.must(err)
	h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 1, Slots: e.config.Slots}, nil))
	if err := e.reconcile(time.Now()); err == nil {
		t.Error("no error, though the program is missing")
	}
	if list := known(e); len(list) > 0 || len(h.records()) > 0 {
		t.Errorf("workers = %v, written down = %v; want none", list, h.records())
	}
	h.run(e)
	h.must(os.Symlink(program, later))
	h.ready(e, 1)
}

func TestProgramThatStaysMissingIsTriedAfterGrowingPauses(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	config := h.config("cpu")
	tries := 0
	config.Command = func(string, int) []string { tries++; return []string{filepath.Join(h.dir, "missing")} }
	e, err := New(config)
	h.must(err)
	h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 2, Slots: e.config.Slots}, nil))
	now := time.Now()
	var seen []string
	for at := time.Duration(0); at <= 8*time.Second; at += 500 * time.Millisecond {
		if before := tries; e.reconcile(now.Add(at)) != nil && tries > before {
			seen = append(seen, fmt.Sprint(at))
		}
	}
	if diff := cmp.Diff([]string{"0s", "500ms", "1.5s", "3.5s", "7.5s"}, seen); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
}
