package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// TestMain makes this test program a worker, or a whole engine, when it is started as one.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 6 && os.Args[1] == "worker":
		os.Exit(beWorker(os.Args[3], os.Args[4], os.Args[5]))
	case len(os.Args) == 4 && os.Args[1] == "engine":
		os.Exit(beEngine(os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

// longestLife is when a worker of these tests ends in any case, so that none outlives a test run that was killed.
const longestLife = 2 * time.Minute

// beWorker says who it is, and then obeys SIGTERM, is stubborn, or dies at once. SIGWINCH, which comes after any SIGTERM, makes it say that it is there.
func beWorker(id, slot, manner string) int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGWINCH)
	fmt.Println("worker", id, "in slot", slot)
	if manner == "dies" {
		return 1
	}
	end := time.After(longestLife)
	for {
		select {
		case told := <-signals:
			if told == syscall.SIGWINCH {
				fmt.Println("still there")
				continue
			}
			fmt.Println("told to end")
			if manner == "obeys" {
				return 0
			}
		case <-end:
			return 2
		}
	}
}

// beEngine runs two workers until it is killed.
func beEngine(dir, program string) int {
	engine, err := New(Config{Pool: "cpu", Slots: 1, Dir: dir, Grace: time.Second, Log: slog.New(slog.DiscardHandler), Command: commandOf(program, dir, "obeys")})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), longestLife)
	defer cancel()
	if err := errors.Join(engine.Scale(ctx, orchestrator.PoolPlan{Replicas: 2, Slots: 1}, nil), engine.Run(ctx)); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func commandOf(program, dir, manner string) func(string, int) []string {
	return func(id string, slot int) []string {
		return []string{program, "worker", dir, id, strconv.Itoa(slot), manner}
	}
}

// host is a folder of an engine, and what starts workers in it.
type host struct {
	t       *testing.T
	dir     string
	manner  atomic.Value // string: how workers that start from now on behave
	started atomic.Int32 // workers
}

// prepare gives a host on which no process is left when the test ends, however it ends.
func prepare(t *testing.T) *host {
	t.Helper()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("/proc is missing: the engine tells its workers from other processes by it")
	}
	h := &host{t: t, dir: t.TempDir()}
	h.manner.Store("obeys")
	t.Cleanup(func() {
		for began := time.Now(); ; time.Sleep(2 * time.Millisecond) { // a poll
			left := h.running()
			if len(left) == 0 {
				return
			}
			if time.Since(began) > 10*time.Second {
				t.Errorf("processes %v do not end", left)
				return
			}
			for _, pid := range left {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by now
			}
		}
	})
	return h
}

// running are the processes, zombies aside, that have this host's folder among their arguments: every worker and engine of it.
func (h *host) running() []int {
	var pids []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		h.t.Errorf("look for processes: %v", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		arguments, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline")) // empty for a zombie
		if err == nil && slices.Contains(strings.Split(string(arguments), "\x00"), h.dir) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

func (h *host) config(pool string) Config {
	program, err := os.Executable()
	h.must(err)
	return Config{
		Slots: 1,
		Pool:  pool, Dir: h.dir, Grace: 500 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		Command: func(id string, slot int) []string {
			h.started.Add(1)
			return commandOf(program, h.dir, h.manner.Load().(string))(id, slot)
		},
	}
}

// engine is a new engine of pool "cpu" on the host, as after a restart.
func (h *host) engine() *Engine {
	h.t.Helper()
	e, err := New(h.config("cpu"))
	h.must(err)
	return e
}

// run keeps the engine's workers until stop, at the latest until the test ends.
func (h *host) run(e *Engine) (stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("the engine ended with %v", err)
		}
	})
	h.t.Cleanup(stop)
	return stop
}

// scale asks for a number of replicas and looks after them once.
func (h *host) scale(e *Engine, replicas int, leaving ...string) {
	h.t.Helper()
	h.must(e.Scale(h.t.Context(), orchestrator.PoolPlan{Replicas: replicas, Slots: e.config.Slots}, leaving))
	h.must(e.reconcile(time.Now()))
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) eventually(what string, holds func() bool) {
	h.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(2 * time.Millisecond) { // a poll
		if time.Since(began) > 20*time.Second {
			h.t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// stop ends the engine's workers and makes sure that nothing is left of them.
func (h *host) stop(e *Engine) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	h.must(e.Stop(ctx))
	if left := h.running(); len(left) > 0 {
		h.t.Errorf("processes %v are left", left)
	}
	if left := h.records(); len(left) > 0 {
		h.t.Errorf("still written down: %v", left)
	}
}

// worker is what an engine knows of a process.
type worker struct {
	ID        string
	Slot, PID int
}

// known are the engine's workers by slot, whether they run or not.
func known(e *Engine) []worker {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []worker
	for _, one := range e.workers {
		list = append(list, worker{one.ID, one.Slot, one.PID})
	}
	slices.SortFunc(list, func(a, b worker) int { return a.Slot - b.Slot })
	return list
}

// ready waits until so many workers have said who they are and listen to signals.
func (h *host) ready(e *Engine, workers int) []worker {
	h.t.Helper()
	h.eventually(fmt.Sprintf("%d workers are up", workers), func() bool {
		list := known(e)
		return len(list) == workers && !slices.ContainsFunc(list, func(one worker) bool { return h.log(one.ID) == "" })
	})
	return known(e)
}

// log is what a worker has written.
func (h *host) log(id string) string {
	data, _ := os.ReadFile(filepath.Join(h.dir, "logs", id+".log")) // it may not have begun
	return string(data)
}

// end kills a process of a test and waits until it is gone.
func (h *host) end(e *Engine, one worker) {
	h.t.Helper()
	h.must(syscall.Kill(one.PID, syscall.SIGKILL))
	h.eventually("the process is gone", func() bool { return !e.alive(one.ID) })
}

func (e *Engine) alive(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	one, has := e.workers[id]
	return has && one.alive()
}

// records are the workers written down in the host's folder.
func (h *host) records() []string {
	h.t.Helper()
	files, err := filepath.Glob(filepath.Join(h.dir, "workers", "*.json"))
	h.must(err)
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".json")
	}
	return files
}
