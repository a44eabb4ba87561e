package ray

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nightshift.dev/nightshift/e2e/loopback"
)

// rayCluster is a Ray cluster of this test, cluster.py.
type rayCluster struct {
	t         *testing.T
	dashboard string
	command   *exec.Cmd
	in        io.WriteCloser
	out       *bufio.Scanner
	logs      bytes.Buffer
}

// startRay starts a head that says it is in the given pod. env is added to what the nodes, and with them drivers and actors, find in their environment.
func startRay(t *testing.T, pod string, env ...string) *rayCluster {
	t.Helper()
	python := os.Getenv("NIGHTSHIFT_TEST_RAY_PYTHON")
	if python == "" {
		t.Skip("NIGHTSHIFT_TEST_RAY_PYTHON is not set: this test needs a Python interpreter with ray[default] in its environment, as `make test` makes one")
	}
	home, err := os.MkdirTemp("", "ns-ray-") //nolint:usetesting // short: a socket's path must fit into 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) }) // only logs
	port := loopback.FreePort(t)
	cluster := &rayCluster{t: t, dashboard: fmt.Sprintf("http://127.0.0.1:%d", port), command: exec.Command(python, "cluster.py", pod, strconv.Itoa(port), home)}
	cluster.command.Env = append(os.Environ(), append(env,
		"PATH="+filepath.Dir(python)+":"+os.Getenv("PATH"), "HOME="+home, "TMPDIR="+home, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0", "RAY_USAGE_STATS_ENABLED=0",
		// A node whose raylet is killed is dead after 1.5 s instead of 14; one that is only slow has ten seconds.
		"RAY_health_check_initial_delay_ms=1000", "RAY_health_check_period_ms=500", "RAY_health_check_timeout_ms=10000", "RAY_health_check_failure_threshold=3",
	)...)
	cluster.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cluster.command.Stderr = &cluster.logs
	out, err := cluster.command.StdoutPipe()
	if err == nil {
		cluster.in, err = cluster.command.StdinPipe()
	}
	if err == nil {
		err = cluster.command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	cluster.out = bufio.NewScanner(out)
	t.Cleanup(cluster.stop)
	cluster.expect("ready")
	return cluster
}

func (c *rayCluster) stop() {
	_ = c.in.Close() // the end of its input is its end
	killed := time.AfterFunc(30*time.Second, func() { _ = c.command.Process.Kill() })
	defer killed.Stop()
	if err := c.command.Wait(); err != nil {
		c.t.Errorf("the Ray cluster ended with %v:\n%s", err, c.logs.String())
	}
}

func (c *rayCluster) expect(word string) {
	c.t.Helper()
	for c.out.Scan() {
		if c.out.Text() == word {
			return
		}
	}
	_ = c.command.Process.Kill()
	_ = c.command.Wait()
	c.t.Fatalf("the Ray cluster has ended:\n%s", c.logs.String())
}

// do sends a command to cluster.py.
func (c *rayCluster) do(command ...string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, strings.Join(command, " ")); err != nil {
		c.t.Fatal(err)
	}
	c.expect("done")
}
