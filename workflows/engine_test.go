package workflows

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"nightshift.dev/nightshift/orchestrator"
)

// running gives an engine with so many runners, all of which run.
func running(count int) (*world, *Engine) {
	w := newWorld()
	e := w.engine()
	w.settle(count, e)
	return w, e
}

func (w *world) pass(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.pass(t.Context(), w.now); err != nil {
		t.Fatal(err)
	}
}

// AW4: what is not known any more keeps its size, is as old as the last contact, and is said in the log once; nothing is written, and what it is asked for then is refused.
func TestUnknownKeepsItsSize(t *testing.T) {
	w, e := running(3)
	var log bytes.Buffer
	e.config.Log = slog.New(slog.NewTextHandler(&log, nil))
	lost := w.now.Add(-time.Minute)
	w.seen = Seen{At: lost, Err: errors.New("there is no watch on runners")}
	before := w.writes
	w.pass(t, e)
	w.pass(t, e)
	view := e.Observe(t.Context())
	if view.Replicas != 3 || view.Reading.Err != "there is no watch on runners" || !view.Reading.At.Equal(lost) || w.writes != before {
		t.Errorf("unknown: %+v, %d writes", view, w.writes-before)
	}
	if err := e.Scale(t.Context(), orchestrator.PoolPlan{From: 3, Replicas: 4}, nil); err == nil {
		t.Error("unknown runners are sized")
	}
	w.sync()
	w.pass(t, e)
	if said := log.String(); strings.Count(said, "\n") != 2 || !strings.Contains(said, "there is no watch on runners") || !strings.Contains(said, "known again") {
		t.Errorf("the log says\n%s", said)
	}
	if fresh := w.engine().Observe(t.Context()); fresh.Reading.Err == "" {
		t.Errorf("before the record is read: %+v", fresh)
	}
}

// AW3 and AW20: what was asked for counts as asked for until it is done; what failed is asked for by the next plan.
func TestAskedForUntilItIsDone(t *testing.T) {
	w, e := running(3)
	if err := e.Scale(t.Context(), orchestrator.PoolPlan{From: 3, Replicas: 5}, nil); err != nil {
		t.Fatal(err)
	}
	if view := e.Observe(t.Context()); view.Replicas != 5 {
		t.Errorf("asked for: %d", view.Replicas)
	}
	w.revision++ // somebody else has written the record
	if err := e.pass(t.Context(), w.now); err == nil {
		t.Error("the record of somebody else is overwritten")
	}
	if view := e.Observe(t.Context()); view.Replicas != 3 || view.Reading.Err == "" {
		t.Errorf("then %+v", view)
	}
	w.pass(t, e)
	if view := e.Observe(t.Context()); view.Replicas != 3 || view.Reading.Err != "" {
		t.Errorf("read anew: %+v", view)
	}
}

// AW7: that no more are given is believed for a while, also after nothing waits any more.
func TestRefusalIsBelievedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.now = time.Now()
		e := w.engine()
		w.sync()
		w.pass(t, e)
		if err := w.decide(e, 2); err != nil {
			t.Fatal(err)
		}
		w.pass(t, e)
		w.edit("1") // a lock for one
		w.argo()
		w.run("gpu-0-1")
		w.sync()
		available := func() int {
			if view := e.Observe(t.Context()); view.Available != nil {
				return *view.Available
			}
			return -1
		}
		if got := available(); got != -1 {
			t.Errorf("at once: %d", got)
		}
		time.Sleep(31 * time.Second)
		if got := available(); got != 1 {
			t.Errorf("after half a minute: %d, want 1", got)
		}
		w.edit("2")
		w.argo()
		w.sync()
		time.Sleep(179 * time.Second)
		if got := available(); got != 2 {
			t.Errorf("once it has come: %d, want 2: no more may be given", got)
		}
		time.Sleep(2 * time.Second)
		if got := available(); got != -1 {
			t.Errorf("three minutes later: %d, want unknown", got)
		}
	})
}

