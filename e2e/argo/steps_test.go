package argo

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The steps are programs that wait until the test lets them go on. What prepare makes is the input, and publish reads what the manifest names.
const (
	prepareStep = `
import os, sys, time
while not os.path.exists("go-prepare"):
    time.sleep(0.1)
if sys.argv[1] == "broken":
    sys.exit(3)
os.makedirs("in", exist_ok=True)
with open("in/prepared.part", "w") as f:
    for n in range(int(sys.argv[1])):
        f.write('{"n":%d}\n' % n)
os.rename("in/prepared.part", "in/prepared.jsonl")
`
	publishStep = `
import json, os, sys, time
from urllib.parse import urlparse
while not os.path.exists("go-publish"):
    time.sleep(0.1)
manifest, target, rows, errors = sys.argv[1:]
if target == "broken":
    sys.exit(4)
parts = json.load(open(urlparse(manifest).path))["parts"]
with open(target + ".part", "w") as f:
    for part in parts:
        if part.get("result"):
            f.write(open(urlparse(part["result"]["uri"]).path).read())
    f.write("%s rows, %s errors\n" % (rows, errors))
os.rename(target + ".part", target)
`
	stepsTemplate = "nightshift-prepare-score-publish"
)

// withSteps prepares an installation whose jobs may have the steps of the manifests.
func withSteps(t *testing.T) *installation {
	t.Helper()
	in := prepare(t)
	for _, name := range []string{"role.yaml", "score.yaml", "prepare-score-publish.yaml"} {
		in.Must("create", "-f", filepath.Join("..", "..", "manifests", "steps", name))
	}
	for _, name := range []string{stepsTemplate, "nightshift-score"} {
		in.Must("patch", "workflowtemplate", name, "--type=merge", "-p", `{"spec":{"tolerations":[{"key":"kwok.x-k8s.io/node","operator":"Exists"}]}}`)
	}
	text := strings.NewReplacer("output: {root: out}", "output: {root: out}, steps: {namespace: NAMESPACE, templates: ["+stepsTemplate+", nightshift-score]}").Replace(documents)
	in.Write("docs.yaml", strings.NewReplacer("NAMESPACE", in.Namespace, "LIFE", "1h").Replace(text))
	in.Write("prepare.py", prepareStep)
	in.Write("publish.py", publishStep)
	return in
}

// submitted submits a job with steps, and gives its identifier, which is the name of its Workflow.
func (in *installation) submitted(source, target string) string {
	in.Helper()
	var said string
	in.Until("the service takes a job", "pods", func() bool {
		var err error
		said, err = in.Nightshift("submit", "-q", "double", filepath.Join(in.Dir, "in", "prepared.jsonl"), "--within", "20s", "--yes", "-o", "name",
			"--steps", stepsTemplate, "--step", "source="+source, "--step", "target="+target)
		return err == nil
	})
	return strings.TrimPrefix(strings.TrimSpace(said), "job/")
}

type seenJob struct {
	State            string
	Waiting, Failure *struct{ Code, Message string }
	Manifest         string
	Workflow         string
	Counts           struct{ RowsDone, RowsTotal int }
}

func (j seenJob) waits(text string) bool {
	return j.Waiting != nil && strings.Contains(j.Waiting.Message, text)
}

func (in *installation) job(id string) (job seenJob) {
	in.Helper()
	said, err := in.Nightshift("get", id, "-o", "json")
	if err != nil {
		return job // the service may be away
	}
	if err := json.Unmarshal([]byte(said), &job); err != nil {
		in.Fatalf("%v\n%s", err, said)
	}
	return job
}

type jobWorkflow struct {
	Metadata struct{ Annotations, Labels map[string]string }
	Spec     struct{ Shutdown string }
	Status   struct {
		Phase, Message, Progress string
		Nodes                    map[string]struct{ DisplayName, Type, Phase, Message, Progress string }
	}
}

func (in *installation) workflowOf(id string) (of jobWorkflow) {
	in.Helper()
	if err := json.Unmarshal([]byte(in.Must("get", "workflow", id, "-o", "json")), &of); err != nil {
		in.Fatal(err)
	}
	return of
}

func (w jobWorkflow) node(name string) string {
	for _, node := range w.Status.Nodes {
		if node.DisplayName == name {
			return node.Phase
		}
	}
	return ""
}

