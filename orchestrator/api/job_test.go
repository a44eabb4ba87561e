package api

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

func at(minute int) time.Time { return time.Date(2026, 11, 20, 22, minute, 0, 0, time.UTC) }

func eur(micros int64) orchestrator.Money { return orchestrator.Money{Micros: micros, Currency: "EUR"} }

// record is a job that runs.
func record() orchestrator.Job {
	return orchestrator.Job{
		JobKey: orchestrator.JobKey{Tenant: "payments", Queue: "nightly", ID: "01JD2Y"},
		Spec: orchestrator.JobSpec{Name: "day", Input: []string{"s3://in/day/"}, Key: "transaction_id",
			Parameters: map[string]any{"threshold": 0.7}, Labels: map[string]string{"team": "payments"}},
		State:    orchestrator.JobRunning,
		Epoch:    1,
		Model:    orchestrator.ModelRef{Name: "fraud", Digest: "abc"},
		Output:   "s3://out/01JD2Y/",
		Deadline: at(50), ExpiresAt: at(59),
		OutputFormat: orchestrator.FormatJSONL,
		Times:        map[orchestrator.JobState]time.Time{orchestrator.JobQueued: at(0), orchestrator.JobRunning: at(1)},
		WriteRoots:   []string{"file:///data/out", "s3://out?region=eu-central-1", "s3://other"},
		Counts:       orchestrator.Counts{RowsTotal: 100, RowsDone: 40, RowsFailed: 2},
		Estimate: orchestrator.Estimate{Start: at(1), Finish: at(5), FinishLow: at(4), FinishHigh: at(6), Position: 3,
			Cost: eur(120_000), Basis: "profile", Notes: []string{"a gzip object cannot be cut"}},
		Expected:    orchestrator.Expected{Start: at(2), Finish: at(6), FinishLow: at(5), FinishHigh: at(7), Position: 4},
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Updated:     at(2),
	}
}

func TestJobOf(t *testing.T) {
	t.Parallel()
	cost := eur(120_000)
	running := Job{
		ID: "01JD2Y", Tenant: "payments", Queue: "nightly", Name: "day", State: orchestrator.JobRunning, Epoch: 1,
		Times:   map[orchestrator.JobState]time.Time{orchestrator.JobQueued: at(0), orchestrator.JobRunning: at(1)},
		Updated: at(2), Model: orchestrator.ModelRef{Name: "fraud", Digest: "abc"}, Input: []string{"s3://in/day/"}, Key: "transaction_id",
		Parameters: map[string]any{"threshold": 0.7}, Labels: map[string]string{"team": "payments"},
		Counts:   orchestrator.Counts{RowsTotal: 100, RowsDone: 40, RowsFailed: 2},
		Deadline: at(50), ExpiresAt: at(59), Position: 4, ExpectedStart: at(2), ExpectedFinish: at(6), ExpectedFinishLow: at(5), ExpectedFinishHigh: at(7), EstimatedFinish: at(5),
		EstimatedCost: &cost, Notes: []string{"a gzip object cannot be cut"}, Output: "s3://out/01JD2Y/", OutputFormat: orchestrator.FormatJSONL,
		OutputRoots: []string{"s3://out?region=eu-central-1"},
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}
	if diff := cmp.Diff(running, JobOf(record())); diff != "" {
		t.Errorf("running (-want +got):\n%s", diff)
	}

	done := record()
	done.State, done.Manifest = orchestrator.JobPartiallyFailed, "s3://out/01JD2Y/manifest.json"
	done.Actual = orchestrator.Actual{WorkerSeconds: 12.5, Cost: eur(90_000)}
	done.Failure = &orchestrator.Failure{Code: "scorer_failed", Message: "two rows"}
	actual := eur(90_000)
	want := running
	want.State, want.Manifest, want.Results, want.Errors = done.State, done.Manifest, "s3://out/01JD2Y/parts/", "s3://out/01JD2Y/errors.jsonl"
	want.Position, want.ExpectedStart, want.ExpectedFinish, want.ExpectedFinishLow, want.ExpectedFinishHigh = 0, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	want.ActualCost, want.WorkerSeconds, want.Failure = &actual, 12.5, done.Failure
	if diff := cmp.Diff(want, JobOf(done)); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}

	done.Counts.RowsFailed, done.Actual.Cost, done.Estimate.Cost = 0, orchestrator.Money{}, orchestrator.Money{}
	published := done
	published.Standing = &orchestrator.Standing{Results: orchestrator.ResultsTo{Topic: "scored"}}
	if view := JobOf(published); view.Published != "topic scored" || view.Results != "" {
		t.Errorf("published to %q, results %q", view.Published, view.Results)
	}
	if view := JobOf(done); view.Errors != "" || view.ActualCost != nil || view.EstimatedCost != nil || view.Results == "" {
		t.Errorf("no failed row, no price: errors %q, costs %v and %v, results %q", view.Errors, view.ActualCost, view.EstimatedCost, view.Results)
	}
}

