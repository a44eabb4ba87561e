package api

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/micro"

	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/service"
)

// The tools that know NATS micro services see this one, and the page lists each of its subjects.
func TestMicroService(t *testing.T) {
	t.Parallel()
	in := running(t)
	text, _ := page(t)
	var ping micro.Ping
	var info micro.Info
	var stats micro.Stats
	for subject, into := range map[string]any{"$SRV.PING": &ping, "$SRV.INFO.nightshift": &info, "$SRV.STATS.nightshift": &stats} {
		answer, err := in.conn.Request(subject, nil, 10*time.Second)
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		if err := json.Unmarshal(answer.Data, into); err != nil {
			t.Fatal(err)
		}
	}
	if ping.Name != "nightshift" || ping.ID == "" || ping.ID != info.ID || ping.ID != stats.ID {
		t.Errorf("ping %+v, info of %s, stats of %s", ping, info.ID, stats.ID)
	}
	if ping.Metadata[service.EmbeddedServer] != in.conn.ConnectedServerId() {
		t.Errorf("metadata %v: nightshift dev has the server %s in its process", ping.Metadata, in.conn.ConnectedServerId())
	}
	var subjects []string
	for i, endpoint := range info.Endpoints {
		operation := strings.TrimPrefix(endpoint.Subject, "nightshift.v1.*.")
		subjects = append(subjects, operation)
		if !strings.Contains(text, "\n| `"+operation+"` |") {
			t.Errorf("docs/api.md does not list %s", operation)
		}
		if want := schemaOf(operation) + "-request"; endpoint.Metadata["schema"] != want {
			t.Errorf("%s has the schema %q, want %q", operation, endpoint.Metadata["schema"], want)
		}
		if stats.Endpoints[i].Subject != endpoint.Subject {
			t.Errorf("stats of %s, want of %s", stats.Endpoints[i].Subject, endpoint.Subject)
		}
	}
	want := []string{
		"jobs.submit", "jobs.estimate", "jobs.get", "jobs.list", "jobs.cancel", "jobs.retry", "jobs.delete", "jobs.logs", "jobs.read", "jobs.upload", "backlogs", "forecast", "explain", "pools", "plan",
		"schedules.list", "schedules.trigger", "schedules.pause", "schedules.resume", "schedules.backfill",
	}
	if !slices.Equal(subjects, want) {
		t.Errorf("endpoints = %v, want %v", subjects, want)
	}
}

type fields = map[string]any

func TestErrors(t *testing.T) {
	t.Parallel()
	in := running(t)
	for name, test := range map[string]struct {
		operation string
		body      any
		code      api.Code
		field     string
		message   string
		problems  int
	}{
		"unknown field": {"jobs.submit", fields{"queue": "fraud", "input": []string{in.more()}, "idempotenceKey": "k"}, api.CodeInvalid, "idempotenceKey",
			"did you mean idempotencyKey?", 0},
		"several":       {"jobs.submit", fields{"queu": "fraud"}, api.CodeInvalid, "queu", "did you mean queue?", 3},
		"unknown queue": {"jobs.submit", fields{"queue": "frod", "input": []string{in.more()}}, api.CodeNotFound, "queue", `tenant "default" has no queue "frod"; it has: fraud`, 0},
		"no object":     {"jobs.submit", fields{"queue": "fraud", "input": []string{in.more() + "x"}}, api.CodeNotFound, "input[0]", "rows.jsonlx", 0},
		"outside":       {"jobs.estimate", fields{"queue": "fraud", "input": []string{"file:///etc/passwd"}}, api.CodeForbidden, "input[0]", "/etc/passwd", 0},
		"bad id":        {"jobs.get", fields{"id": "a b"}, api.CodeInvalid, "id", "an identifier as submit answers it", 0},
		"no such job":   {"jobs.get", fields{"id": "fraud-0"}, api.CodeNotFound, "id", `tenant "default" has no job "fraud-0"`, 0},
		"kind":          {"jobs.list", fields{"limit": "3"}, api.CodeInvalid, "limit", "allowed: a whole number", 0},
		"state":         {"jobs.list", fields{"states": []string{"runing"}}, api.CodeInvalid, "states[0]", "did you mean running?", 0},
		"token":         {"jobs.list", fields{"continue": "x"}, api.CodeInvalid, "continue", "not a token of an earlier answer", 0},
	} {
		problem := refused(t, in.conn, "default", test.operation, test.body, test.code)
		if problem.Field != test.field || !strings.Contains(problem.Message, test.message) || len(problem.Problems) != test.problems {
			t.Errorf("%s: %+v, want field %s, %d problems and a message with %s", name, problem, test.field, test.problems, test.message)
		}
	}
}

