package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a worker process: a child of this one, or one adopted from an engine that ended.
type process struct {
	ID      string    `json:"id"`
	Pool    string    `json:"pool"`
	Slot    int       `json:"slot"`
	PID     int       `json:"pid"`
	Ticks   uint64    `json:"ticks"` // start time as the kernel counts it: tells the process from a later one with the same number
	Started time.Time `json:"started"`
	// Billed is until when what it cost stands in the ledger; zero: nothing does.
	Billed time.Time `json:"billed,omitzero"`
	// Sharing is how many workers its replica has.
	Sharing int `json:"sharing"`
	// Leaving is since when the worker drains and is not counted any more; zero: it stays.
	Leaving time.Time `json:"leaving,omitzero"`
	// Taken is since when its provider's notice runs; zero: it was not taken away.
	Taken  time.Time `json:"taken,omitzero"`
	Killed bool      `json:"-"` // when the notice was over

	// Grace is how long a program of the user's own has from Leaving on.
	Grace time.Duration `json:"grace,omitzero"`

	exited *atomic.Bool // of a child
}

// newGeneration tells apart workers of one slot: the start in milliseconds, base 36.
func newGeneration(now time.Time) string { return strconv.FormatInt(now.UnixMilli(), 36) }

func start(command, env []string, id string, slot int, logFile string) (*process, error) {
	output, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open the log of worker %s: %w", id, err)
	}
	defer func() { _ = output.Close() }() // the child has its own descriptor
	child := exec.Command(command[0], command[1:]...)
	child.Env = append(child.Environ(), env...)
	child.Stdout, child.Stderr = output, output
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start worker %s: %w", id, err)
	}
	worker := &process{ID: id, Slot: slot, PID: child.Process.Pid, Started: time.Now(), exited: &atomic.Bool{}}
	worker.Ticks, _ = startTicks(worker.PID) // 0 when it has ended already
	go func() {
		_ = child.Wait() // how it ended stands in its log
		worker.exited.Store(true)
	}()
	return worker, nil
}

func (p *process) alive() bool {
	if p.exited != nil {
		return !p.exited.Load()
	}
	ticks, state := startTicks(p.PID)
	return ticks != 0 && ticks == p.Ticks && state != 'Z'
}

func (p *process) kill(signal syscall.Signal) {
	if p.alive() {
		_ = syscall.Kill(p.PID, signal) // it may end by itself at this moment
	}
}

func (p *process) leaves() bool { return !p.Leaving.IsZero() }

// startTicks reads when a process started and its state, 0 when there is no such process (field 22 and 3 of /proc/PID/stat, proc(5)).
func startTicks(pid int) (ticks uint64, state byte) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return 0, 0
	}
	ticks, _ = strconv.ParseUint(fields[19], 10, 64)
	return ticks, fields[0][0]
}

func recordFile(dir, id string) string { return filepath.Join(dir, "workers", id+".json") }

func (p *process) remember(dir, pool string) error {
	p.Pool = pool
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode worker %s: %w", p.ID, err)
	}
	file, fresh := recordFile(dir, p.ID), recordFile(dir, p.ID)+".new"
	err = os.WriteFile(fresh, data, 0o640)
	if err == nil {
		err = os.Rename(fresh, file) // a torn record would make a worker that runs unknown
	}
	if err != nil {
		return fmt.Errorf("write down worker %s: %w", p.ID, err)
	}
	return nil
}

func (p *process) forget(dir string) { _ = os.Remove(recordFile(dir, p.ID)) } // a stale record is found out by its start time

// adopt reads the records of a pool's workers and keeps those whose process still runs.
func adopt(folder, pool string) ([]*process, error) {
	names, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the workers left running: %w", err)
	}
	var adopted []*process
	for _, name := range names {
		if filepath.Ext(name.Name()) != ".json" {
			continue // a record that was not finished
		}
		data, err := os.ReadFile(filepath.Join(folder, name.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the workers left running: %w", err)
		}
		var worker process
		if json.Unmarshal(data, &worker) != nil || worker.Pool != pool {
			continue
		}
		if !worker.alive() {
			_ = os.Remove(filepath.Join(folder, name.Name())) // tried again at the next start
			continue
		}
		adopted = append(adopted, &worker)
	}
	return adopted, nil
}
