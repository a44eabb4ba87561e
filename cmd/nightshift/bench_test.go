package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The digest is the same for the same rows in another order, with names in another order and numbers written in another way; and another for
// other rows.
func TestRowDigest(t *testing.T) {
	t.Parallel()
	write := func(lines ...string) rowDigest {
		path := filepath.Join(t.TempDir(), "rows.jsonl")
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		digest, err := digestFiles(path)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	rows := write(`{"a":1,"b":"x"}`, `{"a":2.50,"b":"y"}`)
	if same := write(`{"b":"y","a":2.5}`, `{"b":"x", "a":1.0}`); same != rows {
		t.Errorf("the same rows: %v and %v", rows, same)
	}
	for name, other := range map[string]rowDigest{
		"another value": write(`{"a":1,"b":"x"}`, `{"a":2.51,"b":"y"}`),
		"a row less":    write(`{"a":1,"b":"x"}`),
		"a row twice":   write(`{"a":1,"b":"x"}`, `{"a":1,"b":"x"}`),
		"swapped":       write(`{"a":2.5,"b":"x"}`, `{"a":1,"b":"y"}`),
	} {
		if other == rows {
			t.Errorf("%s has the same digest %v", name, other)
		}
	}
	if _, err := digestFiles(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there has a digest")
	}
}

func TestWriteRowsIsSeeded(t *testing.T) {
	t.Parallel()
	rows := func(seed uint64, long int) []byte {
		path := filepath.Join(t.TempDir(), "rows.jsonl")
		size, err := writeRows(path, 1000, seed, long)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil || int64(len(data)) != size {
			t.Fatalf("%d bytes of %d: %v", len(data), size, err)
		}
		return data
	}
	once := rows(1, shortRow)
	if !bytes.Equal(once, rows(1, shortRow)) || bytes.Equal(once, rows(2, shortRow)) {
		t.Error("the seed does not decide the rows")
	}
	if mean := len(once) / 1000; mean < 90 || mean > 110 {
		t.Errorf("rows of %d bytes; about 100 are wanted", mean)
	}
	if mean := len(rows(1, 500)) / 1000; mean < 480 || mean > 520 {
		t.Errorf("rows of %d bytes; about 500 are wanted", mean)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(once)), "\n") {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil || len(row) != 5 {
			t.Fatalf("row %s: %v", line, err)
		}
	}
}

func TestMedianAndQuantiles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(tc.values); got != tc.want {
			t.Errorf("median of %v: %v, want %v", tc.values, got, tc.want)
		}
	}
	var hundred []float64
	for _, i := range rand.Perm(100) {
		hundred = append(hundred, float64(i+1))
	}
	if diff := cmp.Diff(quantiles{Count: 100, P50: 50, P99: 99}, quantilesOf(hundred)); diff != "" {
		t.Errorf("quantiles (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(quantiles{Count: 1, P50: 7, P99: 7}, quantilesOf([]float64{7})); diff != "" {
		t.Errorf("quantiles of one (-want +got):\n%s", diff)
	}
}

// Another output than the input is an error, not a result.
func TestCompareRefuses(t *testing.T) {
	t.Parallel()
	input, other := rowDigest{Rows: 2, Sum: [4]uint64{1}}, rowDigest{Rows: 2, Sum: [4]uint64{2}}
	report := dataplaneReport{Nightshift: speeds{Output: input}, Feed: speeds{Output: other}}
	if err := report.compare(input); err == nil || !strings.Contains(err.Error(), "direct feed") || report.OutputsEqual {
		t.Errorf("got %v", err)
	}
	report.Feed.Output = input
	if err := report.compare(input); err != nil || !report.OutputsEqual {
		t.Errorf("got %v", err)
	}
}

func TestBenchFlags(t *testing.T) {
	t.Parallel()
	good := dataplane{rows: 1, scorers: 1, rounds: 1, queued: 1}
	if problem := good.check(); problem != "" {
		t.Error(problem)
	}
	for want, wrong := range map[string]dataplane{
		"--rows: 0; allowed: 1 or more": {scorers: 1, rounds: 1, queued: 1}, "--scorers: -1; allowed: 1 or more": {rows: 1, scorers: -1, rounds: 1, queued: 1},
		"--queued: 50001; allowed: at most 50000": {rows: 1, scorers: 1, rounds: 1, queued: 50_001},
	} {
		if got := wrong.check(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// buildProgram gives the real program: the benchmark starts itself as a service.
func buildProgram(t *testing.T) (program, interpreter string) {
	t.Helper()
	interpreter, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is missing")
	}
	program = filepath.Join(t.TempDir(), "nightshift")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program, interpreter
}

// A small run has every name that others read, compares its outputs, and leaves nothing behind.
func TestBenchDataplane(t *testing.T) {
	t.Parallel()
	program, interpreter := buildProgram(t)
	dir := t.TempDir()
	var out, errs bytes.Buffer
	command := exec.CommandContext(t.Context(), program, "bench", "dataplane", "--rows", "5000", "--rounds", "1", "--queued", "20", "--python", interpreter, "--dir", dir, "-o", "json")
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	var report map[string]any
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	for _, name := range []string{"rows_per_second", "rows_per_second_with_start", "ratio_to_direct_feed", "ratio_to_direct_feed_with_start"} {
		if value, _ := report[name].(float64); value <= 0 {
			t.Errorf("%s is %v", name, report[name])
		}
	}
	for _, name := range []string{"ratio_to_ray_data", "ratio_to_ray_data_with_start"} {
		if value, there := report[name]; !there || value != nil {
			t.Errorf("%s is %v; want null", name, value)
		}
	}
	if _, there := report["raw"].(map[string]any); !there || report["outputs_equal"] != true || report["ray_data_note"] == nil {
		t.Errorf("raw, outputs_equal or ray_data_note is wrong in %s", out.String())
	}
	service, _ := report["service"].(map[string]any)
	if service["model_loads_per_worker"] != 1.0 {
		t.Errorf("model loads: %v", service)
	}
	checkNothingLeft(t, dir)
}

// An interrupt in the middle ends everything that was started.
func TestBenchDataplaneInterrupted(t *testing.T) {
	t.Parallel()
	program, interpreter := buildProgram(t)
	dir := t.TempDir()
	command := exec.CommandContext(t.Context(), program, "bench", "dataplane", "--rows", "2000000", "--rounds", "1", "--python", interpreter, "--dir", dir)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(2 * time.Minute)
	for started := []string(nil); len(started) == 0; started, _ = filepath.Glob(filepath.Join(dir, "*", "out", "*", "parts", "*")) {
		if time.Now().After(deadline) {
			_ = command.Process.Signal(os.Interrupt) // it ends what it started
			_ = command.Wait()
			t.Fatal("no worker has begun within two minutes")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	if code := command.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	checkNothingLeft(t, dir)
}

// checkNothingLeft looks for files, and for processes that name the folder in their environment or command.
func checkNothingLeft(t *testing.T, dir string) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, pattern := range []string{"/proc/[0-9]*/environ", "/proc/[0-9]*/cmdline"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			if data, err := os.ReadFile(name); err == nil && bytes.Contains(data, []byte(dir)) {
				t.Errorf("%s still runs: %q", name, data)
			}
		}
	}
}
