package dispatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// argo is a namespace with Argo's controller, as far as docs/steps.md needs it. Its Workflows go on when the test says so.
type argo struct {
	mu    sync.Mutex
	views map[string]orchestrator.WorkflowView // of each Workflow, by name; none: it is not there
	away  error                                // the API server cannot be reached
	taken bool                                 // the next name is another's
	told  []string                             // what was done with Workflows, in order; progress is not in it
	dies  string                               // the service dies at this call, once: before it has done anything, or after
	kill  func()
}

// dead is what a service hears at whose call it died.
func (a *argo) dead(at string) bool {
	if a.dies != at {
		return false
	}
	a.dies = ""
	a.kill()
	return true
}

func (a *argo) Begin(_ context.Context, job orchestrator.Job) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away != nil || a.dead("before begin") {
		return "", errors.Join(a.away, context.Canceled)
	}
	if a.taken {
		return "", fmt.Errorf("Workflow scoring/%s: %w", job.Workflow.Name, orchestrator.ErrForeignWorkflow)
	}
	if _, there := a.views[job.Workflow.Name]; !there {
		a.views[job.Workflow.Name] = orchestrator.WorkflowView{State: orchestrator.WorkflowBefore, Message: "step prepare is running"}
		a.told = append(a.told, "made "+strings.TrimPrefix(job.Workflow.Name, job.ID))
	}
	if a.dead("after begin") {
		return "", context.Canceled
	}
	return "uid", nil
}

func (a *argo) Look(_ context.Context, job orchestrator.Job) (orchestrator.WorkflowView, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	view, there := a.views[job.Workflow.Name]
	if a.away != nil || view.State == orchestrator.WorkflowDone && a.dead("end") {
		return view, errors.Join(a.away, context.Canceled)
	}
	if !there {
		return orchestrator.WorkflowView{State: orchestrator.WorkflowStopped, Message: "it was deleted"}, nil
	}
	return view, nil
}

func (a *argo) Tell(_ context.Context, job orchestrator.Job, word orchestrator.WorkflowWord) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	view, there := a.views[job.Workflow.Name]
	if a.away != nil || word.Progress == nil && a.dead("before tell") {
		return errors.Join(a.away, context.Canceled)
	}
	switch {
	case !there || view.State == orchestrator.WorkflowDone || view.State == orchestrator.WorkflowFailed || view.State == orchestrator.WorkflowStopped || word.Progress != nil:
		return nil
	case word.Scored != nil && view.State == orchestrator.WorkflowScoring:
		a.told = append(a.told, fmt.Sprintf("resumed with %s, %d, %d", filepath.Base(word.Scored.Manifest), word.Scored.Rows, word.Scored.Errors))
		a.views[job.Workflow.Name] = orchestrator.WorkflowView{State: orchestrator.WorkflowAfter, Message: "step publish is running"}
	case word.Failed != nil:
		a.told = append(a.told, "failed: "+word.Failed.Message)
		a.views[job.Workflow.Name] = orchestrator.WorkflowView{State: orchestrator.WorkflowFailed}
	case word.Stop:
		a.told = append(a.told, "stopped")
		a.views[job.Workflow.Name] = orchestrator.WorkflowView{State: orchestrator.WorkflowStopped, Message: "it was stopped"}
	}
	if a.dead("after tell") {
		return context.Canceled
	}
	return nil
}

// studio is an office whose jobs have steps.
type studio struct {
	*office
	argo *argo
	stop func()
}

func withSteps(t *testing.T) *studio {
	t.Helper()
	s := &studio{office: open(t, 0), argo: &argo{views: map[string]orchestrator.WorkflowView{}}}
	s.queue.Steps = orchestrator.StepsPlace{Namespace: "scoring", Templates: []string{"nightly"}}
	s.reborn()
	t.Cleanup(func() { s.stop() })
	return s
}

// reborn is the service after a restart.
func (s *studio) reborn() {
	s.t.Helper()
	if s.stop != nil {
		s.stop()
	}
	config := s.fresh().config
	estimate := config.Estimate
	config.Estimate = func(request planner.Request) orchestrator.Estimate {
		priced := estimate(request)
		priced.Cost = orchestrator.Money{Micros: 100, Currency: "EUR"}
		return priced
	}
	config.Steps = func(place orchestrator.StepsPlace) (Steps, error) {
		if place.Namespace != "scoring" {
			return nil, fmt.Errorf("there is no kubeconfig")
		}
		return s.argo, nil
	}
	s.Dispatcher = New(config)
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	running := s.Dispatcher
	go func() { defer close(ended); _ = running.Run(ctx) }()
	s.stop = func() { cancel(); <-ended }
	s.argo.mu.Lock()
	s.argo.kill = cancel
	s.argo.mu.Unlock()
	<-s.Ready()
}

