package scorer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
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
		"signal":         {new(*CrashError), "was ended by signal 9 (killed), which is usually the kernel, out of memory; batch 1"},
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

func TestStopAnswersWhatIsOutstanding(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	pending, err := p.Submit(t.Context(), rows(2, 0, "pause"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if _, err := pending.Wait(t.Context()); err != nil {
		t.Errorf("the outstanding batch: %v", err)
	}
	if _, err := p.Submit(t.Context(), rows(1, 0, "")); !errors.Is(err, ErrStopped) {
		t.Errorf("submit after stop: %v", err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("stop again: %v", err)
	}
	if p.Alive() || exists(p.PID()) {
		t.Error("it is still alive")
	}
}

func TestStopOfAScorerThatDoesNotEndWell(t *testing.T) {
	t.Parallel()
	for stop, want := range map[string]string{
		"ignored": "stop scorer fraud: it did not end within 200ms and was killed",
		"exit 5":  "stop scorer fraud: scorer fraud: ended by itself with exit code 5",
	} {
		spec := testSpec(t, "stop", stop)
		if stop == "ignored" {
			spec.StopTimeout = 200 * time.Millisecond
		}
		p := start(t, spec)
		if err := p.Stop(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", stop, err, want)
		}
		if exists(p.PID()) {
			t.Errorf("%s: it is still there", stop)
		}
	}
}

func TestKillFailsWhatIsOutstanding(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	pending, err := p.Submit(t.Context(), rows(1, 0, "hang"))
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if _, err := pending.Wait(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v", err)
	}
	if exists(p.PID()) {
		t.Error("it is still there")
	}
}

// However a scorer ends, no goroutine and no descriptor of it stays. Not parallel, because it counts those of the process.
func TestNothingIsLeftBehind(t *testing.T) {
	spec := testSpec(t)
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	start(t, spec).Kill() // The first opens what the runtime keeps.
	files, routines := open(), runtime.NumGoroutine()
	for _, do := range []string{"exit", "close output", "print", "stop", "kill", "fatal"} {
		if do == "fatal" {
			if _, err := Start(t.Context(), testSpec(t, "start", "fatal")); err == nil {
				t.Error("no error")
			}
			continue
		}
		p := start(t, spec)
		switch do {
		case "stop":
			if err := p.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		case "kill":
			p.Kill()
		default:
			if _, err := p.Score(t.Context(), rows(1, 0, do)); err == nil {
				t.Errorf("%s: no error", do)
			}
		}
	}
	eventually(t, "files and goroutines are as before", func() bool { return open() <= files && runtime.NumGoroutine() <= routines })
}

// What a scorer started dies with it, whether it is killed or crashes.
func TestChildrenOfTheScorerDie(t *testing.T) {
	t.Parallel()
	for _, crash := range []bool{false, true} {
		spec := testSpec(t, "child", true)
		found := make(chan int, 1)
		spec.Log = func(line string) {
			if pid, err := strconv.Atoi(strings.TrimPrefix(line, "child ")); err == nil {
				found <- pid
			}
		}
		p := start(t, spec)
		child := <-found
		if !exists(child) {
			t.Fatalf("child %d does not run", child)
		}
		if crash {
			if _, err := p.Score(t.Context(), rows(1, 0, "exit")); err == nil {
				t.Fatal("no crash")
			}
		} else {
			p.Kill()
		}
		eventually(t, "the child is gone", func() bool { return !exists(child) })
	}
}

// beWorker starts a scorer that does not heed the end of its input, and says its number.
func beWorker() {
	program, _ := os.Executable()
	p, err := Start(context.Background(), Spec{
		Command: []string{program}, Env: []string{asScorer}, Parameters: map[string]any{"stop": "ignored"},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.PID())
	sleep()
}

func TestScorerDiesWithAKilledWorker(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	worker := exec.CommandContext(t.Context(), program)
	worker.Env = append(os.Environ(), "NIGHTSHIFT_TEST_AS_WORKER=1")
	output, err := worker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	var scorer int
	if _, err := fmt.Fscan(output, &scorer); err != nil || !exists(scorer) {
		t.Fatalf("the worker started no scorer: %v", err)
	}
	if err := worker.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the scorer is gone", func() bool { return !exists(scorer) })
	_ = worker.Wait() // Killed, as it must be.
}

func TestStandardError(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var logged []string
	spec := testSpec(t)
	spec.Log = func(line string) {
		mu.Lock()
		defer mu.Unlock()
		logged = append(logged, line)
	}
	p := start(t, spec)
	var crash *CrashError
	if _, err := p.Score(t.Context(), rows(1, 0, "exit")); !errors.As(err, &crash) {
		t.Fatalf("got %v", err)
	}
	want := []string{"scorer starts", "assertion failed: amount >= 0"}
	if diff := cmp.Diff(want, logged); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if want := strings.Join(want, "\n") + "\n"; crash.Stderr != want {
		t.Errorf("tail %q, want %q", crash.Stderr, want)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	text.WriteString(strings.Repeat("y", 20<<10)) // A line longer than any buffer, without an end.
	var kept tail
	var logged strings.Builder
	kept.relay(strings.NewReader(text.String()), func(line string) { logged.WriteString(line) })
	if all := text.String(); kept.String() != all[len(all)-tailBytes:] {
		t.Errorf("the tail is %d bytes: %.40q...", len(kept.String()), kept.String())
	}
	if want := strings.ReplaceAll(text.String(), "\n", ""); logged.String() != want {
		t.Errorf("logged %d bytes of %d", logged.Len(), len(want))
	}
}

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	spec := testSpec(t)
	spec.MemoryLimit = 200 << 20
	p := start(t, spec)
	var memory *MemoryError
	_, err := p.Score(t.Context(), Lines([][]byte{[]byte(`{"do":"memory","bytes":300000000}`)}))
	if !errors.As(err, &memory) {
		t.Fatalf("got %v, want a MemoryError", err)
	}
	if memory.Limit != 200<<20 || memory.Used <= memory.Limit || p.PeakMemory() < memory.Used {
		t.Errorf("limit %d, used %d, peak %d", memory.Limit, memory.Used, p.PeakMemory())
	}
}

func TestPeakMemory(t *testing.T) {
	t.Parallel()
	p := start(t, testSpec(t))
	if _, err := p.Submit(t.Context(), Lines([][]byte{[]byte(`{"do":"memory","bytes":100000000}`)})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the peak shows 100 MB", func() bool { return p.PeakMemory() > 100_000_000 })
	p.Kill()
	if peak := p.PeakMemory(); peak > 1_000_000_000 {
		t.Errorf("peak %d bytes", peak)
	}
}

// The memory of the worker is not the scorer's, although the scorer is forked from it.
func TestPeakMemoryIsTheScorersAlone(t *testing.T) {
	t.Parallel()
	held := bytes.Repeat([]byte{1}, 400<<20)
	p := start(t, testSpec(t))
	eventually(t, "memory is measured", func() bool { return p.PeakMemory() > 0 })
	p.Kill()
	if peak := p.PeakMemory(); peak > 250<<20 {
		t.Errorf("peak %d bytes beside a worker of %d", peak, len(held))
	}
}

// Pages that forked processes share count once.
func TestMemoryOfForkedProcesses(t *testing.T) {
	t.Parallel()
	script := "import os, sys, time\nheld = b'x' * 200_000_000\n" +
		"for _ in range(3):\n    if os.fork() == 0: break\nos.write(1, b'ready\\n')\nsys.stdin.read()\n"
	command := exec.CommandContext(t.Context(), testPython(t), "-c", script)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, _ := command.StdinPipe()
	output, _ := command.StdoutPipe()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		_ = command.Wait()
	})
	for range 4 {
		var word string
		if _, err := fmt.Fscan(output, &word); err != nil {
			t.Fatal(err)
		}
	}
	measured := &meter{group: command.Process.Pid}
	if used := measured.sample(); len(measured.members) != 4 || used < 200_000_000 || used > 400_000_000 {
		t.Errorf("%d processes hold %d bytes, want 4 that share 200 MB", len(measured.members), used)
	}
}