// AW9 and AW10: the semaphore is raised before runners are made; where it cannot be written nothing is made.
func TestSemaphoreComesFirst(t *testing.T) {
	w, e := running(2)
	if err := w.decide(e, 4); err != nil {
		t.Fatal(err)
	}
	w.edit("8") // the watch has not told
	if err := e.pass(t.Context(), w.now); err == nil || len(w.live()) != 2 {
		t.Errorf("%v, and %v are live", err, w.live())
	}
	w.sync()
	w.pass(t, e)
	if len(w.live()) != 4 || w.semaphore.Data["gpu"] != "4" {
		t.Errorf("%v, the semaphore is %s", w.live(), w.semaphore.Data["gpu"])
	}
}

// AW11: somebody's hand is told on the ConfigMap and in the log; what an earlier life has written is nobody's hand.
func TestEditedByHand(t *testing.T) {
	w, e := running(3)
	step := func() {
		w.sync()
		w.pass(t, e)
		w.sync()
		w.pass(t, e)
	}
	w.edit("7")
	step()
	w.edit("")
	step()
	w.semaphore = nil
	step()
	e = w.engine() // that was killed before it lowered
	w.edit("4")
	step()
	if err := w.decide(e, 1); err != nil {
		t.Fatal(err)
	}
	step()
	expect(t, "told", w.told, []string{
		`SemaphoreRestored: gpu was changed from 3 to "7" by somebody else than nightshift, its only writer, and is 3 again`,
		`SemaphoreRestored: gpu was 3 and was removed by somebody else than nightshift, its only writer, and is 3 again`,
		`SemaphoreRestored: gpu was 3 and was removed by somebody else than nightshift, its only writer, and is 3 again`,
	})
	if got := w.semaphore.Data["gpu"]; got != "1" {
		t.Errorf("the semaphore is %s", got)
	}
}

// AW12: ten at once, then as many a minute as allowed.
func TestCreationsAreBounded(t *testing.T) {
	w := newWorld()
	e := w.engine()
	w.pass(t, e)
	if err := w.decide(e, 40); err != nil {
		t.Fatal(err)
	}
	for second, want := range []int{10, 12, 14, 16} {
		w.pass(t, e)
		if got := len(w.live()); got != want {
			t.Errorf("after %d s: %d made, want %d", second, got, want)
		}
		w.now = w.now.Add(time.Second)
		w.sync()
	}
}

// AW13: after a failure nothing is made for a while, and the log says it; a killed one is replaced at once.
func TestFailedRunnerIsReplacedLater(t *testing.T) {
	for end, later := range map[string]bool{"main: Error (exit code 3)": true, "pod deleted": false} {
		w, e := running(1)
		var log bytes.Buffer
		e.config.Log = slog.New(slog.NewTextHandler(&log, nil))
		w.end(w.live()[0], wfv1.WorkflowFailed, end)
		w.sync()
		w.pass(t, e)
		if made := len(w.live()) == 1; made == later || !strings.Contains(log.String(), end) {
			t.Errorf("%s: made at once %t, and the log says\n%s", end, made, log.String())
		}
		w.now = w.now.Add(time.Second)
		w.pass(t, e)
		if len(w.live()) != 1 {
			t.Errorf("%s: a second later %v", end, w.live())
		}
	}
}

// AW19: what is wrong with the semaphore is said once, and when it is right again.
func TestTroubleIsSaidOnce(t *testing.T) {
	w, e := running(1)
	var log bytes.Buffer
	e.config.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := w.decide(e, 2); err != nil {
		t.Fatal(err)
	}
	for range 40 { // no controller runs
		w.pass(t, e)
		w.now = w.now.Add(time.Second)
		w.sync()
	}
	w.argo()
	w.sync()
	w.pass(t, e)
	if said := log.String(); strings.Count(said, "no controller takes runner") != 1 || strings.Count(said, "as it should be again") != 1 {
		t.Errorf("the log says\n%s", said)
	}
}

// The workers of runners that have ended are told as ended; those whose pods were deleted may still hand back what they hold.
func TestEnded(t *testing.T) {
	w, e := running(3)
	workers := map[string]orchestrator.Presence{}
	for name, one := range w.workers {
		workers[name] = one
	}
	other := workers["gpu-0-1"]
	other.Pool = "cpu"
	w.end("gpu-0-1", wfv1.WorkflowSucceeded, "")
	w.end("gpu-1-2", wfv1.WorkflowError, "pod deleted")
	w.workers = workers // they were heard of a moment ago
	workers["other"] = other
	w.sync()
	expect(t, "ended", e.Ended(), []string{workers["gpu-0-1"].Worker})
}
