package scorer

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
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