func (s *studio) prepared(change func(*orchestrator.JobSpec)) Submission {
	submission := s.submission("k")
	submission.Spec.Input = []string{"file://" + s.dir + "/made.jsonl"}
	submission.Spec.Steps = &orchestrator.Steps{Template: "nightly"}
	if change != nil {
		change(&submission.Spec)
	}
	return submission
}

// begun submits a job and waits until prepare runs.
func (s *studio) begun() orchestrator.Job {
	s.t.Helper()
	job, _, err := s.Submit(s.t.Context(), s.prepared(nil))
	s.must(err)
	s.plan(job)
	s.eventually("prepare runs", func() bool { return s.waits(job) == "steps: step prepare is running" })
	return job
}

func (s *studio) waits(job orchestrator.Job) string {
	found, err := s.Find("default", job.ID)
	s.must(err)
	if found.Waiting == nil {
		return ""
	}
	return found.Waiting.Code + ": " + found.Waiting.Message
}

// goes lets a Workflow come to a state.
func (s *studio) goes(name string, state orchestrator.WorkflowState, message string) {
	s.argo.mu.Lock()
	defer s.argo.mu.Unlock()
	s.argo.views[name] = orchestrator.WorkflowView{State: state, Message: message}
}

func (s *studio) at(name string) orchestrator.WorkflowState {
	s.argo.mu.Lock()
	defer s.argo.mu.Unlock()
	return s.argo.views[name].State
}

func (s *studio) told() []string {
	s.argo.mu.Lock()
	defer s.argo.mu.Unlock()
	return append([]string(nil), s.argo.told...)
}

func (s *studio) deadAt(call string) {
	s.argo.mu.Lock()
	defer s.argo.mu.Unlock()
	s.argo.dies = call
}

// restarts starts the service again once it has died.
func (s *studio) restarts() {
	s.t.Helper()
	s.eventually("the service has died", func() bool {
		s.argo.mu.Lock()
		defer s.argo.mu.Unlock()
		return s.argo.dies == ""
	})
	s.reborn()
}

func (s *studio) scores(job orchestrator.Job) {
	s.t.Helper()
	s.write("made.jsonl", strings.Repeat(`{"id":"a","n":1}`+"\n", 10))
	s.goes(job.ID, orchestrator.WorkflowScoring, "")
	s.awaitShards(job, 5)
	for number := range 5 {
		s.settle(job, number)
	}
}

func (s *studio) ends(job orchestrator.Job, state orchestrator.JobState, why string) orchestrator.Job {
	s.t.Helper()
	s.eventually("the job ends", func() bool { return s.state(job).Final() })
	found, err := s.Find("default", job.ID)
	s.must(err)
	got := ""
	if found.Failure != nil {
		got = found.Failure.Code + ": " + found.Failure.Message
	}
	if found.State != state || got != why {
		s.t.Errorf("the job is %s, %s; want %s, %s", found.State, got, state, why)
	}
	return found
}

// ST1, ST3, ST4 and ST6: the input of a job is looked at when its Workflow has made it; the job ends when its Workflow does.
func TestStepsAroundTheScoring(t *testing.T) {
	t.Parallel()
	s := withSteps(t)
	job := s.begun()
	if views := s.Views(); len(views) != 1 || !views[0].Prepares || views[0].RowsLeft != -1 {
		t.Errorf("the planner sees %+v", views)
	}
	s.scores(job)
	s.eventually("publish runs", func() bool { return s.waits(job) == "steps: step publish is running" })
	if state := s.state(job); state != orchestrator.JobFinalizing {
		t.Errorf("while publish runs the job is %s", state)
	}
	s.goes(job.ID, orchestrator.WorkflowDone, "")
	found := s.ends(job, orchestrator.JobSucceeded, "")
	if found.Counts.RowsDone != 10 || found.Counts.BytesTotal != 170 || found.Estimate.Rows != 10 || !found.Workflow.Ended {
		t.Errorf("the job is %+v", found)
	}
	if diff := cmp.Diff([]string{"made ", "resumed with manifest.json, 10, 0"}, s.told()); diff != "" {
		t.Errorf("what Argo was told (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"queued", "validating", "planning", "running", "finalizing", "succeeded"}, s.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// STC1 to STC6: the service dies at each of the points, and the next one makes one Workflow, records the input once, and resumes once.
func TestStepsWhereTheServiceDies(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"before begin", "after begin", "before tell", "after tell", "end"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			s := withSteps(t)
			s.deadAt(call)
			job, _, err := s.Submit(t.Context(), s.prepared(nil))
			s.must(err)
			s.plan(job)
			if strings.HasSuffix(call, "begin") {
				s.restarts()
			}
			s.eventually("prepare runs", func() bool { s.plan(job); return s.waits(job) == "steps: step prepare is running" })
			s.scores(job)
			if strings.HasSuffix(call, "tell") {
				s.restarts()
			}
			s.eventually("publish runs", func() bool { return s.at(job.ID) == orchestrator.WorkflowAfter })
			s.goes(job.ID, orchestrator.WorkflowDone, "")
			if call == "end" {
				s.restarts()
			}
			s.ends(job, orchestrator.JobSucceeded, "")
			if diff := cmp.Diff([]string{"made ", "resumed with manifest.json, 10, 0"}, s.told()); diff != "" {
				t.Errorf("what Argo was told (-want +got):\n%s", diff)
			}
		})
	}
}

