package calendar

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/state"
)

// world is a real store and a real dispatcher, whose jobs nobody opens: the test ends them.
type world struct {
	*testing.T
	dir       string
	store     *state.Store
	jobs      *dispatch.Dispatcher
	documents func() document.Set
}

// The dispatcher's catalog: one queue, whose roots lie in a folder of the test.

func (w *world) Queue(tenant, name string) (dispatch.Queue, bool) {
	return dispatch.Queue{
		Name: name, Tenant: tenant, ReadRoots: []string{"file://" + w.dir}, WriteRoots: []string{"file://" + w.dir + "/out/"},
		Output: "file://" + w.dir + "/out/", OutputFormat: orchestrator.FormatJSONL, MaxObjects: 100, MaxQueued: 1000, FinishedJobs: 1000, KeepFinished: time.Hour, KeepKeys: time.Hour,
	}, name == "nightly"
}

func (w *world) Snapshot(queue string, parameters map[string]any) (orchestrator.ModelSnapshot, error) {
	return snapshot(queue, parameters)
}
func (w *world) Price(string) orchestrator.Money                       { return orchestrator.Money{} }
func (w *world) Announce(context.Context, orchestrator.Job) error      { return nil }
func (w *world) Estimate(planner.Request) (none orchestrator.Estimate) { return none }
func (w *world) Wake()                                                 {}
func (w *world) must(err error)                                        { w.Helper(); w.check(err == nil, "%v", err) }
func (w *world) check(holds bool, format string, values ...any) {
	w.Helper()
	if !holds {
		w.Fatalf(format, values...)
	}
}

func begin(t *testing.T, specs ...string) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir()}
	nc := embeddedtest.Connect(t, embeddedtest.Start(t))
	store, err := state.Create(t.Context(), nc, state.Config{AckWait: time.Second, MaxBytes: 64 << 20})
	w.must(err)
	w.store = store
	w.jobs = dispatch.New(dispatch.Config{Store: store, Catalog: w, Events: w, Log: slog.New(slog.DiscardHandler), Wake: w.Wake, Estimate: w.Estimate})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.jobs.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	<-w.jobs.Ready()
	w.must(os.WriteFile(filepath.Join(w.dir, "rows.jsonl"), []byte(`{"id":"a"}`+"\n"), 0o600))
	w.document(specs...)
	return w
}

// document changes the documents.
func (w *world) document(specs ...string) {
	w.Helper()
	for i := range specs {
		specs[i] = strings.ReplaceAll(specs[i], "DIR", "file://"+w.dir)
	}
	w.documents = scheduled(w.T, specs...)
}

const (
	nightly = `nightly cron: "0 2 * * *", missedWithin: 12h`
	input   = `, submit: {name: "of {{ .Occurrence.Format \"02 15:04\" }}", input: ["DIR/rows.jsonl"], key: id}`
)

// leader is a calendar that knows nothing yet, as after a restart.
func (w *world) leader(jobs Jobs) *Calendar {
	return New(Config{Store: w.store, Jobs: jobs, Documents: w.documents, Model: snapshot, Log: slog.New(slog.DiscardHandler)})
}

// dying is a dispatcher whose process dies before it has done anything.
type dying struct{ *dispatch.Dispatcher }

func (dying) Submit(context.Context, dispatch.Submission) (job orchestrator.Job, created bool, err error) {
	return job, false, errors.New("killed")
}

func (dying) CancelBecause(_ context.Context, job orchestrator.Job, _ string) (orchestrator.Job, error) {
	return job, errors.New("killed")
}

// at is a time in a year that is not over, since deadlines may not be past.
func at(text string) time.Time {
	at, _ := time.Parse("2006-01-02 15:04:05", "2040-01-"+text) // written in this package
	return at
}

// list are the names and states of all jobs, by the names.
func (w *world) list() string {
	w.Helper()
	page, more := w.jobs.List("default", func(*orchestrator.Job) bool { return true }, nil, 500)
	w.check(!more, "more than 500 jobs")
	var lines []string
	for _, job := range page {
		lines = append(lines, fmt.Sprint(job.Spec.Name, " ", job.State))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

func (w *world) expect(want string) {
	w.Helper()
	if got := w.list(); got != want {
		w.Fatalf("jobs: %s, want %s", got, want)
	}
}

// end lets the job of a run end, with so many rows.
func (w *world) end(id string, as orchestrator.JobState, rows int64) {
	w.Helper()
	job, err := w.jobs.ByKey(w.Context(), "default", "nightly", id)
	w.must(err)
	stored, revision, err := w.store.Job(w.Context(), job.JobKey)
	w.must(err)
	stored.State, stored.Counts.RowsTotal, stored.Counts.RowsExact = as, rows, true
	stored.Times[as] = time.Now()
	_, err = w.store.UpdateJob(w.Context(), stored, revision)
	w.must(err)
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) { // a poll
		if job, err := w.jobs.ByKey(w.Context(), "default", "nightly", id); err == nil && job.State == as {
			return
		}
		w.check(time.Since(began) < 20*time.Second, "the dispatcher does not see that %s has ended", id)
	}
}

func (w *world) record(name string) Record {
	w.Helper()
	var record Record
	_, err := w.store.Schedule(w.Context(), name, &record)
	w.must(err)
	return record
}

// decided are the codes of the decisions that were kept, oldest first.
func (w *world) decided(name string) string {
	w.Helper()
	var lines []string
	for _, one := range w.record(name).Decided {
		_, when, _ := strings.Cut(one.ID, "/")
		lines = append(lines, fmt.Sprint(one.Action, " ", strings.TrimPrefix(strings.TrimSuffix(when, "[UTC]"), "2040-01-"), " ", one.Code))
	}
	return strings.Join(lines, ", ")
}
