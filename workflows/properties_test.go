package workflows

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"pgregory.net/rapid"
)

// AW9 to AW11, AW15, AW18, AW21 to AW23 and AC1 to AC7: over every order of decisions, watches that lag, passes of Argo, pods that run, are lost or are deleted, runners and
// semaphores in somebody's hands, lost answers, two services at once and deaths of them, no runner with a worker is deleted, the semaphore is never written below 1, and in
// the end there are as many as asked for, and nothing is written any more.
func TestRunnersEndAsAskedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		engines := []*Engine{w.engine(), w.engine()}
		some := func(names []string) string {
			if len(names) == 0 {
				return ""
			}
			return rapid.SampledFrom(names).Draw(t, "runner")
		}
		engine := func() *Engine { return engines[rapid.IntRange(0, 1).Draw(t, "engine")] }
		pass := func() {
			_ = engine().pass(t.Context(), w.now) // what fails is tried again
			for _, limit := range w.limits {
				if number, err := strconv.Atoi(limit); err != nil || number < 1 {
					t.Fatalf("the semaphore was written as %q", limit)
				}
			}
			if len(w.cut) > 0 {
				t.Fatalf("runners were deleted while their workers ran: %v", w.cut)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"decide":  func(t *rapid.T) { _ = w.decide(engine(), rapid.IntRange(0, 4).Draw(t, "target")) },
			"pass":    func(*rapid.T) { pass() },
			"watch":   func(*rapid.T) { w.sync() },
			"argo":    func(*rapid.T) { w.argo() },
			"runs":    func(*rapid.T) { w.run(some(w.live())) },
			"drained": func(*rapid.T) { w.drained() },
			"killed":  func(*rapid.T) { w.end(some(w.live()), wfv1.WorkflowError, "pod deleted") },
			"fails":   func(*rapid.T) { w.end(some(w.live()), wfv1.WorkflowFailed, "main: Error (exit code 3)") },
			"deleted": func(*rapid.T) { w.remove(some(w.live())) },
			"edited":  func(t *rapid.T) { w.edit(rapid.SampledFrom([]string{"", "0", "9", "x"}).Draw(t, "text")) },
			"no map":  func(*rapid.T) { w.semaphore = nil },
			"dies":    func(t *rapid.T) { engines[rapid.IntRange(0, 1).Draw(t, "which")] = w.engine() },
			"later": func(t *rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
			},
			"answer lost": func(*rapid.T) {
				w.answers = func() error { return errors.New("no answer") }
				pass()
				w.answers = nil
			},
		})
		target := rapid.IntRange(0, 4).Draw(t, "in the end")
		w.settle(target, engines...)
		if live := w.live(); len(live) != target || len(w.slots.Replicas) != target || staying(w.slots) != target {
			t.Fatalf("%v live, the record is %+v, want %d", live, w.slots.Replicas, target)
		}
		if got := w.semaphore.Data["gpu"]; got != strconv.Itoa(max(target, 1)) {
			t.Fatalf("the semaphore is %q for %d", got, target)
		}
		before := w.writes
		w.settle(target, append(engines, w.engine())...)
		if w.writes != before {
			t.Fatalf("%d writes while nothing changed", w.writes-before)
		}
	})
}

// AW1: a generation is never given out twice, whatever happens to those before, also after the record is lost.
func TestGenerationsAreNewOnes(t *testing.T) {
	w := newWorld()
	e := w.engine()
	var names []string
	for range 3 {
		w.settle(2, e)
		names = append(names, w.live()...)
		for _, name := range w.live() {
			w.remove(name)
		}
	}
	w.settle(2, e)
	w.revision, w.slots.Replicas, w.slots.Generation = 0, nil, 0 // the store is another
	e = w.engine()
	w.settle(3, e)
	names = append(names, w.live()...)
	slices.Sort(names)
	if fresh := slices.Compact(slices.Clone(names)); len(fresh) != len(names) || len(names) != 9 {
		t.Errorf("%v", names)
	}
}
