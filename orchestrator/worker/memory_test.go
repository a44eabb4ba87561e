package worker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/scorer"
)

// given is the memory of a worker that was told how much it may use.
func given(now, most int64) (*memory, func(orchestrator.Assignment)) {
	a := newAssignments("w", nil)
	tell := func(next orchestrator.Assignment) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.last = next
		close(a.next)
		a.next = make(chan struct{})
	}
	tell(orchestrator.Assignment{Memory: now, MemoryMost: most})
	return &memory{assignments: a, tell: func() {}}, tell
}

// H4: a scorer that was ended waits for more memory, once for each amount, and not where there is none to get.
func TestWaitForMemory(t *testing.T) {
	t.Parallel()
	model := orchestrator.ModelSnapshot{Name: "m", MemoryLimit: 500}
	above := func(limit int64) error { return &scorer.MemoryError{Limit: limit, Used: limit + 1} }
	for name, c := range map[string]struct {
		failure error
		now     int64
		next    orchestrator.Assignment // after a second
		got     bool
		waited  time.Duration
	}{
		"more comes":              {above(100), 100, orchestrator.Assignment{Memory: 200, MemoryMost: 900}, true, time.Second},
		"more has come":           {above(50), 100, orchestrator.Assignment{Memory: 100, MemoryMost: 900}, true, 0},
		"nothing comes":           {above(100), 100, orchestrator.Assignment{Memory: 100, MemoryMost: 900}, false, raiseWithin},
		"the worker ends":         {above(100), 100, orchestrator.Assignment{Memory: 100, MemoryMost: 900, Drain: true}, false, time.Second},
		"it has all of it":        {above(900), 900, orchestrator.Assignment{Memory: 900, MemoryMost: 900}, false, 0},
		"the model may have that": {above(500), 600, orchestrator.Assignment{Memory: 900, MemoryMost: 900}, false, 0},
		"no bound any more":       {above(100), 100, orchestrator.Assignment{}, true, time.Second},
		"another failure":         {errors.New("it crashed"), 100, orchestrator.Assignment{Memory: 200, MemoryMost: 900}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, tell := given(c.now, 900)
				time.AfterFunc(time.Second, func() { tell(c.next) })
				began, raise := time.Now(), m.raise(model)
				if got := raise.got(context.Background(), c.failure); got != c.got || time.Since(began) != c.waited {
					t.Errorf("got %v after %s, want %v after %s", got, time.Since(began), c.got, c.waited)
				}
				began = time.Now()
				if again := raise.got(context.Background(), c.failure); again != c.got || time.Since(began) != 0 {
					t.Errorf("again: got %v after %s, want %v at once", again, time.Since(began), c.got)
				}
				time.Sleep(time.Second) // the assignment has come
			})
		})
	}
}

// H4: after a shard went back the worker takes none for growing times, until it has more memory.
func TestPauseForWantOfMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, tell := given(100, 900)
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			if err := m.sendBack(&scorer.MemoryError{Limit: 100}); !errors.Is(err, errShort) || errors.As(err, new(*scorer.MemoryError)) {
				t.Fatalf("%v says something of rows", err)
			}
			if got := m.pause(); got != want*time.Second {
				t.Fatalf("a pause of %s, want %s", got, want*time.Second)
			}
		}
		tell(orchestrator.Assignment{Memory: 101, MemoryMost: 900})
		if got := m.pause(); got != 0 {
			t.Errorf("a pause of %s with more memory", got)
		}
	})
}

// H1: the newest 16 models are remembered, and the most of several ends counts.
func TestUsesAreBounded(t *testing.T) {
	t.Parallel()
	m, _ := given(100, 900)
	told := 0
	m.tell = func() { told++ }
	for i := range 20 {
		m.ended(fmt.Sprint("model ", i), &scorer.MemoryError{Used: int64(i)})
	}
	m.ended("model 5", &scorer.MemoryError{Used: 50})
	m.ended("model 5", &scorer.MemoryError{Used: 20})
	m.ended("model 6", errors.New("it crashed"))
	uses := m.measured()
	if last := uses[len(uses)-1]; len(uses) != mostUses || last.Model != "model 5" || last.Ended != 50 || last.Peak != 0 || last.EndedAt.IsZero() || told != 22 {
		t.Errorf("%d uses, told %d times, the last: %+v", len(uses), told, last)
	}
}