func TestEventOf(t *testing.T) {
	t.Parallel()
	got := EventOf(record())
	want := Event{
		SpecVersion: "1.0", ID: "01JD2Y/1/running", Source: "/nightshift/payments/nightly", Type: "dev.nightshift.job.running", Subject: "01JD2Y",
		Time: at(1), DataContentType: "application/json", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Data: JobOf(record()),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	text, err := json.Marshal(got)
	var again Event
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	if diff := cmp.Diff(got, again); err != nil || diff != "" {
		t.Errorf("through JSON, error %v (-want +got):\n%s", err, diff)
	}
}

func TestSpec(t *testing.T) {
	t.Parallel()
	request, err := Decode[SubmitRequest]([]byte(`{"queue":"q","input":["s3://b/k"],"name":"n","key":"k","format":"csv","within":"1d2h",` +
		`"parameters":{"a":1},"labels":{"l":"v"},"output":{"format":"parquet","prefix":"s3://o/"},"maxCost":{"amount":"1","currency":"EUR"}}`))
	if err != nil {
		t.Fatal(err)
	}
	cost := eur(1_000_000)
	want := orchestrator.JobSpec{
		Name: "n", Input: []string{"s3://b/k"}, Format: orchestrator.FormatCSV, Key: "k", FinishBy: at(0).Add(26 * time.Hour),
		Parameters: map[string]any{"a": 1.0}, Labels: map[string]string{"l": "v"}, OutputFormat: orchestrator.FormatParquet, Output: "s3://o/", MaxCost: &cost,
	}
	if diff := cmp.Diff(want, request.Spec(at(0))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, test := range []struct {
		request RetryRequest
		want    time.Time
	}{
		{RetryRequest{}, time.Time{}},
		{RetryRequest{Within: "5m"}, at(15)},
		{RetryRequest{FinishBy: at(30)}, at(30)},
	} {
		if got := test.request.Deadline(at(10)); !got.Equal(test.want) {
			t.Errorf("deadline of %+v = %v, want %v", test.request, got, test.want)
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	base := SubmitRequest{Queue: "q", Input: []string{"s3://b/k"}, FinishBy: at(0), IdempotencyKey: "a", Parameters: map[string]any{"b": 1.0, "a": 2.0}}
	same := base
	same.IdempotencyKey, same.FinishBy = "b", at(0).In(time.FixedZone("", 3600))
	same.Labels = map[string]string{}
	if base.Digest() != same.Digest() || len(base.Digest()) != 64 {
		t.Errorf("digests %s and %s of the same content", base.Digest(), same.Digest())
	}
	for name, change := range map[string]func(*SubmitRequest){
		"queue":      func(r *SubmitRequest) { r.Queue = "r" },
		"input":      func(r *SubmitRequest) { r.Input = []string{"s3://b/l"} },
		"within":     func(r *SubmitRequest) { r.FinishBy, r.Within = time.Time{}, "5h" },
		"parameters": func(r *SubmitRequest) { r.Parameters = map[string]any{"b": 1.0} },
		"output":     func(r *SubmitRequest) { r.Output.Prefix = "s3://o/" },
	} {
		other := base
		change(&other)
		if other.Digest() == base.Digest() {
			t.Errorf("%s: another content has the same digest", name)
		}
	}
}
