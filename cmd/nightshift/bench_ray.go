package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// rayResult is what ray_data.py prints.
type rayResult struct {
	WithStart float64           `json:"seconds_with_start"`
	ToStart   float64           `json:"seconds_to_start"`
	Warm      float64           `json:"seconds"`
	Versions  map[string]string `json:"versions"`
}

const rayWithin = 10 * time.Minute

// roundOfRay runs Ray Data in a process of its own: one data set with its start, and a second one on the Ray that is up.
func (d *dataplane) roundOfRay(ctx context.Context, report *dataplaneReport, last bool) error {
	if d.rayPython == "" {
		return nil
	}
	// Short names: a socket's path must fit into 107 bytes.
	home, err := os.MkdirTemp("", "ns-ray-")
	if err != nil {
		return fmt.Errorf("make a folder for Ray: %w", err)
	}
	defer func() { _ = os.RemoveAll(home) }() // only logs and copies
	output := filepath.Join(home, "out")
	result, err := d.runRay(ctx, home, output)
	endProcesses(d.dir)
	if err != nil {
		return err
	}
	report.Ray.add(d.rows, seconds(result.WithStart), seconds(result.Warm))
	report.RayStart = append(report.RayStart, result.ToStart)
	for name, of := range result.Versions {
		report.Versions[name] = of
	}
	d.say("Ray Data: %s, of which %.1f s until Ray is up", report.Ray.last(), result.ToStart)
	if last {
		paths, err := filepath.Glob(filepath.Join(output, "second", "*"))
		if err != nil {
			return fmt.Errorf("find the output of Ray Data: %w", err)
		}
		report.Ray.Output, err = digestFiles(paths...)
		return err
	}
	return nil
}

func seconds(value float64) time.Duration { return time.Duration(value * float64(time.Second)) }

func (d *dataplane) runRay(ctx context.Context, home, output string) (rayResult, error) {
	var result rayResult
	ctx, cancel := context.WithTimeout(ctx, rayWithin)
	defer cancel()
	started := strconv.FormatFloat(float64(time.Now().UnixNano())/1e9, 'f', 6, 64)
	child := exec.CommandContext(ctx, d.rayPython, d.rayScript, "--input", d.input, "--output", output, "--path", d.identity, "--temp", filepath.Join(home, "r"),
		"--scorers", strconv.Itoa(d.scorers), "--batch-rows", strconv.Itoa(d.batchRows), "--started", started)
	child.Env = append(os.Environ(), benchMarker+"="+d.dir, "HOME="+home, "TMPDIR="+home, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0", "RAY_USAGE_STATS_ENABLED=0",
		"RAY_AUTH_MODE=disabled", "RAY_DATA_DISABLE_PROGRESS_BARS=1")
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = 20 * time.Second
	var out, errs bytes.Buffer
	child.Stdout, child.Stderr = &out, &errs
	if err := child.Run(); err != nil {
		text := errs.String()
		return result, fmt.Errorf("run Ray Data: %w: %s", err, text[max(0, len(text)-2000):])
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil {
		return result, fmt.Errorf("read what Ray Data says: %w: %.200s", err, out.String())
	}
	return result, nil
}

// endProcesses ends every process that carries the mark of this run in its environment: what a service or Ray has left behind when it was interrupted.
// Where there is no /proc it finds none.
func endProcesses(mark string) {
	wanted := []byte(benchMarker + "=" + mark + "\x00")
	for range 10 { // a process may start another while it is being ended
		found := false
		names, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, name := range names {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			environment, readErr := os.ReadFile(name)
			if err != nil || readErr != nil || pid == os.Getpid() || !bytes.Contains(append(environment, 0), wanted) {
				continue
			}
			found = true
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may end by itself at this moment
		}
		if !found {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// pythonVersion is what an interpreter says of itself and of the modules that make the scorer host faster.
func pythonVersion(interpreter string) string {
	const ask = `import importlib.util, platform
from importlib.metadata import version
print(platform.python_version(), *[f"{name} {version(name)}" for name in ("numpy", "orjson", "pyarrow") if importlib.util.find_spec(name)], sep=", ")`
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	out, err := exec.CommandContext(ctx, interpreter, "-c", ask).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