// Pages of three over seven jobs give each once, newest first, though one comes and one goes in between.
func TestPaging(t *testing.T) {
	t.Parallel()
	in := running(t)
	var want []string
	submit := func(label string) string {
		body := fields{"queue": "pages", "input": []string{in.more()}, "labels": fields{"run": label}}
		return must[api.SubmitResponse](t, in.conn, "pages", "jobs.submit", body).Job.ID
	}
	for range 7 {
		want = append([]string{submit("a")}, want...)
		submit("b") // does not pass the filter
	}
	body := fields{"limit": 3, "labels": fields{"run": "a"}, "queue": "pages"}
	var got []string
	var sizes []int
	for {
		answer := must[api.ListResponse](t, in.conn, "pages", "jobs.list", body)
		sizes = append(sizes, len(answer.Jobs))
		for _, job := range answer.Jobs {
			got = append(got, job.ID)
		}
		if answer.Continue == "" || len(sizes) > 3 {
			break
		}
		if body["continue"] == nil {
			submit("a")
			must[api.CancelResponse](t, in.conn, "pages", "jobs.cancel", fields{"id": want[1]})
		}
		body["continue"] = answer.Continue
	}
	if !slices.Equal(got, want) || !slices.Equal(sizes, []int{3, 3, 1}) {
		t.Errorf("pages of %v with\n%v, want pages of 3, 3, 1 with\n%v", sizes, got, want)
	}
}

// The key makes a repeated submit harmless, also after the job was deleted.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	in := running(t)
	body := fields{"queue": "wait", "input": []string{in.more()}, "idempotencyKey": "nightly-7"}
	submit := func() api.SubmitResponse {
		return must[api.SubmitResponse](t, in.conn, "payments", "jobs.submit", body)
	}
	first, second := submit(), submit()
	if first.Repeated || !second.Repeated || first.Job.ID != second.Job.ID {
		t.Errorf("submits gave %s (repeated: %v) and %s (repeated: %v)", first.Job.ID, first.Repeated, second.Job.ID, second.Repeated)
	}
	body["name"] = "other content"
	problem := refused(t, in.conn, "payments", "jobs.submit", body, api.CodeConflict)
	if problem.Field != "idempotencyKey" || !strings.Contains(problem.Message, first.Job.ID) {
		t.Errorf("conflict: %+v", problem)
	}
	delete(body, "name")
	id := fields{"id": first.Job.ID}
	must[api.CancelResponse](t, in.conn, "payments", "jobs.cancel", id)
	must[api.DeleteResponse](t, in.conn, "payments", "jobs.delete", id)
	if third := submit(); !third.Repeated || third.Job.ID != first.Job.ID {
		t.Errorf("after delete the key gave %s (repeated: %v), want %s", third.Job.ID, third.Repeated, first.Job.ID)
	}
	refused(t, in.conn, "payments", "jobs.get", id, api.CodeNotFound)
}

// What can be asked about a job that waits, and what of it another tenant sees: nothing.
func TestTenants(t *testing.T) {
	t.Parallel()
	in := running(t)
	job := must[api.SubmitResponse](t, in.conn, "payments", "jobs.submit", fields{"queue": "wait", "input": []string{in.more()}}).Job
	id := fields{"id": job.ID}
	eventually(t, "the plan has the job", 20*time.Second, func(context.Context) bool {
		answer, err := ask[api.ExplainResponse](t, in.conn, "payments", "explain", fields{"name": job.ID})
		return err == nil && strings.Contains(answer.Text, job.ID)
	})
	for operation, body := range map[string]fields{
		"jobs.get": id, "jobs.cancel": id, "jobs.retry": id, "jobs.delete": id, "jobs.logs": id,
		"jobs.read": {"id": job.ID, "uri": job.Output + "manifest.json", "offset": 0, "length": 10}, "explain": {"name": job.ID},
	} {
		refused(t, in.conn, "default", operation, body, api.CodeNotFound)
	}
	refused(t, in.conn, "default", "jobs.submit", fields{"queue": "wait", "input": []string{in.more()}}, api.CodeNotFound)
	for _, listed := range must[api.ListResponse](t, in.conn, "default", "jobs.list", fields{}).Jobs {
		if listed.Tenant != "default" {
			t.Errorf("tenant default is shown job %s of tenant %s", listed.ID, listed.Tenant)
		}
	}
	if text := must[api.ExplainResponse](t, in.conn, "default", "explain", fields{}).Text; strings.Contains(text, job.ID) || !strings.Contains(text, "pool local") {
		t.Errorf("explain for tenant default: %s", text)
	}
	if text := must[api.ExplainResponse](t, in.conn, "payments", "explain", fields{}).Text; !strings.Contains(text, job.ID) {
		t.Errorf("explain for tenant payments: %s, want job %s", text, job.ID)
	}
	refused(t, in.conn, "payments", "jobs.delete", id, api.CodeWrongState)
	refused(t, in.conn, "payments", "jobs.retry", id, api.CodeWrongState)
}

