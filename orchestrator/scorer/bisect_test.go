package scorer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// restarting scores with real scorers, and starts a new one where the last has died.
type restarting struct {
	t      *testing.T
	spec   Spec
	live   *Process
	starts int
}

func (r *restarting) score(ctx context.Context, batch Batch) (Result, error) {
	if r.live == nil || !r.live.Alive() {
		r.live = start(r.t, r.spec)
		r.starts++
	}
	return r.live.Score(ctx, batch)
}

// P1, P2, P3: whatever a row does to a scorer, it alone is blamed, and all other rows are scored.
func TestBisectFindsTheRow(t *testing.T) {
	t.Parallel()
	for do, want := range map[string]RowError{
		"exit": {Row: 9, Code: "crash", Message: "the scorer ended by itself with exit code 7; it last wrote " +
			`"assertion failed: amount >= 0"`},
		"hang":        {Row: 9, Code: "hang", Message: "the scorer gave no answer within 400ms and was killed"},
		"error":       {Row: 9, Code: "ValueError", Message: "amount is negative"},
		"more lines":  {Row: 9, Code: "protocol", Message: "the scorer broke the protocol and was killed: the result of batch"},
		"fewer lines": {Row: 9, Code: "protocol", Message: "the scorer broke the protocol and was killed: the result of batch"},
		"signal":      {Row: 9, Code: "crash", Message: "the scorer was ended by signal 9 (killed)"},
	} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			spec := testSpec(t)
			if do == "hang" {
				spec.BatchTimeout = 400 * time.Millisecond
			}
			scorers := &restarting{t: t, spec: spec}
			batch := rows(13, 9, do)
			_, failure := scorers.score(t.Context(), batch)
			if failure == nil {
				t.Fatal("the batch did not fail")
			}
			got, err := Bisect(t.Context(), batch, failure, 10, scorers.score)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Errors) != 1 || !strings.HasPrefix(got.Errors[0].Message, want.Message) {
				t.Fatalf("errors %+v, want %+v", got.Errors, want)
			}
			ignore := cmpopts.IgnoreFields(RowError{}, "Message")
			if diff := cmp.Diff(Result{Lines: linesWithout(batch, 9), Errors: []RowError{want}}, got, ignore); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBisectOfOneRow(t *testing.T) {
	t.Parallel()
	scorers := &restarting{t: t, spec: testSpec(t)}
	got, err := Bisect(t.Context(), rows(1, 0, "exit"), new(CrashError), 1, scorers.score)
	if err != nil || len(got.Errors) != 1 || scorers.starts != 1 {
		t.Errorf("got %+v, %v with %d starts; want one error after one more death", got, err, scorers.starts)
	}
	got, err = Bisect(t.Context(), rows(1, 0, ""), new(CrashError), 1, scorers.score)
	if err != nil || len(got.Errors) != 0 {
		t.Errorf("a row that did nothing the second time: got %+v, %v; P5 wants no blame", got, err)
	}
}

func TestBisectEnds(t *testing.T) {
	t.Parallel()
	crash := &CrashError{ExitCode: 7}
	load := &LoadError{Code: "load_died", Cause: crash}
	for name, tc := range map[string]struct {
		failure error // of the whole batch
		later   error // of every part
		want    error
	}{
		"too many deaths":       {crash, crash, ErrTooManyDeaths},
		"the last death is in":  {crash, crash, crash},
		"no scorer can start":   {crash, load, load},
		"the batch has no load": {load, nil, load},
		"it is stopped":         {crash, ErrStopped, ErrStopped},
	} {
		calls := 0
		_, err := Bisect(t.Context(), rows(1000, 0, ""), tc.failure, 3, func(context.Context, Batch) (Result, error) {
			calls++
			return Result{}, tc.later
		})
		if !errors.Is(err, tc.want) || calls > 4 {
			t.Errorf("%s: got %v after %d calls, want %v", name, err, calls, tc.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Bisect(ctx, rows(2, 0, ""), crash, 3, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

// For any set of bad rows: exactly they are blamed, everybody else has a result, and the cost is bounded.
func TestBisectProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 200).Draw(t, "rows")
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, count-1), 0, min(count, 6), rapid.ID[int]).Draw(t, "bad")
		slices.Sort(bad)
		deadly := rapid.Bool().Draw(t, "deadly")
		batch := rows(count, 0, "")
		for _, row := range bad {
			batch.lines[row] = fmt.Appendf(nil, `{"row":%d,"do":"fail"}`, row)
		}
		calls, deaths := 0, 0
		score := func(_ context.Context, part Batch) (Result, error) {
			calls++
			if !slices.ContainsFunc(part.lines, isBad) {
				return Result{Lines: part.lines}, nil
			}
			if deadly {
				deaths++
				return Result{}, &CrashError{ExitCode: 1}
			}
			return Result{}, &BatchError{Code: "crash"}
		}
		got, err := Bisect(context.Background(), batch, &CrashError{ExitCode: 1}, 1000, score)
		if err != nil {
			t.Fatal(err)
		}
		blamed := []int{}
		for _, failure := range got.Errors {
			blamed = append(blamed, failure.Row)
		}
		if diff := cmp.Diff(bad, blamed, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("blamed rows (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(linesWithout(batch, bad...), got.Lines); diff != "" {
			t.Fatalf("lines (-want +got):\n%s", diff)
		}
		if bound := 3 * count; calls > bound {
			t.Fatalf("%d calls for %d rows", calls, count)
		}
		if bound := len(bad) * (logarithm(count) + 2); deaths > bound {
			t.Fatalf("%d deaths for %d bad of %d rows, at most %d expected", deaths, len(bad), count, bound)
		}
	})
}

func isBad(line []byte) bool { return strings.Contains(string(line), "fail") }

func linesWithout(batch Batch, bad ...int) [][]byte {
	lines := slices.Clone(batch.lines)
	for _, row := range bad {
		lines[row] = nil
	}
	return lines
}

func logarithm(count int) int {
	steps := 0
	for size := 1; size < count; size *= 2 {
		steps++
	}
	return steps
}