// STC3: what is in the journal is what the job consists of, although the record does not say so yet.
func TestRecordedInputOfStepsStays(t *testing.T) {
	t.Parallel()
	s := withSteps(t)
	job := s.begun()
	s.write("made.jsonl", strings.Repeat(`{"id":"a","n":1}`+"\n", 10))
	info, err := os.Stat(filepath.Join(s.dir, "made.jsonl"))
	s.must(err)
	object := orchestrator.Object{URI: "file://" + s.dir + "/made.jsonl", Size: 170, Format: orchestrator.FormatJSONL, ModTime: info.ModTime()}
	_, err = s.store.AppendJournal(t.Context(), job.JobKey, 0, orchestrator.JournalEntry{Objects: []orchestrator.Object{object}, ObjectsDone: true})
	s.must(err)
	s.scores(job)
	s.eventually("publish runs", func() bool { return s.at(job.ID) == orchestrator.WorkflowAfter })
	s.goes(job.ID, orchestrator.WorkflowDone, "")
	s.ends(job, orchestrator.JobSucceeded, "")
}

// ST7 to ST9, ST12 and ST16: how the Workflow ends is how the job does, whenever that is; while nobody knows, it waits.
func TestWorkflowEndsTheJob(t *testing.T) {
	t.Parallel()
	for _, state := range []orchestrator.WorkflowState{orchestrator.WorkflowFailed, orchestrator.WorkflowStopped} {
		want, code := orchestrator.JobFailed, "step_failed"
		if state == orchestrator.WorkflowStopped {
			want, code = orchestrator.JobCancelled, "cancelled"
		}
		for _, when := range []string{"before", "during", "after"} {
			t.Run(string(state)+" "+when, func(t *testing.T) {
				t.Parallel()
				s := withSteps(t)
				job := s.begun()
				why := code + ": its words"
				switch when {
				case "during":
					s.write("made.jsonl", strings.Repeat(`{"id":"a","n":1}`+"\n", 10))
					s.goes(job.ID, orchestrator.WorkflowScoring, "")
					s.awaitShards(job, 5)
				case "after":
					s.scores(job)
					s.eventually("publish runs", func() bool { return s.at(job.ID) == orchestrator.WorkflowAfter })
					why += "; its results are complete, and stay"
				}
				s.argo.mu.Lock()
				s.argo.away = errors.New("no route")
				s.argo.mu.Unlock()
				s.goes(job.ID, state, "its words")
				if when != "during" {
					s.eventually("the job waits", func() bool { return strings.HasPrefix(s.waits(job), "steps_unknown: no route") })
				}
				s.argo.mu.Lock()
				s.argo.away = nil
				s.argo.mu.Unlock()
				found := s.ends(job, want, why)
				if (found.Manifest != "") != (when == "after") {
					t.Errorf("the manifest is %q", found.Manifest)
				}
				if left := s.published(job); len(left) > 0 {
					t.Errorf("shards %v are still there to be taken", left)
				}
				s.eventually("the record says that it has ended", func() bool {
					found, err := s.Find("default", job.ID)
					s.must(err)
					return found.Workflow.Ended
				})
			})
		}
	}
}

