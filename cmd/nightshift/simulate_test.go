package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator/simulate"
)

const exampleScenario = "../../examples/scenarios/spot-night.yaml"

// simulation runs a scenario and gives what it prints for programs.
func simulation(t *testing.T, args ...string) simulated {
	t.Helper()
	got := run(t.Context(), "", nil, append([]string{"simulate", "-o", "json"}, args...)...)
	if got.code != exitDone {
		t.Fatalf("exit code %d: %s", got.code, got.errs)
	}
	var report simulated
	if err := json.Unmarshal([]byte(got.out), &report); err != nil {
		t.Fatal(err)
	}
	return report
}

// The example: no deadline is missed, spot capacity is used first, and what-ifs change what they name.
func TestExampleScenario(t *testing.T) {
	t.Parallel()
	report := simulation(t, exampleScenario)
	if len(report.Jobs) != 5 || report.Late != 0 || len(report.Cost) != 1 || report.Pools[1].Hours <= report.Pools[0].Hours || report.Pools[1].Lost == 0 {
		t.Errorf("report = %+v", report)
	}
	dearer := simulation(t, exampleScenario, "--what-if", "price.spot=2x", "--what-if", "price.on-demand=2x")
	if ratio := float64(dearer.Cost[0].Micros) / float64(report.Cost[0].Micros); ratio < 1.99 || ratio > 2.01 {
		t.Errorf("at twice the prices it costs %g times as much", ratio)
	}
	sooner := simulation(t, exampleScenario, "--what-if", "finish-by=00:30", "-q", "nightly", "--seed", "2")
	if by := time.Date(2026, 11, 21, 0, 30, 0, 0, time.UTC); !sooner.Jobs[0].Deadline.Equal(by) || sooner.Jobs[0].Finished.After(by) || !sooner.Jobs[1].Deadline.IsZero() {
		t.Errorf("with another deadline: %+v", sooner.Jobs[:2])
	}
	text := run(t.Context(), "", nil, "simulate", exampleScenario).out
	for _, want := range []string{"transactions  nightly   12,000,000  22:00:00   ", "POOL ", "0 of 5 jobs late", "█"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}

func TestScenarioFilesWithProblems(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	documents, err := filepath.Abs("../../examples/scenarios/documents.yaml")
	if err != nil {
		t.Fatal(err)
	}
	head := "apiVersion: nightshift.dev/v1alpha1\nkind: Scenario\nmetadata: {name: n}\nspec:\n  documents: [" + documents + "]\n"
	write("bad.json", `{"metadata":{"gap_seconds":0}}`)
	for name, test := range map[string]struct {
		text string
		args []string
		want []string
	}{
		"names":    {"  jobs: [{queue: nope, rows: 1}]\n  pools: [{name: spot, trace: none.json}]\n", nil, []string{`no Queue "nope"`, "trace of pool spot", "none.json"}},
		"trace":    {"  jobs: [{queue: nightly, rows: 1}]\n  pools: [{name: spot, trace: bad.json}]\n", nil, []string{"gap_seconds"}},
		"pool":     {"  jobs: [{queue: nightly, rows: 1}]\n  pools: [{name: gpu}]\n", nil, []string{`no Pool "gpu"`}},
		"field":    {"  job: []\n", nil, []string{"spec.job: unknown field", "did you mean jobs?"}},
		"what-if":  {"  jobs: [{queue: nightly, rows: 1}]\n", []string{"--what-if", "pool/spot.replicas.mx=1"}, []string{"pool/spot: replicas.mx: unknown field"}},
		"deadline": {"  jobs: [{queue: nightly, rows: 1}]\n", []string{"--what-if", "finish-by=noon"}, []string{`finish-by: "noon"`}},
	} {
		got := run(t.Context(), "", nil, append([]string{"simulate", write(name+".yaml", head+test.text)}, test.args...)...)
		for _, want := range test.want {
			if got.code != exitFailed || !strings.Contains(got.errs, want) {
				t.Errorf("%s: exit code %d, %s; want %s", name, got.code, got.errs, want)
			}
		}
	}
	if got := run(t.Context(), "", nil, "simulate", filepath.Join(folder, "missing.yaml")); got.code != exitFailed || !strings.Contains(got.errs, "missing.yaml") {
		t.Errorf("a missing file: %+v", got)
	}
}

// A recorded trace says when there is capacity.
func TestScenarioWithATrace(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	documents, err := filepath.Abs("../../examples/scenarios/documents.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"trace.json": `{"metadata":{"gap_seconds":600},"data":[1,1,0,0,0,0,0,0,0,0,0,0]}`,
		"night.yaml": "apiVersion: nightshift.dev/v1alpha1\nkind: Scenario\nmetadata: {name: n}\nspec:\n  documents: [" + documents + "]\n" +
			"  jobs: [{queue: whenever, rows: 1000}]\n  pools: [{name: spot, trace: trace.json}]\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	job := simulation(t, filepath.Join(folder, "night.yaml")).Jobs[0]
	if waited := job.Started.Sub(job.Submitted); waited != 20*time.Minute+90*time.Second {
		t.Errorf("the job waited %s for capacity", waited)
	}
}

func TestTimelinesShowFewAsMoreThanNone(t *testing.T) {
	t.Parallel()
	begin := nowhere
	steps := []simulate.Step{{At: begin, Replicas: 0}, {At: begin.Add(20 * time.Minute), Replicas: 1}, {At: begin.Add(40 * time.Minute), Replicas: 100}}
	want := strings.Repeat(" ", 20) + strings.Repeat("▁", 20) + strings.Repeat("█", 20)
	if got := timeline(steps, 100, begin, begin.Add(time.Hour)); got != want {
		t.Errorf("timeline = %q, want %q", got, want)
	}
}
