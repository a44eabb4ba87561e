// Package raytest starts a real Ray on loopback for tests, without Kubernetes: nodes that say that they are in pods, as those of KubeRay do. For real pods it has the manifest.
package raytest

import (
	"bufio"
	"bytes"
	_ "embed"
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

//go:embed cluster.py
var program string

// Cluster is a Ray cluster of a test, cluster.py.
type Cluster struct {
	Dashboard string // its address
	t         *testing.T
	command   *exec.Cmd
	in        io.WriteCloser
	out       *bufio.Scanner
	logs      bytes.Buffer
}

// interpreter is the Python that has Ray. Without one the test is skipped.
func interpreter(t *testing.T) string {
	t.Helper()
	python := os.Getenv("NIGHTSHIFT_TEST_RAY_PYTHON")
	if python == "" {
		t.Skip("NIGHTSHIFT_TEST_RAY_PYTHON is not set: this test needs a Python interpreter with ray[default] in its environment, as `make test` makes one")
	}
	return python
}

// Start starts a head that says it is in the given pod. env is added to what the nodes, and with them drivers and actors, find in their environment. The cluster
// ends with the test, which is skipped where there is no Ray.
func Start(t *testing.T, pod string, env ...string) *Cluster {
	t.Helper()
	python := interpreter(t)
	home, err := os.MkdirTemp("", "ns-ray-") //nolint:usetesting // short: a socket's path must fit into 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) }) // only logs
	port := loopback.FreePort(t)
	cluster := &Cluster{t: t, Dashboard: fmt.Sprintf("http://127.0.0.1:%d", port), command: exec.Command(python, "-c", program, pod, strconv.Itoa(port), home)}
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

// Logs gives what the cluster has written to standard error.
func (c *Cluster) Logs() string { return c.logs.String() }

func (c *Cluster) stop() {
	_ = c.in.Close() // the end of its input is its end
	killed := time.AfterFunc(30*time.Second, func() { _ = c.command.Process.Kill() })
	defer killed.Stop()
	if err := c.command.Wait(); err != nil {
		c.t.Errorf("the Ray cluster ended with %v:\n%s", err, c.logs.String())
	}
}

func (c *Cluster) expect(word string) {
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

// Do sends a command to cluster.py: add POD is another node, kill POD kills the processes of one.
func (c *Cluster) Do(command ...string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, strings.Join(command, " ")); err != nil {
		c.t.Fatal(err)
	}
	c.expect("done")
}
