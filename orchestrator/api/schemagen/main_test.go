package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

const folder = "../../../docs/schemas"

func TestSchemasAreUpToDate(t *testing.T) {
	t.Parallel()
	want, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) != len(want) {
		t.Errorf("%s has %d files, want %d; run go generate ./orchestrator/api and remove what is left over (error %v)", folder, len(files), len(want), err)
	}
	for name, schema := range want {
		written, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Errorf("run go generate ./orchestrator/api: %v", err)
			continue
		}
		if diff := cmp.Diff(string(schema), string(written)); diff != "" {
			t.Errorf("%s is not up to date; run go generate ./orchestrator/api (-want +got):\n%s", name, diff)
		}
	}
}

// compiled is each schema by its file's name.
func compiled(t *testing.T) map[string]*validator.Schema {
	t.Helper()
	texts, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*validator.Schema{}
	for name, text := range texts {
		compiler := validator.NewCompiler()
		compiler.AssertFormat()
		document, err := validator.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(name, document); err != nil {
			t.Fatal(err)
		}
		if schemas[name], err = compiler.Compile(name); err != nil {
			t.Fatal(err)
		}
	}
	return schemas
}

func check(t *testing.T, schema *validator.Schema, text []byte) error {
	t.Helper()
	value, err := validator.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// TestRequestsValidate runs the requests of package api's transcripts: what the decoder reads, the schema allows. The schema does not know every
// rule, so it may allow more.
func TestRequestsValidate(t *testing.T) {
	t.Parallel()
	schemas := compiled(t)
	valid := 0
	datadriven.RunTest(t, "../testdata/requests.txt", func(t *testing.T, d *datadriven.TestData) string {
		if strings.HasPrefix(d.Expected, "invalid\n") || d.Input == "" {
			return d.Expected
		}
		valid++
		if err := check(t, schemas[d.Cmd+"-request.json"], []byte(d.Input)); err != nil {
			t.Errorf("%s: %v", d.Pos, err)
		}
		return d.Expected
	})
	if valid < 5 {
		t.Errorf("%d valid requests were looked at, want 5 or more", valid)
	}
}

func TestSchemasRefuse(t *testing.T) {
	t.Parallel()
	schemas := compiled(t)
	for _, test := range []struct{ name, text, want string }{
		{"submit-request.json", `{}`, "missing properties 'queue', 'input'"},
		{"submit-request.json", `{"queue":"q","input":["s3://b/k"],"qeue":"q"}`, "additional properties 'qeue' not allowed"},
		{"submit-request.json", `{"queue":"Q","input":["s3://b/k"]}`, "does not match pattern"},
		{"submit-request.json", `{"queue":"q","input":[]}`, "minItems"},
		{"submit-request.json", `{"queue":"q","input":["s3://b/k"],"format":"json"}`, "value must be one of 'jsonl', 'csv', 'parquet'"},
		{"submit-request.json", `{"queue":"q","input":["s3://b/k"],"finishBy":"today"}`, "is not valid date-time"},
		{"estimate-request.json", `{"queue":"q","input":["s3://b/k"],"maxCost":{"amount":2,"currency":"EUR"}}`, "got number, want string"},
		{"list-request.json", `{"states":["done"]}`, "value must be one of 'queued'"},
		{"list-request.json", `{"limit":501}`, "maximum"},
	} {
		if err := check(t, schemas[test.name], []byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, %s: error %v, want one with %s", test.name, test.text, err, test.want)
		}
	}
}

// TestAnswersValidate: what the types write, the schemas of answers allow, also with a field that a later version adds.
func TestAnswersValidate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	record := orchestrator.Job{
		JobKey: orchestrator.JobKey{Tenant: "default", Queue: "nightly", ID: "a"},
		Spec:   orchestrator.JobSpec{Input: []string{"s3://b/k"}},
		State:  orchestrator.JobPartiallyFailed, Times: map[orchestrator.JobState]time.Time{orchestrator.JobPartiallyFailed: now},
		Estimate: orchestrator.Estimate{Cost: orchestrator.Money{Micros: 1, Currency: "EUR"}}, Manifest: "s3://o/a/manifest.json", Output: "s3://o/a/",
		Failure: &orchestrator.Failure{Code: "scorer_failed", Message: "no"}, Updated: now,
	}
	job := api.JobOf(record)
	_, invalid := api.Decode[api.SubmitRequest](nil)
	schemas := compiled(t)
	for name, answer := range map[string]any{
		"submit-response.json":   api.SubmitResponse{Job: job},
		"estimate-response.json": api.EstimateResponse{Queue: "nightly", Deadline: now},
		"get-response.json":      api.GetResponse{Job: job},
		"list-response.json":     api.ListResponse{Jobs: []api.Job{job}},
		"cancel-response.json":   api.CancelResponse{Job: job},
		"retry-response.json":    api.RetryResponse{Job: job},
		"delete-response.json":   api.DeleteResponse{ID: "a"},
		"logs-response.json":     api.LogsResponse{Entries: []api.LogEntry{{Worker: "w", At: now, Lines: []string{"loaded"}}}},
		"read-response.json":     api.ReadResponse{Data: []byte("{}"), Size: 2},
		"explain-response.json": api.ExplainResponse{Text: "2 replicas",
			Pools:  []orchestrator.PoolPlan{{Name: "local", Replicas: 2, Reasons: []orchestrator.Reason{{Code: "demand", To: 2, Sentence: "queue fraud wants 2 workers"}}}},
			Queues: []orchestrator.QueuePlan{{Tenant: "default", Queue: "nightly", Workers: 1, Reasons: []orchestrator.Reason{}}},
			Jobs:   []orchestrator.JobPlan{{JobKey: record.JobKey, Workers: 2, Cost: orchestrator.Money{Micros: 1, Currency: "EUR"}, Reasons: []orchestrator.Reason{}}}},
		"backlogs-response.json": api.BacklogsResponse{Backlogs: []orchestrator.BacklogStatus{{
			Backlog: orchestrator.Backlog{Queue: "nightly", Reading: orchestrator.Reading{At: now, Source: "nats ROWS/scoring"}, Pending: 7, Parts: []orchestrator.Part{{URI: "nats://ROWS", End: 8}}},
			Recent:  orchestrator.Flow{In: 1.5},
		}}},
		"error-response.json": api.ErrorResponse{Error: invalid},
		"event.json":          api.EventOf(record),
	} {
		text, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(t, schemas[name], text); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		later := append([]byte(`{"later":1,`), text[1:]...)
		if err := check(t, schemas[name], later); err != nil {
			t.Errorf("%s with one more field: %v", name, err)
		}
	}
}
