package jobs

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// answer is one canned answer, as Ray 2.60 gives it.
type answer struct {
	status int
	body   string
}

// dashboard answers by "METHOD path", and keeps what was sent.
func dashboard(t *testing.T, answers map[string]answer) (client *Client, sent map[string]string) {
	t.Helper()
	sent = map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "Unauthorized: Missing authentication token", http.StatusUnauthorized)
			return
		}
		key := r.Method + " " + r.URL.Path
		body, _ := io.ReadAll(r.Body) // a torn body fails the comparison
		sent[key] = string(body)
		given, known := answers[key]
		if !known {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(given.status)
		_, _ = io.WriteString(w, given.body) // likewise
	}))
	t.Cleanup(server.Close)
	client = New(server.URL+"/", "secret")
	t.Cleanup(client.Close)
	return client, sent
}

func TestVersionsAreChecked(t *testing.T) {
	t.Parallel()
	for version, old := range map[string]bool{
		"2.60.0": false, Minimum: false, "3.0.0.dev0": false, "2.61.0rc1": false, "2.44.0": true, "2.9.3": true, "1.13.0": true, "": true, "latest": true,
	} { // RD13
		client, _ := dashboard(t, map[string]answer{"GET /api/version": {200, `{"version": "4", "ray_version": "` + version + `", "ray_commit": "b7f4"}`}})
		got, err := client.Version(t.Context())
		if got != version || errors.Is(err, ErrTooOld) != old || (err != nil) != old {
			t.Errorf("RD13: version %q: %q, %v", version, got, err)
		}
	}
}

func TestTokenIsSentAndRefusedInWords(t *testing.T) {
	t.Parallel()
	client, _ := dashboard(t, nil)
	wrong := New(client.address, "guess")
	defer wrong.Close()
	if _, err := wrong.Version(t.Context()); !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "guess") { // RD14
		t.Errorf("RD14: with a wrong token: %v", err)
	}
}

func TestTokenDoesNotFollowARedirect(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("RD14: the redirect was followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	client := New(server.URL, "secret")
	defer client.Close()
	if _, err := client.Version(t.Context()); err == nil {
		t.Error("RD14: a redirect is no error")
	}
}

func TestRefusalsAreToldApart(t *testing.T) {
	t.Parallel()
	exists := "Traceback (most recent call last):\n  File \"job_head.py\", line 418, in submit_job\nValueError: Job with submission_id a already exists. Please use a different submission_id.\n"
	client, sent := dashboard(t, map[string]answer{
		"POST /api/jobs/": {500, exists}, "POST /api/jobs/a/stop": {500, strings.Repeat("line\n", 1000) + "RuntimeError: no agent"},
	})
	if err := client.Submit(t.Context(), Submission{ID: "a", Entrypoint: "true"}); !errors.Is(err, ErrExists) { // RD1
		t.Errorf("RD1: a second one: %v", err)
	}
	if got, want := sent["POST /api/jobs/"], `{"submission_id":"a","entrypoint":"true","runtime_env":{}}`; got != want {
		t.Errorf("submitted %s, want %s", got, want)
	}
	if _, err := client.Job(t.Context(), "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a job that is not there: %v", err)
	}
	if err := client.Stop(t.Context(), "a"); err == nil || len(err.Error()) > 400 || !strings.HasSuffix(err.Error(), "RuntimeError: no agent") {
		t.Errorf("a long refusal: %v", err)
	}
}

func TestJobsAreThoseThatWereSubmitted(t *testing.T) {
	t.Parallel()
	client, _ := dashboard(t, map[string]answer{
		"GET /api/jobs/":       {200, `[{"type": "DRIVER", "job_id": "01", "submission_id": null, "status": "RUNNING"}, {"type": "SUBMISSION", "submission_id": "a", "status": "FAILED", "start_time": 1000, "end_time": 3500}]`},
		"GET /api/jobs/a/logs": {200, `{"logs": "first\nlast\n"}`},
	})
	all, err := client.Jobs(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != "a" || !all[0].Status.Ended() || all[0].Ran().Seconds() != 2.5 {
		t.Errorf("jobs: %+v, %v", all, err)
	}
	if words, err := client.Logs(t.Context(), "a", 5); words != "last\n" || err != nil {
		t.Errorf("the end of the log: %q, %v", words, err)
	}
}

func TestPackagesAreUploadedOnce(t *testing.T) {
	t.Parallel()
	write := func(w io.Writer) error { _, err := io.WriteString(w, "content"); return err }
	client, sent := dashboard(t, map[string]answer{"PUT /api/packages/gcs/new.zip": {200, ""}, "GET /api/packages/gcs/there.zip": {200, ""}})
	if uri, err := client.Upload(t.Context(), "new.zip", write); uri != "gcs://new.zip" || err != nil || sent["PUT /api/packages/gcs/new.zip"] != "content" { // RD15
		t.Errorf("RD15: %q, %v, sent %q", uri, err, sent)
	}
	if uri, err := client.Upload(t.Context(), "there.zip", func(io.Writer) error { t.Error("RD15: written again"); return nil }); uri != "gcs://there.zip" || err != nil {
		t.Errorf("RD15: %q, %v", uri, err)
	}
	broken := errors.New("the disk is gone")
	if _, err := client.Upload(t.Context(), "new.zip", func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("RD15: a package that cannot be read: %v", err)
	}
}
