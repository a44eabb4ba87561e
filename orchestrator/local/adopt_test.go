package local

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// crashed gives the workers of an engine whose whole process was killed.
func (h *host) crashed() []worker {
	h.t.Helper()
	program, err := os.Executable()
	h.must(err)
	other := exec.Command(program, "engine", h.dir, program)
	h.must(other.Start())
	var workers []worker
	h.eventually("the other engine's workers are up", func() bool {
		workers = nil
		for _, id := range h.records() {
			var record process
			data, err := os.ReadFile(recordFile(h.dir, id))
			if err == nil && json.Unmarshal(data, &record) == nil && h.log(id) != "" {
				workers = append(workers, worker{record.ID, record.Slot, record.PID})
			}
		}
		return len(workers) == 2
	})
	h.must(other.Process.Kill())
	_ = other.Wait() // it was killed
	return workers
}

func TestEngineAdoptsTheWorkersOfOneThatWasKilled(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	workers := h.crashed()
	e := h.engine()
	if got := e.Observe(t.Context()).Replicas; got != 2 {
		t.Errorf("replicas = %d, want the 2 that run", got)
	}
	h.scale(e, 2)
	if diff := cmp.Diff(workers, known(e)); diff != "" {
		t.Errorf("workers (-want +got):\n%s", diff)
	}
	if got := h.started.Load(); got > 0 {
		t.Errorf("%d workers started, though as many as wanted ran", got)
	}
}

func TestAdoptedWorkerThatDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	workers := h.crashed()
	e := h.engine()
	h.run(e)
	h.end(e, workers[0])
	h.eventually("another worker is up", func() bool {
		list := known(e)
		return len(list) == 2 && list[0].PID != workers[0].PID
	})
	if after := known(e); after[0].Slot != 0 || after[1] != workers[1] {
		t.Errorf("workers = %v after the first of %v died", after, workers)
	}
}

func TestStopEndsAdoptedWorkers(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	h.crashed()
	h.stop(h.engine())
}

// A worker that drains was not wanted any more before the restart; nor is it after.
func TestAdoptedWorkerThatLeavesDoesNotCount(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	first := h.engine()
	h.scale(first, 2)
	workers := h.ready(first, 2)
	h.scale(first, 1, workers[1].ID)
	e := h.engine()
	if got := e.Observe(t.Context()).Replicas; got != 1 {
		t.Errorf("replicas = %d, want 1: the other leaves", got)
	}
	h.end(e, workers[1])
	h.must(e.reconcile(time.Now()))
	if diff := cmp.Diff(workers[:1], known(e)); diff != "" {
		t.Errorf("workers (-want +got):\n%s", diff)
	}
}

func TestWorkerThatEndedWhileNoEngineRanIsNotAdopted(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	first := h.engine()
	h.scale(first, 2)
	workers := h.ready(first, 2)
	h.end(first, workers[0])
	e := h.engine()
	if diff := cmp.Diff(workers[1:], known(e)); diff != "" {
		t.Errorf("workers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{workers[1].ID}, h.records()); diff != "" {
		t.Errorf("written down (-want +got):\n%s", diff)
	}
}

// The kernel gave a dead worker's number to another process: it is neither counted nor ended.
func TestForeignProcessWithAWorkersNumberIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	program, err := os.Executable()
	h.must(err)
	foreign := exec.Command(program, "worker", h.dir, "foreign", "0", "obeys")
	h.must(foreign.Start())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = foreign.Wait() }()
	t.Cleanup(func() { _ = foreign.Process.Kill(); <-ended })
	ticks, _ := startTicks(foreign.Process.Pid)
	old := &process{ID: "cpu-0-old", PID: foreign.Process.Pid, Ticks: ticks - 1}
	h.must(os.MkdirAll(filepath.Join(h.dir, "workers"), 0o750))
	h.must(old.remember(h.dir, "cpu"))

	e := h.engine()
	if got := e.Observe(t.Context()).Replicas; got != 0 {
		t.Errorf("replicas = %d, want 0", got)
	}
	if left := h.records(); len(left) > 0 {
		t.Errorf("still written down: %v", left)
	}
	h.must(e.Stop(t.Context()))
	old.kill(syscall.SIGKILL) // nor by a record that is older than the reuse of the number
	if !slices.Equal(h.running(), []int{foreign.Process.Pid}) {
		t.Error("the foreign process was ended")
	}
}

// A worker whose parent does not ask how it ended stays in the table of processes.
func TestZombieDoesNotCount(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	program, err := os.Executable()
	h.must(err)
	child := exec.Command(program, "worker", h.dir, "cpu-0-old", "0", "dies")
	h.must(child.Start())
	old := &process{ID: "cpu-0-old", PID: child.Process.Pid}
	old.Ticks, _ = startTicks(old.PID)
	h.must(os.MkdirAll(filepath.Join(h.dir, "workers"), 0o750))
	h.must(old.remember(h.dir, "cpu"))
	h.eventually("the child is a zombie", func() bool { _, state := startTicks(old.PID); return state == 'Z' })
	if got := h.engine().Observe(t.Context()).Replicas; got != 0 {
		t.Errorf("replicas = %d, want 0", got)
	}
	_ = child.Wait() // it ended with 1
}

func TestPoolsShareAFolder(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.scale(e, 1)
	workers := h.ready(e, 1)
	other, err := New(h.config("gpu"))
	h.must(err)
	if got := other.Observe(t.Context()).Replicas; got != 0 {
		t.Errorf("replicas of the other pool = %d, want 0", got)
	}
	h.must(other.Stop(t.Context()))
	if !e.alive(workers[0].ID) {
		t.Error("the stop of one pool ended a worker of another")
	}
	if diff := cmp.Diff(workers, known(h.engine())); diff != "" {
		t.Errorf("workers after a restart (-want +got):\n%s", diff)
	}
}

func TestRecordThatIsNoRecordIsPassedOver(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	first := h.engine()
	h.scale(first, 1)
	workers := h.ready(first, 1)
	h.must(os.WriteFile(recordFile(h.dir, "cpu-7-torn"), []byte(`{"id":"cpu-7-to`), 0o600))
	if diff := cmp.Diff(workers, known(h.engine())); diff != "" {
		t.Errorf("workers (-want +got):\n%s", diff)
	}
}
