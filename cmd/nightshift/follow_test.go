package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

// growing is output that a test reads while a command still writes.
type growing struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (g *growing) Write(data []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.Write(data)
}

func (g *growing) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}

func (g *growing) await(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(g.String(), want); {
		if time.Now().After(deadline) {
			t.Fatalf("%q was not written:\n%s", want, g)
		}
		time.Sleep(5 * time.Millisecond) // polling, with a deadline
	}
}

// start runs a command line until the test ends it; ended gives its exit code.
func start(t *testing.T, url string, args ...string) (out *growing, interrupt func(), ended <-chan int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	out = &growing{}
	code := make(chan int, 1)
	p := &program{now: func() time.Time { return nowhere }, lookup: func(name string) (string, bool) {
		if name == "NIGHTSHIFT_NATS" {
			return url, true
		}
		return "", false
	}}
	go func() { code <- p.execute(ctx, args, strings.NewReader(""), out, out) }()
	return out, cancel, code
}

// change alters a job between two questions.
func (a *answers) alter(id string, how func(*api.Job)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.jobs {
		if a.jobs[i].ID == id {
			how(&a.jobs[i])
			a.jobs[i].Updated = a.jobs[i].Updated.Add(time.Second)
		}
	}
}

// TestListWatch: only jobs that have changed are shown again, in the columns of the first list.
func TestListWatch(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t)
	service := &answers{jobs: someJobs()}
	service.serve(t, embeddedtest.Connect(t, server))
	out, interrupt, ended := start(t, server.URL(), "list", "-w")
	out.await(t, "embed-done")
	before := out.String()
	service.alter("fraud-run", func(job *api.Job) { enter(job, orchestrator.JobSucceeded, nowhere) })
	out.await(t, "succeeded")
	interrupt()
	if code := <-ended; code != exitInterrupted {
		t.Errorf("exit %d, want %d", code, exitInterrupted)
	}
	want := "fraud-run   nightly      fraud  succeeded         ~1,000,000  250,000  3       5m10s  2026-11-20 06:00\n"
	if got := strings.TrimPrefix(out.String(), before); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLogsFollow: what is written meanwhile is shown, to the last line when the job has ended.
func TestLogsFollow(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t)
	service := &answers{jobs: someJobs(), logs: someLogs()}
	service.serve(t, embeddedtest.Connect(t, server))
	out, _, ended := start(t, server.URL(), "logs", "@latest", "-f")
	out.await(t, "[local-1] row 7 is odd\n")
	service.mu.Lock()
	service.logs = append(service.logs, api.LogEntry{Worker: "local-1", Lines: []string{"bye"}})
	service.mu.Unlock()
	out.await(t, "[local-1] bye\n")
	service.alter("fraud-run", func(job *api.Job) { enter(job, orchestrator.JobFailed, nowhere) })
	if code := <-ended; code != exitDone {
		t.Errorf("exit %d, want %d", code, exitDone)
	}
	want := "[local-0] loading\n[local-0] ready\n[local-1] (12 lines too many to keep)\n[local-1] row 7 is odd\n[local-1] bye\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
