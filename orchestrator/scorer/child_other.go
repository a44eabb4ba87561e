//go:build unix && !linux

package scorer

import (
	"os"
	"os/exec"
	"syscall"
)

// Elsewhere than on Linux a scorer outlives a killed worker until it reads the end of its input, and its memory is not known.

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// reap waits for the end of the process and kills what it left behind in its group.
func (c *child) reap(command *exec.Cmd) {
	_ = command.Wait() // The state says how it ended.
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	c.state = command.ProcessState
}

func widenPipe(*os.File) {}