// A job's life after its end. It runs alone: a worker may put the last lines of a job's scorer under the job that comes next.
func TestEndedJob(t *testing.T) {
	in := running(t)
	body := fields{"queue": "fraud", "input": []string{in.more()}, "key": "id"}
	estimate := must[api.EstimateResponse](t, in.conn, "default", "jobs.estimate", body)
	if estimate.Objects != 1 || estimate.Bytes != int64(len(rows)) {
		t.Errorf("estimate: %+v", estimate)
	}
	id := must[api.SubmitResponse](t, in.conn, "default", "jobs.submit", body).Job.ID
	in.finish(t, "default", api.Job{ID: id, Queue: "fraud"})
	job := must[api.GetResponse](t, in.conn, "default", "jobs.get", fields{"id": id}).Job
	if job.State != "succeeded" || job.Counts.RowsDone != 2 || job.Manifest == "" {
		t.Fatalf("job: %+v", job)
	}
	in.checkLogs(t, id)
	in.checkRead(t, job)
	problem := refused(t, in.conn, "default", "jobs.cancel", fields{"id": id}, api.CodeWrongState)
	if !strings.Contains(problem.Message, "has ended already: succeeded") {
		t.Errorf("cancel: %v", problem)
	}
	refused(t, in.conn, "default", "jobs.retry", fields{"id": id}, api.CodeWrongState)
	if deleted := must[api.DeleteResponse](t, in.conn, "default", "jobs.delete", fields{"id": id}); deleted.ID != id {
		t.Errorf("deleted %q, want %q", deleted.ID, id)
	}
	refused(t, in.conn, "default", "jobs.get", fields{"id": id}, api.CodeNotFound)
	if _, err := os.Stat(strings.TrimPrefix(job.Manifest, "file://")); err != nil {
		t.Errorf("delete took the results: %v", err)
	}
}

func (in *installation) checkLogs(t *testing.T, id string) {
	t.Helper()
	eventually(t, "the log has the scorer's line", 20*time.Second, func(context.Context) bool {
		answer := must[api.LogsResponse](t, in.conn, "default", "jobs.logs", fields{"id": id})
		for _, entry := range answer.Entries {
			if slices.Contains(entry.Lines, "scored 2 transactions") {
				rest := must[api.LogsResponse](t, in.conn, "default", "jobs.logs", fields{"id": id, "after": answer.Next})
				return entry.Worker != "" && len(rest.Entries) == 0
			}
		}
		return false
	})
}

// checkRead reads the manifest in pieces, and nothing outside of the job's output.
func (in *installation) checkRead(t *testing.T, job api.Job) {
	t.Helper()
	want, err := os.ReadFile(strings.TrimPrefix(job.Manifest, "file://"))
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for {
		body := fields{"id": job.ID, "uri": job.Manifest, "offset": len(got), "length": 100}
		answer := must[api.ReadResponse](t, in.conn, "default", "jobs.read", body)
		got = append(got, answer.Data...)
		if int64(len(got)) >= answer.Size || len(answer.Data) == 0 {
			break
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("read gave %q, want %q", got, want)
	}
	beside := path.Dir(strings.TrimPrefix(strings.TrimSuffix(job.Output, "/"), "file://")) + "/beside.json"
	if err := os.WriteFile(beside, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{"file:///etc/passwd", "file://" + beside, job.Output + "../beside.json"} {
		problem := refused(t, in.conn, "default", "jobs.read", fields{"id": job.ID, "uri": uri, "offset": 0, "length": 100}, api.CodeForbidden)
		if problem.Field != "uri" {
			t.Errorf("%s: %+v", uri, problem)
		}
	}
	refused(t, in.conn, "default", "jobs.read", fields{"id": job.ID, "uri": job.Output + "parts/none.jsonl", "offset": 0, "length": 100}, api.CodeNotFound)
	refused(t, in.conn, "default", "jobs.read", fields{"id": job.ID, "uri": job.Manifest, "offset": 0, "length": api.MaxReadBytes + 1}, api.CodeInvalid)
}