func (in *installation) lets(step string) { in.Write("go-"+step, "") }

// ST1 to ST6: the input of a job is made by a step, which is waited for without a worker; Argo shows how far the scoring is; publish reads what was scored; the job ends with it.
func TestStepsAroundTheScoring(t *testing.T) {
	in := withSteps(t)
	in.run()
	target := filepath.Join(in.Dir, "published")
	id := in.submitted("9000", target)
	in.until("prepare runs, and the job waits for it", func() bool {
		job := in.job(id)
		return job.State == "validating" && job.waits("step prepare is running")
	})
	if count, _ := in.live(); count > 0 || exists(filepath.Join(in.Dir, "in", "prepared.jsonl")) {
		t.Errorf("%d runners are there before the input", count)
	}
	in.lets("prepare")
	shown := map[string]bool{}
	in.until("it is scored, and publish runs", func() bool {
		of := in.workflowOf(id)
		shown[of.Status.Progress] = true
		return of.node("publish") == "Running"
	})
	in.until("the job says so", func() bool {
		job := in.job(id)
		return job.State == "finalizing" && job.waits("step publish is running")
	})
	t.Logf("Argo has shown %v", shown)
	between := false
	for progress := range shown {
		var done, of int
		_, err := fmt.Sscanf(progress, "%d/%d", &done, &of)
		between = between || err == nil && of >= 9000 && done > 100 && done < 9000
	}
	if !between {
		t.Error("Argo has not shown how many rows are scored")
	}
	in.lets("publish")
	if said, err := in.Nightshift("watch", id); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	text, err := os.ReadFile(target)
	if err != nil || strings.Count(string(text), "\n") != 9001 || !strings.HasSuffix(string(text), "\n9000 rows, 0 errors\n") {
		t.Errorf("published are %d bytes (%v), ending in %q", len(text), err, text[max(0, len(text)-60):])
	}
	of := in.workflowOf(id)
	if of.Status.Phase != "Succeeded" || of.Metadata.Labels["nightshift.dev/queue"] != "double" || of.Metadata.Annotations["nightshift.dev/outcome"] != "scored" {
		t.Errorf("the Workflow is %+v", of)
	}
	if job := in.job(id); job.State != "succeeded" || job.Counts.RowsDone != 9000 || job.Workflow != in.Namespace+"/"+id {
		t.Errorf("the job is %+v", job)
	}
	in.until("the runners have ended", in.idle)
}

// holds makes a step wait again.
func (in *installation) holds(step string) {
	in.Helper()
	if err := os.Remove(filepath.Join(in.Dir, "go-"+step)); err != nil {
		in.Fatal(err)
	}
}

// over waits until the job has ended, and says how.
func (in *installation) over(id string) (state, why string) {
	in.Helper()
	var job seenJob
	in.until("job "+id+" has ended", func() bool {
		job = in.job(id)
		return job.State == "succeeded" || job.State == "failed" || job.State == "cancelled"
	})
	if job.Failure != nil {
		why = strings.NewReplacer(in.Namespace, "NAMESPACE", id, "JOB").Replace(job.Failure.Code + ": " + job.Failure.Message)
	}
	return job.State, why
}

// expect compares how a job ended, and how its Workflow did.
func (in *installation) expect(id, state, why, phase, message string) {
	in.Helper()
	gotState, gotWhy := in.over(id)
	if gotState != state || !strings.Contains(gotWhy, why) {
		in.Errorf("the job is %s: %s; want %s: %s", gotState, gotWhy, state, why)
	}
	in.until("the Workflow is "+phase, func() bool {
		said, err := in.Try(in.Context(), "get", "workflow", id, "-o", "jsonpath={.status.phase} {.status.message}")
		return err != nil && phase == "gone" || strings.HasPrefix(said, phase) && strings.Contains(said, message)
	})
}

