package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/catalog"
)

// rehearsed is a queue of two workers and a spot pool whose trace says what it is given: ten ticks of ten seconds, ten times as fast as recorded.
const rehearsed = `apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: m}
spec:
  scorer: {command: [m]}
  profile: {load: 0s, batches: [{rows: 1, rowsPerSecond: 10}]}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: spot}
spec: {capacityType: spot, price: {amount: "1", currency: USD}, startTime: 1s, replicas: {max: 2}, interruptions: {trace: trace.json, speed: 10, begin: 100s}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: steady}
spec: {price: {amount: "3", currency: USD}, startTime: 1s, replicas: {max: 4}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: q}
spec: {model: m, pools: [spot, steady], input: {roots: [in]}, output: {root: out}, limits: {maxWorkers: 2}}
`

// rehearse writes the documents with a trace, and gives the report of a job of 1,000 rows that had 100 s and took 80.
func rehearse(t *testing.T, granted []int, change func(*api.Job)) (*rehearsalReport, error) {
	t.Helper()
	dir := t.TempDir()
	trace, err := json.Marshal(map[string]any{"metadata": map[string]any{"gap_seconds": 100}, "granted": granted})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"docs.yaml": rehearsed, "trace.json": string(trace)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := catalog.Read([]string{filepath.Join(dir, "docs.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	submitted := since.Add(20 * time.Second) // two ticks of the trace, and another by begin
	job := api.Job{
		ID: "j", Queue: "q", State: orchestrator.JobSucceeded, Deadline: submitted.Add(100 * time.Second), Counts: orchestrator.Counts{RowsDone: 990, RowsFailed: 10},
		Times: map[orchestrator.JobState]time.Time{orchestrator.JobQueued: submitted, orchestrator.JobSucceeded: submitted.Add(80 * time.Second)},
	}
	if change != nil {
		change(&job)
	}
	one, err := rehearsalOf(set, job, []orchestrator.PoolPlan{
		{Name: "spot", Ledger: orchestrator.Ledger{Since: since, Seconds: 90, Taken: 2}}, {Name: "steady", Ledger: orchestrator.Ledger{Since: since, Seconds: 30}},
	})
	if err != nil {
		return nil, err
	}
	return one.report()
}

// The optimum is known where capacity always is, or never; and the trace begins where the job did.
func TestRehearsalReport(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		granted []int
		optimum float64 // seconds of spot capacity
	}{
		"always capacity":                        {[]int{2}, 101},
		"never":                                  {[]int{0}, 3 * 101},
		"from the third tick of the trace on":    {[]int{0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, 101},
		"in the three ticks before the job only": {[]int{2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 3 * 101},
	} {
		report, err := rehearse(t, test.granted, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := report.Optimum * 3600; got > test.optimum*1.001 || got < test.optimum*.98 { // a bound, and a part of a start may fall together with the next
			t.Errorf("%s: an optimum of %.2f s of spot capacity, want %g", name, got, test.optimum)
		}
		if got := report.Cost * 3600; math.Abs(got-180) > 1e-6 || !report.Met || report.Spare != 20 || math.Abs(report.Ratio-report.Cost/report.Optimum) > 1e-12 {
			t.Errorf("%s: %+v", name, report)
		}
		if got := report.AllOnDemand * 3600; math.Abs(got-3*102) > 1e-6 { // two starts: one worker would be 1 s late
			t.Errorf("%s: %.2f for all on demand, want 306", name, got)
		}
	}
}

func TestRehearsalOfALateJob(t *testing.T) {
	t.Parallel()
	report, err := rehearse(t, []int{2}, func(job *api.Job) { job.Deadline = job.Deadline.Add(-30 * time.Second) })
	if err != nil || report.Met || report.Spare != -10 {
		t.Errorf("%+v, %v; want a job that is 10 s late", report, err)
	}
	var text strings.Builder
	if err := report.print(screen{Writer: &text}); err != nil || !strings.Contains(text.String(), "NOT met: 10 s late") {
		t.Errorf("%v, printed:\n%s", err, text.String())
	}
}

func TestRehearsalSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*api.Job){
		`no queue "other"`:              func(job *api.Job) { job.Queue = "other" },
		"allowed: a job that has ended": func(job *api.Job) { job.State = orchestrator.JobRunning },
		"has no deadline":               func(job *api.Job) { job.Deadline = time.Time{} },
	} {
		if _, err := rehearse(t, []int{1}, change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
