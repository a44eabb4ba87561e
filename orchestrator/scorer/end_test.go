package scorer

import (
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
