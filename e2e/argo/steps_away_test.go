package argo

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ST12: while the service does not reach the API server nothing fails: what is prepared waits, what is scored is scored on, and the node is resumed when it is back.
func TestStepsWhileArgoIsAway(t *testing.T) {
	in := withSteps(t)
	in.run()
	there := in.Reach
	text, err := os.ReadFile(there)
	if err != nil {
		t.Fatal(err)
	}
	in.Write("away", regexp.MustCompile(`(server: "?https://[^:]+):\d+`).ReplaceAllString(string(text), "$1:1"))
	goes := func(away bool) {
		t.Helper()
		in.Kill()
		if in.Reach = there; away {
			in.Reach = filepath.Join(in.Dir, "away")
		}
		in.Start()
	}
	id := in.submitted("4000", filepath.Join(in.Dir, "published"))
	in.until("prepare runs, and the job waits for it", func() bool { return in.job(id).waits("step prepare is running") })
	goes(true)
	in.until("nobody knows", func() bool { return in.job(id).waits("is not known yet") })
	in.lets("prepare")
	in.until("the node is reached", func() bool { return in.workflowOf(id).node("score") == "Running" })
	if job := in.job(id); job.State != "validating" {
		t.Errorf("without the API server the job is %s", job.State)
	}
	goes(false)
	in.until("it is scored", func() bool { return in.job(id).State == "running" && in.working() == 4 })
	goes(true)
	in.until("it is scored to its end", func() bool {
		job := in.job(id)
		return job.State == "finalizing" && job.waits("is not known yet")
	})
	in.lets("publish")
	if node := in.workflowOf(id).node("score"); node != "Running" {
		t.Errorf("without the API server the node is %s", node)
	}
	goes(false)
	in.until("the job has succeeded", func() bool { return in.job(id).State == "succeeded" })
	in.ends(id, 4000)
}

// ST2: the smaller template, whose job has nothing around its scoring, is taken by a controller with templateReferencing Strict.
func TestScoreAlone(t *testing.T) {
	in := withSteps(t)
	in.run()
	in.Write("in/prepared.jsonl", strings.Repeat("{\"n\":1}\n", 200))
	var said string
	in.until("the service takes a job", func() bool {
		var err error
		said, err = in.Nightshift("submit", "-q", "double", filepath.Join(in.Dir, "in", "prepared.jsonl"), "--within", "20s", "--steps", "nightshift-score", "-o", "name")
		return err == nil
	})
	in.ends(strings.TrimPrefix(strings.TrimSpace(said), "job/"), 200)
	files, err := filepath.Glob(filepath.Join(in.Dir, "*.progress"))
	done := 0
	for _, file := range files {
		var rows, of int
		text, failed := os.ReadFile(file)
		if _, wrong := fmt.Sscanf(string(text), "%d/%d", &rows, &of); failed != nil || wrong != nil || rows != of {
			t.Errorf("%s says %q (%v)", file, text, failed)
		}
		done += rows
	}
	if err != nil || done != 200 {
		t.Errorf("the runners have told Argo of %d rows (%v)", done, err)
	}
}

// Where the service has no way to Kubernetes, a job with steps is refused at its submit, and one without is taken.
func TestStepsWithoutKubernetes(t *testing.T) {
	in := withSteps(t)
	in.Write("empty", "apiVersion: v1\nkind: Config\n")
	in.Reach = filepath.Join(in.Dir, "empty")
	text, err := os.ReadFile(filepath.Join(in.Dir, "docs.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	in.Write("docs.yaml", regexp.MustCompile(`(?m)^  engine: argo\n  argo: .*\n`).ReplaceAllString(string(text), ""))
	in.Write("in/prepared.jsonl", "{\"n\":1}\n")
	in.run()
	submit := func(more ...string) (string, error) {
		return in.Nightshift(append([]string{"submit", "-q", "double", filepath.Join(in.Dir, "in", "prepared.jsonl"), "--yes", "-o", "json"}, more...)...)
	}
	in.until("a job without steps is taken", func() bool { _, err := submit(); return err == nil })
	if said, err := submit("--steps", "nightshift-score"); err == nil {
		t.Errorf("a job with steps is taken: %s", said)
	}
	if !strings.Contains(in.Said(), "jobs with steps are refused") {
		t.Error("the log does not say so")
	}
}

// Doctor says which rights are missing, and what of a template is not as jobs need it.
func TestDoctorOfSteps(t *testing.T) {
	in := withSteps(t)
	in.ServeNATS()
	expect := func(what string, want ...string) {
		t.Helper()
		got := slices.DeleteFunc(in.doctor(), func(line string) bool { return strings.Contains(line, "can be made") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	expect("the role and the templates of the manifests are enough", "ok can be run")
	in.Must("patch", "workflowtemplate", stepsTemplate, "--type=json", "-p", `[{"op":"replace","path":"/spec/templates/2/suspend","value":{"duration":"1h"}}]`)
	in.Must("delete", "workflowtemplate", "nightshift-score")
	in.Must("delete", "rolebinding", "nightshift-steps")
	expect("rights and templates",
		"fail: the right to get workflows.argoproj.io in namespace NAMESPACE is missing",
		"fail: the right to patch workflows.argoproj.io in namespace NAMESPACE is missing",
		"fail: WorkflowTemplate "+stepsTemplate+" has a template score that resumes itself after 1h, scored or not",
		"fail: there is no WorkflowTemplate nightshift-score")
}