// ST10, ST11, STC7 and ST14: a job that ends tells its Workflow, also when Argo is away, and when the service dies before it has; a retry makes another one.
func TestJobEndsTheWorkflow(t *testing.T) {
	t.Parallel()
	s := withSteps(t)
	job := s.begun()
	s.deadAt("before tell")
	job, err := s.Cancel(t.Context(), job)
	s.must(err)
	s.restarts()
	s.eventually("it is told", func() bool { return s.at(job.ID) == orchestrator.WorkflowStopped })
	job, err = s.Retry(t.Context(), job, time.Time{})
	s.must(err)
	next := job.ID + "-r1"
	s.eventually("prepare runs again", func() bool { s.plan(job); return s.at(next) == orchestrator.WorkflowBefore })
	s.goes(next, orchestrator.WorkflowScoring, "") // without its input
	path := s.dir + "/made.jsonl"
	found := s.ends(job, orchestrator.JobFailed, "not_found: when the steps before it had ended: input[0]: file://"+path+": no such object (not_found): lstat "+path+": no such file or directory")
	s.eventually("it is told", func() bool { return s.at(next) == orchestrator.WorkflowFailed })
	want := []string{"made ", "stopped", "made -r1", "failed: " + found.Failure.Message}
	if diff := cmp.Diff(want, s.told()); diff != "" {
		t.Errorf("what Argo was told (-want +got):\n%s", diff)
	}
}

// ST1: a Workflow that is another's is left alone. ST6 and ST10: a cancel while publish runs stops it.
func TestStepsThatDoNotGoOn(t *testing.T) {
	t.Parallel()
	s := withSteps(t)
	s.argo.taken = true
	job, _, err := s.Submit(t.Context(), s.prepared(nil))
	s.must(err)
	s.plan(job)
	s.ends(job, orchestrator.JobFailed, "workflow_taken: Workflow scoring/"+job.ID+": another Workflow has this name")

	s = withSteps(t)
	job = s.begun()
	s.scores(job)
	s.eventually("publish runs", func() bool { return s.at(job.ID) == orchestrator.WorkflowAfter })
	_, err = s.Cancel(t.Context(), job)
	s.must(err)
	s.ends(job, orchestrator.JobCancelled, "cancelled: a user cancelled the job; its results are complete, and stay")
	if at := s.at(job.ID); at != orchestrator.WorkflowStopped {
		t.Errorf("the Workflow is %s", at)
	}
}

// ST4 and the submit: what is refused at once, and what is when the price is known.
func TestStepsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := withSteps(t)
	refused := func(code api.Code, field, message string, change func(*orchestrator.JobSpec)) {
		t.Helper()
		_, _, err := s.Submit(t.Context(), s.prepared(change))
		var known *api.Error
		if !errors.As(err, &known) || known.Code != code || known.Field != field || !strings.Contains(known.Message, message) {
			t.Errorf("got %v (%+v), want %s %s %s", err, known, code, field, message)
		}
	}
	refused(api.CodeForbidden, "steps.template", `"nightli" is none of the templates of queue "echo": nightly; did you mean nightly?`, func(spec *orchestrator.JobSpec) { spec.Steps.Template = "nightli" })
	refused(api.CodeForbidden, "input[0]", "outside", func(spec *orchestrator.JobSpec) { spec.Input = []string{"file:///elsewhere/x.jsonl"} })
	s.queue.Steps.Namespace = "other"
	refused(api.CodeUnavailable, "steps", "this service cannot run steps: there is no kubeconfig", nil)
	s.queue.Steps.Namespace = ""
	refused(api.CodeForbidden, "steps", `jobs of queue "echo" have no steps`, nil)
	s.queue.Steps.Namespace = "scoring"
	s.queue.ConfirmAbove = &orchestrator.Money{Micros: 5, Currency: "EUR"}
	refused(api.CodeUnconfirmed, "maxCost", "what it costs is not known before its steps have made the input", nil)
	s.queue.ConfirmAbove = nil
	job, _, err := s.Submit(t.Context(), s.prepared(func(spec *orchestrator.JobSpec) { spec.MaxCost = &orchestrator.Money{Micros: 99, Currency: "EUR"} }))
	s.must(err)
	s.plan(job)
	s.eventually("prepare runs", func() bool { return s.waits(job) == "steps: step prepare is running" })
	s.write("made.jsonl", strings.Repeat(`{"id":"a","n":1}`+"\n", 10))
	s.goes(job.ID, orchestrator.WorkflowScoring, "")
	s.ends(job, orchestrator.JobFailed, "too_expensive: when the steps before it had ended: maxCost: the estimate is 0.0001 EUR, the bound is 0.000099 EUR")
}
