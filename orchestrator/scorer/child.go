package scorer

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// child is the process of a scorer with our ends of its pipes. It leads a process group of its own.
type child struct {
	pid                   int
	stdin, stdout, stderr *os.File
	exited                chan struct{} // closed once the process is reaped; state is set then

	mu    sync.Mutex
	state *os.ProcessState
}

// spawn starts the program of a spec.
func spawn(spec Spec) (*child, error) {
	c := &child{exited: make(chan struct{})}
	theirs, err := c.openPipes()
	if err != nil {
		return nil, err
	}
	command := exec.Command(spec.Command[0], spec.Command[1:]...)
	command.Dir = spec.Dir
	command.Env = append(command.Environ(), spec.Env...)
	command.Stdin, command.Stdout, command.Stderr = theirs[0], theirs[1], theirs[2]
	command.SysProcAttr = attributes()
	started := make(chan error, 1)
	go c.run(command, started)
	err = <-started
	closeAll(theirs)
	if err != nil {
		c.closePipes()
		return nil, err
	}
	return c, nil
}

// openPipes sets our ends of the three pipes and returns the child's.
func (c *child) openPipes() (theirs []*os.File, err error) {
	var ours []*os.File
	for range 3 {
		reader, writer, err := os.Pipe()
		if err != nil {
			closeAll(ours)
			closeAll(theirs)
			return nil, fmt.Errorf("open pipe: %w", err)
		}
		if len(ours) == 0 {
			ours, theirs = append(ours, writer), append(theirs, reader)
		} else {
			ours, theirs = append(ours, reader), append(theirs, writer)
		}
	}
	c.stdin, c.stdout, c.stderr = ours[0], ours[1], ours[2]
	widenPipe(c.stdin)
	widenPipe(c.stdout)
	return theirs, nil
}

func (c *child) closePipes() { closeAll([]*os.File{c.stdin, c.stdout, c.stderr}) }

func closeAll(files []*os.File) {
	for _, file := range files {
		_ = file.Close() // Closing a pipe loses nothing.
	}
}

// run starts the process and reaps it. It keeps its thread all the while: the kernel kills the child when the thread that
// started it ends, and the Go runtime ends idle threads.
func (c *child) run(command *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := command.Start(); err != nil {
		started <- err
		return
	}
	c.pid = command.Process.Pid
	started <- nil
	c.reap(command)
	close(c.exited)
}

// kill ends the whole process group. It does nothing once the process is reaped.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == nil {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL) // It fails only where there is nobody left.
	}
}

// ended reports whether the process ended within a time.
func (c *child) ended(within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-c.exited:
		return true
	case <-timer.C:
		return false
	}
}

// status is how the process ended; to be called only after exited is closed.
func (c *child) status() syscall.WaitStatus {
	status, _ := c.state.Sys().(syscall.WaitStatus)
	return status
}
