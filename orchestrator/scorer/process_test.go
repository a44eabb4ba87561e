package scorer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testSpec is a spec of the test scorer, with the parameters given as name and value by turns.
func testSpec(t *testing.T, parameters ...any) Spec {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{
		Command: []string{program}, Env: []string{asScorer}, Model: "fraud", Parameters: map[string]any{},
		ReadyTimeout: 20 * time.Second, BatchTimeout: 20 * time.Second, StopTimeout: 20 * time.Second,
	}
	for i := 0; i < len(parameters); i += 2 {
		spec.Parameters[parameters[i].(string)] = parameters[i+1]
	}
	return spec
}

func start(t *testing.T, spec Spec) *Process {
	t.Helper()
	p, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(p.Kill)
	return p
}

// rows makes a batch of so many rows; do is what the row at the given place does.
func rows(count, at int, do string) Batch {
	lines := make([][]byte, count)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, `{"row":%d}`, i)
	}
	if do != "" {
		lines[at] = fmt.Appendf(nil, `{"row":%d,"do":%q}`, at, do)
	}
	return Lines(lines)
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20s: %s", what)
		}
	}
}

func exists(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

func TestScore(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	result, err := p.Score(t.Context(), rows(3, 0, ""))
	if err != nil {
		t.Fatal(err)
	}
	want := Result{Lines: [][]byte{[]byte(`{"row":0}`), []byte(`{"row":1}`), []byte(`{"row":2}`)}, Errors: []RowError{}}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if p.LoadDuration() <= 0 || p.LoadDuration() > 20*time.Second {
		t.Errorf("LoadDuration() = %s", p.LoadDuration())
	}
	if !p.Alive() {
		t.Error("a scorer that answered is not alive")
	}
}

func TestRowErrors(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	result, err := p.Score(t.Context(), rows(3, 1, "row error"))
	if err != nil {
		t.Fatal(err)
	}
	want := Result{
		Lines:  [][]byte{[]byte(`{"row":0}`), nil, []byte(`{"row":2}`)},
		Errors: []RowError{{Row: 1, Code: "bad_amount", Message: "amount is negative"}},
	}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestManyGoroutinesGetTheirOwnAnswers(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for round := range 50 {
				line := fmt.Appendf(nil, `{"worker":%d,"round":%d}`, worker, round)
				result, err := p.Score(t.Context(), Lines([][]byte{line}))
				if err != nil || !bytes.Equal(result.Lines[0], line) {
					t.Errorf("worker %d round %d got %s, %v", worker, round, result.Lines, err)
				}
			}
		})
	}
	group.Wait()
}

// Both pipes are full at once here: the scorer must be read while it is written to.
func TestBatchesLargerThanPipes(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	line := []byte(`{"text":"` + strings.Repeat("x", 8<<20) + `"}`)
	var pending []*Pending
	for range window {
		one, err := p.Submit(t.Context(), Lines([][]byte{line}))
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, one)
	}
	for i, one := range pending {
		if result, err := one.Wait(t.Context()); err != nil || !bytes.Equal(result.Lines[0], line) {
			t.Errorf("batch %d: %v", i, err)
		}
	}
}

func TestWindowIsBounded(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	for i := range window {
		do := ""
		if i == 0 {
			do = "hang"
		}
		if _, err := p.Submit(t.Context(), rows(1, 0, do)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Submit(ctx, rows(1, 0, "")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the batch above the window: got %v, want a wait until the context ends", err)
	}
}

func TestWaitEndsWithItsContextAndTheScorerGoesOn(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	pending, err := p.Submit(t.Context(), rows(2, 0, "pause"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pending.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait with an ended context: %v", err)
	}
	if _, err := pending.Wait(t.Context()); err != nil {
		t.Errorf("Wait again: %v", err)
	}
}

func TestSubmitRefuses(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	for name, tc := range map[string]struct {
		batch Batch
		want  string
	}{
		"no rows":      {Lines(nil), "submit batch: it has no rows"},
		"a line break": {Lines([][]byte{[]byte("{}"), []byte("{\n}")}), "submit batch: row 1 contains a line break; a row is one line"},
	} {
		if _, err := p.Submit(t.Context(), tc.batch); err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}
