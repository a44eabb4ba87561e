package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// endsWithin bounds the wait for a killed process: the kernel has to write back and free what it held.
const endsWithin = 20 * time.Second

// process is a program that goes on when up has returned. A number alone would name another process after its end, so that the time of its
// start belongs to it.
type process struct {
	name    string
	pid     int
	started string // as identity gives it
	log     string // path
}

// start runs a program in a session of its own, its output in a log. The environment is what is given and nothing else: etcd takes settings
// from variables.
func start(dir, name, program string, environment []string, arguments ...string) (*process, error) {
	return startApart(dir, name, 0, program, environment, arguments...)
}

// startApart runs a program in new namespaces, by the flags of clone(2).
func startApart(dir, name string, namespaces uintptr, program string, environment []string, arguments ...string) (*process, error) {
	logPath := filepath.Join(dir, "logs", name+".log")
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the process has its own
	command := exec.Command(program, arguments...)
	command.Env = append([]string{"HOME=" + filepath.Join(dir, "home"), "PATH=" + os.Getenv("PATH")}, environment...)
	command.Dir, command.Stdout, command.Stderr = dir, log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: namespaces}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, pid: command.Process.Pid, log: logPath}
	p.started, _, err = identity(p.pid)
	if err == nil {
		err = os.WriteFile(p.file(dir), fmt.Appendf(nil, "%d %s\n", p.pid, p.started), 0o600)
	}
	if err != nil {
		return nil, errors.Join(err, command.Process.Kill(), command.Wait())
	}
	return p, command.Process.Release()
}

func (p *process) file(dir string) string { return filepath.Join(dir, "pids", p.name+".pid") }

// processes reads what start has written, in the order of names.
func processes(dir string) ([]*process, error) {
	files, err := filepath.Glob(filepath.Join(dir, "pids", "*.pid"))
	if err != nil {
		return nil, err
	}
	var all []*process
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".pid")
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		p := &process{name: name, log: filepath.Join(dir, "logs", name+".log")}
		if _, err := fmt.Sscan(string(text), &p.pid, &p.started); err != nil {
			return nil, fmt.Errorf("%s says %q, not a process and its start: %w", file, text, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// named is the process of that name which was started in a folder.
func named(dir, name string) (*process, error) {
	all, err := processes(dir)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%s does not run in %s", name, dir)
}

// identity is the boot and the clock tick in which a process was started, and whether it still runs: one that has ended and was not yet
// waited for does not.
func identity(pid int) (started string, runs bool, err error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", false, err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false, err
	}
	// After the name, which stands in brackets and may hold anything, come the state (proc_pid_stat(5), field 3) and more; field 22 is the start.
	const state, start = 0, 22 - 3
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) <= start {
		return "", false, fmt.Errorf("/proc/%d/stat has %d fields after the name", pid, len(fields))
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[start], fields[state] != "Z" && fields[state] != "X", nil
}

func (p *process) runs() (bool, error) {
	started, runs, err := identity(p.pid)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return false, nil
	}
	return runs && started == p.started, err
}

// stop ends processes and returns when they are gone. They are killed: what they would put in order is thrown away.
func stop(ctx context.Context, dir string, all []*process) error {
	var problems []error
	for _, p := range all {
		problems = append(problems, p.kill())
	}
	for _, p := range all {
		err := await(ctx, "the end of "+p.name, endsWithin, nil, func(context.Context) error {
			runs, err := p.runs()
			if runs {
				return fmt.Errorf("process %d still runs", p.pid)
			}
			return err
		})
		if err == nil {
			err = os.Remove(p.file(dir))
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// kill asks who the process is between taking hold of it and killing it, so that it cannot be another one that has got its number.
func (p *process) kill() error {
	handle, err := os.FindProcess(p.pid)
	if err != nil {
		return err
	}
	defer handle.Release() //nolint:errcheck // nothing is lost with it
	if runs, err := p.runs(); !runs || err != nil {
		return err
	}
	if err := handle.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// await asks until the condition holds. It fails when the limit has passed, or when p, unless it is nil, has ended; the error then has what
// the condition said last, and where the log is.
func await(ctx context.Context, what string, limit time.Duration, p *process, condition func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	between := time.NewTicker(100 * time.Millisecond)
	defer between.Stop()
	var last error
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		if p != nil {
			if runs, err := p.runs(); !runs {
				return fmt.Errorf("%s has ended%s; its log, %s, ends with:\n%s", p.name, because(err), p.log, lastLines(p.log))
			}
		}
		select {
		case <-ctx.Done():
			return givenUp(ctx, what, limit, last, p)
		case <-between.C:
		}
	}
}

func givenUp(ctx context.Context, what string, limit time.Duration, last error, p *process) error {
	text := fmt.Sprintf("waited for %s until it was stopped", what)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		text = fmt.Sprintf("waited %s for %s", limit, what)
	}
	text += because(last)
	if p != nil {
		text += "; the log is " + p.log
	}
	return errors.New(text)
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// lastLines is the end of a log, for a message.
func lastLines(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}
