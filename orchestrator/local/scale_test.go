package local

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nightshift.dev/nightshift/orchestrator"
)

func TestAsManyWorkersStartAsAskedForEachWithItsSlot(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.run(e)
	h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 3, Slots: e.config.Slots}, nil))
	for slot, one := range h.ready(e, 3) {
		if named := regexp.MustCompile(fmt.Sprintf(`^cpu-%d-[0-9a-z]+$`, slot)); one.Slot != slot || !named.MatchString(one.ID) {
			t.Errorf("worker %d is %s in slot %d", slot, one.ID, one.Slot)
		}
		if want := fmt.Sprintf("worker %s in slot %d\n", one.ID, slot); h.log(one.ID) != want {
			t.Errorf("log of worker %d = %q, want %q", slot, h.log(one.ID), want)
		}
	}
	if got := len(h.running()); got != 3 {
		t.Errorf("%d processes run, want 3", got)
	}
}

// A replica of this pool carries two workers, before and after a restart of the service.
func TestReplicaOfSeveralWorkers(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	config := h.config("cpu")
	config.Slots = 2
	first, err := New(config)
	h.must(err)
	stop := h.run(first)
	h.must(first.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 3, Slots: 2}, nil))
	h.ready(first, 6)
	stop()
	again, err := New(config)
	h.must(err)
	if got := again.Observe(t.Context()).Replicas; got != 3 {
		t.Errorf("%d replicas after a restart, want 3", got)
	}
}

func TestObserveSaysWhatIsAskedForAndSinceWhen(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 5, Slots: e.config.Slots}, nil)) // none has started
	before := time.Now()
	got := e.Observe(t.Context())
	want := orchestrator.PoolView{Name: "cpu", Replicas: 5, Slots: 1, Reading: orchestrator.Reading{Source: "local engine"}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(orchestrator.Reading{}, "At"), cmpopts.IgnoreFields(orchestrator.Ledger{}, "Since")); diff != "" {
		t.Errorf("pool (-want +got):\n%s", diff)
	}
	if got.Reading.At.Before(before) || got.Reading.At.After(time.Now()) {
		t.Errorf("the reading is of %s, want now", got.Reading.At)
	}
}

// A terminal sends Ctrl-C to the session of the service; its workers are told by the service.
func TestWorkerHasASessionOfItsOwn(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.scale(e, 1)
	one := known(e)[0]
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", one.PID))
	h.must(err)
	_, rest, _ := strings.Cut(string(stat), ") ")
	if session := strings.Fields(rest)[3]; session != strconv.Itoa(one.PID) {
		t.Errorf("process %d is in session %s", one.PID, session)
	}
}

func TestWorkerThatLeavesIsNotReplaced(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.scale(e, 2)
	workers := h.ready(e, 2)
	h.scale(e, 1, workers[1].ID)
	h.end(e, workers[1])
	h.must(e.reconcile(time.Now()))
	if diff := cmp.Diff(workers[:1], known(e)); diff != "" {
		t.Errorf("workers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{workers[0].ID}, h.records()); diff != "" {
		t.Errorf("written down (-want +got):\n%s", diff)
	}
}

// It drains: it finishes the shard it holds, and then ends by itself.
func TestWorkerThatLeavesIsLeftToEndByItself(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.scale(e, 1)
	one := h.ready(e, 1)[0]
	h.scale(e, 0, one.ID)
	h.must(e.reconcile(time.Now().Add(drainLimit - time.Minute)))
	h.must(syscall.Kill(one.PID, syscall.SIGWINCH))
	h.eventually("it answers", func() bool { return strings.Contains(h.log(one.ID), "still there\n") || !e.alive(one.ID) })
	if !e.alive(one.ID) || strings.Contains(h.log(one.ID), "told to end") {
		t.Errorf("the worker was ended; its log:\n%s", h.log(one.ID))
	}
}

// It hangs: it is asked to end, and killed after the grace.
func TestWorkerThatLeavesAndHangsIsEnded(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	h.manner.Store("stubborn")
	h.scale(h.engine(), 1)
	e := h.engine() // a restart does not begin the time anew
	one := h.ready(e, 1)[0]
	h.scale(e, 0, one.ID)
	e = h.engine()
	h.must(e.reconcile(time.Now().Add(drainLimit + e.config.Grace/2)))
	h.eventually("it is asked to end", func() bool { return strings.Contains(h.log(one.ID), "told to end\n") })
	if !e.alive(one.ID) {
		t.Fatal("it was killed before the grace was over")
	}
	h.must(e.reconcile(time.Now().Add(drainLimit + 2*e.config.Grace)))
	h.eventually("it is gone", func() bool { return !e.alive(one.ID) })
}

func TestWorkerThatLeavesKeepsItsSlotAndDoesNotCount(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.scale(e, 2)
	workers := h.ready(e, 2)
	h.scale(e, 1, workers[0].ID)
	h.scale(e, 2)
	after := known(e)
	if len(after) != 3 || after[0] != workers[0] || after[1] != workers[1] || after[2].Slot != 2 {
		t.Errorf("workers = %v, want %v and one more in slot 2", after, workers)
	}
}

func TestFewerReplicasEndNoWorkerThatWasNotNamed(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.scale(e, 2)
	workers := h.ready(e, 2)
	h.scale(e, 1)
	for _, one := range workers {
		if !e.alive(one.ID) {
			t.Errorf("worker %s was ended without a word about it", one.ID)
		}
	}
}

func TestWorkersGoOnWhenTheEngineEnds(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	stop := h.run(e)
	h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 2, Slots: e.config.Slots}, nil))
	workers := h.ready(e, 2)
	stop()
	for _, one := range workers {
		if err := syscall.Kill(one.PID, 0); err != nil || !e.alive(one.ID) || strings.Contains(h.log(one.ID), "told to end") {
			t.Errorf("worker %s ended with the engine (%v)", one.ID, err)
		}
	}
}
