package scorer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
)

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

// H2: the second limit is asked for while the scorer runs, and the lower one counts.
func TestLimitOfAScorerThatRuns(t *testing.T) {
	t.Parallel()
	spec := testSpec(t)
	var allowed atomic.Int64
	allowed.Store(2 << 30)
	spec.MemoryLimit, spec.Allowed = 1<<30, allowed.Load
	p := start(t, spec)
	pending, err := p.Submit(t.Context(), Lines([][]byte{[]byte(`{"do":"memory","bytes":300000000}`)}))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it holds 300 MB, which is below both limits", func() bool { return p.PeakMemory() > 300_000_000 })
	allowed.Store(200 << 20)
	var memory *MemoryError
	if _, err := pending.Wait(t.Context()); !errors.As(err, &memory) || memory.Limit != 200<<20 || memory.Kernel {
		t.Errorf("got %v, want an end above the limit of 200 MiB", err)
	}
}

// H3: a kill by signal 9 is one for want of memory if the kernel has counted one in our cgroup meanwhile, by version 2 or 1.
func TestKillsOfTheKernelAreToldApart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ cgroup, file, before, after string }{
		"version 2":            {"0::/pods/a\n", "sys/fs/cgroup/pods/a/memory.events", "oom 1\noom_kill 1\n", "oom 2\noom_kill 2\n"},
		"version 2, container": {"0::/../../a\n", "sys/fs/cgroup/memory.events", "oom_kill 0\n", "oom_kill 1\n"},
		"version 1":            {"5:cpu:/b\n4:memory:/b\n0::/\n", "sys/fs/cgroup/memory/b/memory.oom_control", "oom_kill_disable 0\noom_kill 0\n", "oom_kill_disable 0\noom_kill 3\n"},
		"none":                 {"0::/pods/a\n", "sys/fs/cgroup/pods/a/memory.events", "oom_kill 4\n", "oom_kill 4\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := testSpec(t)
			spec.root = t.TempDir()
			writeBelow(t, spec.root, "proc/self/cgroup", c.cgroup)
			writeBelow(t, spec.root, c.file, c.before)
			p := start(t, spec)
			pending, err := p.Submit(t.Context(), Lines([][]byte{[]byte(`{"do":"memory","bytes":1000}`)}))
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "memory is measured", func() bool { return p.PeakMemory() > 0 })
			writeBelow(t, spec.root, c.file, c.after)
			if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			_, err = pending.Wait(t.Context())
			var memory *MemoryError
			if isOne := errors.As(err, &memory) && memory.Kernel && memory.Used > 0; isOne == (name == "none") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func writeBelow(t *testing.T, root, path, content string) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
