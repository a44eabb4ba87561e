package scorer

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestBatchErrorLeavesTheScorerAlive(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	var failed *BatchError
	if _, err := p.Score(t.Context(), rows(2, 1, "error")); !errors.As(err, &failed) {
		t.Fatalf("got %v, want a BatchError", err)
	}
	want := "scorer fraud: batch 1 (2 rows) failed: ValueError: amount is negative"
	if failed.Error() != want {
		t.Errorf("got  %s\nwant %s", failed, want)
	}
	if _, err := p.Score(t.Context(), rows(2, 0, "")); err != nil {
		t.Errorf("the next batch: %v", err)
	}
}

// Every failure but a batch error kills the scorer and fails all that is outstanding with one and the same error.
func TestDeaths(t *testing.T) {
	t.Parallel()
	for do, want := range map[string]struct {
		kind any
		text string
	}{
		"exit": {new(*CrashError), "ended by itself with exit code 7; batch 1 (3 rows) was the oldest without an answer; " +
			`it last wrote "assertion failed: amount >= 0"`},
		"half an answer": {new(*CrashError), "ended by itself with exit code 7; batch 1 (3 rows)"},
		"signal":         {new(*CrashError), "was ended by signal 9 (killed), from outside; batch 1"},
		"hang":           {new(*HangError), "gave no answer within 500ms and was killed; batch 1 (3 rows)"},
		"fewer rows":     {new(*ProtocolError), "batch 1 has 3 rows and was answered with 2"},
		"more lines":     {new(*ProtocolError), "more than 3 lines for 3 rows"},
		"fewer lines":    {new(*ProtocolError), "0 lines for 3 rows"},
		"other id":       {new(*ProtocolError), "an answer to batch 6 where batch 1 comes next"},
		"huge":           {new(*ProtocolError), "a payload of 10000000000 bytes; allowed are 0 to 268435456"},
		"print":          {new(*ProtocolError), `must begin with a JSON object, got "processing batch"; standard output`},
		"close output":   {new(*ProtocolError), "it closed its standard output but did not end"},
		"ready again":    {new(*ProtocolError), `a message of type "ready" where result or error must come`},
	} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			spec := testSpec(t)
			if do == "hang" {
				spec.BatchTimeout = 500 * time.Millisecond
			}
			p := start(t, spec)
			first, err := p.Submit(t.Context(), rows(3, 1, do))
			if err != nil {
				t.Fatal(err)
			}
			second, submitErr := p.Submit(t.Context(), rows(2, 0, ""))
			_, err = first.Wait(t.Context())
			if !errors.As(err, want.kind) || !strings.Contains(err.Error(), want.text) {
				t.Errorf("got  %T: %v\nwant %T: %s", err, err, want.kind, want.text)
			}
			if submitErr == nil {
				_, submitErr = second.Wait(t.Context())
			}
			if !errors.Is(submitErr, err) {
				t.Errorf("the second batch failed with %v", submitErr)
			}
			if _, submitErr = p.Submit(t.Context(), rows(1, 0, "")); !errors.Is(submitErr, err) {
				t.Errorf("a batch after the death failed with %v", submitErr)
			}
			if p.Alive() || exists(p.PID()) {
				t.Error("it is still alive")
			}
		})
	}
}

// An answer that nobody asked for is found even when no batch is outstanding.
func TestUnaskedAnswer(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	if _, err := p.Score(t.Context(), rows(1, 0, "answer twice")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the scorer is dead", func() bool { return p.failure() != nil })
	if want := "an answer to batch 2, but no batch is outstanding"; !strings.Contains(p.failure().Error(), want) {
		t.Errorf("got %v, want %s", p.failure(), want)
	}
}

// The time of a batch begins when it becomes the oldest, not when it is submitted.
func TestBatchTimeoutCountsFromTheAnswerBefore(t *testing.T) {
	t.Parallel()
	spec := testSpec(t)
	spec.BatchTimeout = 2 * time.Second
	p := start(t, spec)
	var group sync.WaitGroup
	for range 3 * window { // 12 times 300 ms
		group.Go(func() {
			if _, err := p.Score(t.Context(), rows(1, 0, "pause")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestLoadFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		start string
		code  string
		text  string
		cause any
	}{
		"says so": {"fatal", "no_weights", "scorer fraud: did not load (no_weights): weights.bin is missing", nil},
		"exits": {"exit", "load_died", "scorer fraud: did not load (load_died): ended by itself with exit code 3; " +
			`it last wrote "ImportError: no module named torch"`, new(*CrashError)},
		"never ready":    {"never", "load_timeout", "it was not ready within 1s and was killed", nil},
		"prints":         {"Loading weights...", "load_died", `got "Loading weights..."`, new(*ProtocolError)},
		"broken header":  {`{"type":"ready"`, "load_died", `the header line "{\"type\":\"ready\"" is not a message`, new(*ProtocolError)},
		"other message":  {`{"type":"result","id":1}`, "load_died", `its first message is "result"; it must be ready or fatal`, new(*ProtocolError)},
		"other protocol": {`{"type":"ready","protocol":2}`, "protocol_version", "it speaks protocol 2; this worker speaks 1", nil},
		"other return":   {`{"type":"ready","protocol":1,"return":"csv"}`, "load_died", `"return" in ready is "csv"`, new(*ProtocolError)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := testSpec(t, "start", tc.start)
			if tc.start == "never" {
				spec.ReadyTimeout = time.Second
			}
			p, err := Start(t.Context(), spec)
			var load *LoadError
			if !errors.As(err, &load) || p != nil {
				t.Fatalf("got %v, %v; want a LoadError", p, err)
			}
			if load.Code != tc.code || !strings.Contains(load.Error(), tc.text) || !strings.Contains(load.Stderr, "scorer starts\n") {
				t.Errorf("got %s: %s\nwith standard error %q\nwant %s: %s", load.Code, load, load.Stderr, tc.code, tc.text)
			}
			if tc.cause != nil && !errors.As(err, tc.cause) {
				t.Errorf("cause %T is not %T", load.Cause, tc.cause)
			}
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, testSpec(t, "start", "never"))
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, new(*LoadError)) {
		t.Errorf("got %v", err)
	}
}

func TestStartWithoutProgram(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Spec{Command: []string{"/no/such/program"}})
	var load *LoadError
	if !errors.As(err, &load) || load.Code != "not_started" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