// ST7 to ST9: what becomes of a Workflow becomes of its job.
func TestWorkflowEndsItsJob(t *testing.T) {
	in := withSteps(t)
	in.run()
	in.lets("prepare")
	in.lets("publish")
	in.expect(in.submitted("broken", "x"), "failed", "step_failed: step prepare of Workflow NAMESPACE/JOB has failed: main: Ended (exit code 3)", "Failed", "")
	id := in.submitted("100", "broken")
	in.expect(id, "failed", "step publish of Workflow NAMESPACE/JOB has failed: main: Ended (exit code 4); its results are complete, and stay", "Failed", "")
	if said, err := in.Nightshift("results", id, "-o", "-"); err != nil || strings.Count(said, "\n") != 100 {
		t.Errorf("the results of a job whose publish has failed: %d lines, %v", strings.Count(said, "\n"), err)
	}
	scored := func() string {
		t.Helper()
		id := in.submitted("9000", "x")
		in.until("it is scored", func() bool { return in.job(id).State == "running" && in.working() > 0 })
		return id
	}
	id = scored()
	in.Must("patch", "workflow", id, "--type=merge", "-p", `{"spec":{"shutdown":"Stop"}}`)
	in.expect(id, "cancelled", "cancelled: Workflow NAMESPACE/JOB was stopped in Argo", "Failed", "Stopped with strategy 'Stop'")
	id = scored()
	in.Must("delete", "workflow", id)
	in.expect(id, "cancelled", "cancelled: Workflow NAMESPACE/JOB was deleted", "gone", "")
	id = scored()
	in.sets(id, "Succeeded")
	in.expect(id, "cancelled", "cancelled: somebody else has resumed node score of Workflow NAMESPACE/JOB", "Failed", "Stopped with strategy 'Stop'")
	in.until("the runners have ended", in.idle)
}

// sets is what argo node set does with the suspended node; argo resume refuses while its outputs have no values.
func (in *installation) sets(id, phase string) {
	in.Helper()
	for name, node := range in.workflowOf(id).Status.Nodes {
		if node.DisplayName == "score" {
			in.Must("patch", "workflow", id, "--type=merge", "-p", fmt.Sprintf(`{"status":{"nodes":{%q:{"phase":%q,"finishedAt":"2026-11-23T00:00:00Z","outputs":{"parameters":[{"name":"manifest","value":"m"},{"name":"rows","value":"1"},{"name":"errors","value":"0"}]}}}}}`, name, phase))
		}
	}
}

// ST7: a pod of prepare that is taken away is told from one whose program has failed; with a retryStrategy Argo makes another.
func TestPrepareIsTakenAway(t *testing.T) {
	in := withSteps(t)
	in.run()
	taken := func() string {
		t.Helper()
		id := in.submitted("100", filepath.Join(in.Dir, "published"))
		in.until("prepare runs", func() bool { return in.job(id).waits("step prepare is running") })
		began := time.Now()
		in.until("its pod is not new any more: Argo makes those of the last ten seconds again itself", func() bool { return time.Since(began) > 12*time.Second })
		in.Must("delete", "pods", "-l", "workflows.argoproj.io/workflow="+id, "--force", "--grace-period=0")
		return id
	}
	id := taken()
	in.lets("prepare")
	in.lets("publish")
	in.expect(id, "succeeded", "", "Succeeded", "")
	in.holds("prepare")
	in.Must("patch", "workflowtemplate", stepsTemplate, "--type=json", "-p", `[{"op":"remove","path":"/spec/templates/1/retryStrategy"}]`)
	in.expect(taken(), "failed", "step prepare of Workflow NAMESPACE/JOB was taken away with its pod or machine (pod deleted): its code has not failed", "Failed", "")
}

// ST4, ST10 and ST11: what becomes of a job becomes of its Workflow.
func TestJobEndsItsWorkflow(t *testing.T) {
	in := withSteps(t)
	in.run()
	cancelled := in.submitted("9000", "x")
	in.until("prepare runs", func() bool { return in.job(cancelled).waits("step prepare is running") })
	if said, err := in.Nightshift("cancel", cancelled); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	in.expect(cancelled, "cancelled", "a user cancelled the job", "Failed", "Stopped with strategy 'Stop'")
	in.lets("prepare")
	cancelled = in.submitted("9000", "x")
	in.until("it is scored", func() bool { return in.job(cancelled).State == "running" && in.working() > 0 })
	if said, err := in.Nightshift("cancel", cancelled); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	in.expect(cancelled, "cancelled", "a user cancelled the job", "Failed", "Stopped with strategy 'Stop'")
	if err := os.Remove(filepath.Join(in.Dir, "in", "prepared.jsonl")); err != nil {
		t.Fatal(err)
	}
	in.Write("prepare.py", "") // which makes nothing
	id := in.submitted("100", "x")
	in.expect(id, "failed", "not_found: when the steps before it had ended: input[0]: ", "Failed", "")
	if text := in.Must("get", "workflow", id, "-o", "jsonpath={.status.nodes.*.message}"); !strings.Contains(text, "when the steps before it had ended: input[0]: ") {
		t.Errorf("the messages of the nodes are %q", text)
	}
	in.Write("prepare.py", prepareStep)
	if said, err := in.Nightshift("retry", id); err != nil { // ST14
		t.Fatalf("%v\n%s", err, said)
	}
	in.lets("publish")
	in.until("the retry has succeeded", func() bool { return in.job(id).State == "succeeded" })
	if of := in.workflowOf(id + "-r1"); of.Status.Phase != "Succeeded" {
		t.Errorf("the Workflow of the retry is %+v", of)
	}
	in.until("the runners have ended", in.idle)
}

// STC1 to STC7, ST12: the service is killed again and again through all steps of a job, and the API server goes away for it meanwhile: one Workflow, and everything once.
func TestStepsWhileTheServiceDies(t *testing.T) {
	in := withSteps(t)
	in.run()
	target := filepath.Join(in.Dir, "published")
	id := in.submitted("6000", target)
	deaths := 0
	dies := func(most int) {
		in.Kill()
		deaths++
		in.Start()
		select {
		case <-time.After(time.Duration(300+rand.IntN(most)) * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	for range 3 {
		dies(1500)
	}
	in.until("prepare runs, and the job waits for it", func() bool { return in.job(id).waits("step prepare is running") })
	in.lets("prepare")
	in.until("publish runs", func() bool {
		dies(5000)
		return in.workflowOf(id).node("publish") == "Running"
	})
	for range 3 {
		dies(1500)
	}
	in.lets("publish")
	in.until("the job has succeeded", func() bool {
		dies(2500)
		return in.job(id).State == "succeeded"
	})
	t.Logf("%d deaths", deaths)
	text, err := os.ReadFile(target)
	if err != nil || strings.Count(string(text), "\n") != 6001 || !strings.HasSuffix(string(text), "\n6000 rows, 0 errors\n") {
		t.Errorf("published are %d lines (%v)", strings.Count(string(text), "\n"), err)
	}
	if all := in.Must("get", "workflows", "-l", "nightshift.dev/job", "-o", "jsonpath={.items[*].metadata.name}"); all != id {
		t.Errorf("the Workflows of jobs are %s", all)
	}
}

// Scenario 7: a job with steps whose semaphore, and with it the number of runners, is raised and lowered while it is scored.
func TestParallelismOfAJobWithSteps(t *testing.T) {
	in := withSteps(t)
	in.run()
	target := filepath.Join(in.Dir, "published")
	in.lets("prepare")
	in.lets("publish")
	id := in.submitted("30000", target)
	size := func(replicas int) {
		t.Helper()
		documents, err := os.ReadFile(filepath.Join(in.Dir, "docs.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		in.Kill()
		in.Write("docs.yaml", regexp.MustCompile(`replicas: \{max: \d+\}`).ReplaceAllString(string(documents), fmt.Sprintf("replicas: {max: %d}", replicas)))
		in.Start()
		in.until(fmt.Sprintf("%d runners work, below a semaphore of %d", replicas, replicas), func() bool {
			_, running := in.live()
			return running == replicas && in.working() == replicas && in.semaphore() == fmt.Sprint(replicas)
		})
		if job := in.job(id); job.State != "running" {
			t.Errorf("with %d runners the job is %s", replicas, job.State)
		}
	}
	size(2)
	size(6)
	size(1)
	size(5)
	in.ends(id, 30_000)
	text, err := os.ReadFile(target)
	if err != nil || strings.Count(string(text), "\n") != 30_001 || !strings.HasSuffix(string(text), "\n30000 rows, 0 errors\n") {
		t.Errorf("published are %d lines (%v)", strings.Count(string(text), "\n"), err)
	}
	if phase := in.workflowOf(id).Status.Phase; phase != "Succeeded" {
		t.Errorf("the Workflow is %s", phase)
	}
}
