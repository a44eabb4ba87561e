package workflows

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"nightshift.dev/nightshift/orchestrator"
)

var evening = time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)

// around is a Workflow of a job, with its nodes: prepare, score and publish, each in a phase, as far as there are phases.
func around(phase wfv1.WorkflowPhase, phases ...wfv1.NodePhase) *wfv1.Workflow {
	of := JobWorkflow(stepsJob())
	of.UID, of.Status = "u1", wfv1.WorkflowStatus{Phase: phase, Nodes: wfv1.Nodes{}}
	for i, name := range []string{"prepare", "score", "publish"}[:len(phases)] {
		node := wfv1.NodeStatus{
			ID: "id-" + name, Name: of.Name + "." + name, DisplayName: name, Type: wfv1.NodeTypePod, TemplateName: name, Phase: phases[i], Progress: "0/1",
			StartedAt: metav1.NewTime(evening.Add(time.Duration(i) * time.Minute)),
		}
		if node.Phase.Completed() {
			node.FinishedAt = metav1.NewTime(evening.Add(time.Duration(i+1) * time.Minute))
		}
		if name == "score" {
			node.Type = wfv1.NodeTypeSuspend
			node.Outputs = &wfv1.Outputs{}
			for _, output := range []string{"rows", "theirs", "manifest", "errors"} {
				node.Outputs.Parameters = append(node.Outputs.Parameters, wfv1.Parameter{Name: output, ValueFrom: &wfv1.ValueFrom{Supplied: &wfv1.SuppliedValueFrom{}}})
			}
		}
		of.Status.Nodes[node.ID] = node
	}
	return of
}

func stepsJob() orchestrator.Job {
	return orchestrator.Job{
		JobKey: orchestrator.JobKey{Tenant: "acme", Queue: "fraud", ID: "fraud-0123456789abc"}, Output: "s3://out/fraud-0123456789abc/",
		Spec:     orchestrator.JobSpec{Steps: &orchestrator.Steps{Template: "nightly", Parameters: map[string]string{"day": "1"}}},
		Workflow: &orchestrator.Workflow{Name: "fraud-0123456789abc", UID: "u1", Place: orchestrator.StepsPlace{Namespace: "scoring"}},
		Times:    map[orchestrator.JobState]time.Time{orchestrator.JobQueued: evening},
	}
}

func with(of *wfv1.Workflow, node string, change func(*wfv1.NodeStatus)) *wfv1.Workflow {
	changed := of.Status.Nodes["id-"+node]
	change(&changed)
	of.Status.Nodes["id-"+node] = changed
	return of
}

func says(text string) func(*wfv1.NodeStatus) {
	return func(node *wfv1.NodeStatus) { node.Message = text }
}

func scored(of *wfv1.Workflow) *wfv1.Workflow {
	of.Annotations[noteOutcome] = outcomeScored
	return of
}

// ST1 and ST2: what is made, in full, and that it is known again.
func TestJobWorkflow(t *testing.T) {
	t.Parallel()
	made, err := json.Marshal(JobWorkflow(stepsJob()).Spec)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"arguments":{"parameters":[{"name":"day","value":"1"},{"name":"job","value":"fraud-0123456789abc"},{"name":"output","value":"s3://out/fraud-0123456789abc/"}]},"workflowTemplateRef":{"name":"nightly"}}`
	if got := string(made); got != `{"templates":null,`+want[1:] && got != want {
		t.Errorf("the spec is %s", got)
	}
	if !isOf(JobWorkflow(stepsJob()), stepsJob()) {
		t.Error("its own Workflow is foreign")
	}
	for _, change := range []func(*orchestrator.Job){
		func(job *orchestrator.Job) { job.ID = "other" }, func(job *orchestrator.Job) { job.Tenant = "other" }, func(job *orchestrator.Job) { job.Queue = "other" },
		func(job *orchestrator.Job) {
			job.Times = map[orchestrator.JobState]time.Time{orchestrator.JobQueued: evening.Add(1)}
		},
	} {
		other := stepsJob()
		change(&other)
		if isOf(JobWorkflow(stepsJob()), other) {
			t.Errorf("the Workflow is that of %+v, too", other.JobKey)
		}
	}
}

// ST3, ST6 to ST9, ST13 and ST16: what each Workflow means for its job.
func TestViewJob(t *testing.T) {
	t.Parallel()
	stopped, terminated, hidden, offloaded := around(wfv1.WorkflowRunning, "Succeeded", "Running"), around(wfv1.WorkflowRunning, "Succeeded", "Running"), around(wfv1.WorkflowRunning), around(wfv1.WorkflowRunning)
	stopped.Spec.Shutdown, terminated.Spec.Shutdown = wfv1.ShutdownStrategyStop, wfv1.ShutdownStrategyTerminate
	hidden.Status.CompressedNodes, offloaded.Status.OffloadNodeStatusVersion = "x", "fnv:1"
	locked, referred := around(wfv1.WorkflowPending), with(around(wfv1.WorkflowRunning, "Succeeded", "Running"), "score", func(node *wfv1.NodeStatus) {
		node.TemplateName, node.TemplateRef = "", &wfv1.TemplateRef{Name: "nightshift-score", Template: "score"}
	})
	locked.Status.Message = "Waiting for scoring/ConfigMap/a/b lock. Lock status: 0/1"
	const name = "scoring/fraud-0123456789abc"
	for _, one := range []struct {
		of   *wfv1.Workflow
		want string
	}{
		{around(""), "before: its input is being prepared; Argo has not looked at Workflow " + name + " yet"},
		{locked, "before: its input is being prepared; Workflow " + name + ": Waiting for scoring/ConfigMap/a/b lock. Lock status: 0/1"},
		{with(around(wfv1.WorkflowRunning, "Pending"), "prepare", says("Unschedulable: no GPU")), "before: its input is being prepared; of Workflow " + name + " step prepare is pending (Unschedulable: no GPU)"},
		{with(around(wfv1.WorkflowRunning, "Running"), "prepare", func(node *wfv1.NodeStatus) { node.DisplayName = "prepare(1)" }), "before: its input is being prepared; of Workflow " + name + " step prepare is running"},
		{around(wfv1.WorkflowRunning, "Succeeded"), "before: its input is being prepared; Workflow " + name + " is between two steps"},
		{around(wfv1.WorkflowRunning, "Succeeded", "Pending"), "before: its input is being prepared; Workflow " + name + " is between two steps"},
		{around(wfv1.WorkflowRunning, "Succeeded", "Running"), "scoring: it is scored"},
		{referred, "scoring: it is scored"},
		{scored(around(wfv1.WorkflowRunning, "Succeeded", "Succeeded", "Running")), "after: its results are written; of Workflow " + name + " step publish is running"},
		{scored(around(wfv1.WorkflowSucceeded, "Succeeded", "Succeeded", "Succeeded")), "done: "},
		{with(around(wfv1.WorkflowFailed, "Failed"), "prepare", says("main: Error (exit code 1)")), "failed: step prepare of Workflow " + name + " has failed: main: Error (exit code 1)"},
		{with(around(wfv1.WorkflowFailed, "Error"), "prepare", says("pod deleted")), "failed: step prepare of Workflow " + name + " was taken away with its pod or machine (pod deleted): its code has not failed; a retryStrategy of the template runs it again"},
		{with(around(wfv1.WorkflowFailed, "Failed"), "prepare", says("Pod was terminated in response to imminent node shutdown.")), "failed: step prepare of Workflow " + name + " was taken away with its pod or machine (Pod was terminated in response to imminent node shutdown.): its code has not failed; a retryStrategy of the template runs it again"},
		{with(scored(around(wfv1.WorkflowFailed, "Succeeded", "Succeeded", "Failed")), "publish", says("OOMKilled (exit code 137)")), "failed: step publish of Workflow " + name + " has failed: OOMKilled (exit code 137)"},
		{stopped, "stopped: Workflow " + name + " was stopped in Argo"},
		{terminated, "stopped: Workflow " + name + " was terminated in Argo"},
		{around(wfv1.WorkflowRunning, "Succeeded", "Succeeded", "Running"), "stopped: somebody else has resumed node score of Workflow " + name + ": what follows runs without results"},
		{with(around(wfv1.WorkflowRunning, "Succeeded", "Failed"), "score", says("no")), "stopped: somebody else has set node score of Workflow " + name + " to Failed: no"},
		{with(around(wfv1.WorkflowFailed, "Succeeded", "Failed"), "score", says("no")), "stopped: somebody else has set node score of Workflow " + name + " to Failed: no"},
		{with(around(wfv1.WorkflowRunning, "Succeeded", "Failed"), "score", says("Step exceeded its deadline")), "failed: Workflow " + name + " has come to its deadline (activeDeadlineSeconds) before it was scored"},
		{hidden, "failed: Workflow " + name + " has so many nodes that Argo hides their status (compressed or offloaded): nobody can see its node score; use a template with a few steps"},
		{offloaded, "failed: Workflow " + name + " has so many nodes that Argo hides their status (compressed or offloaded): nobody can see its node score; use a template with a few steps"},
		{around(wfv1.WorkflowSucceeded, "Succeeded"), "failed: Workflow " + name + " has ended without having come to its node score"},
	} {
		if got := ViewJob(one.of); string(got.State)+": "+got.Message != one.want {
			t.Errorf("got  %s: %s\nwant %s", got.State, got.Message, one.want)
		}
	}
}

// told is what becomes of a Workflow by a patch that was made from what is seen of it.
func told(t *testing.T, there, seen *wfv1.Workflow, word orchestrator.WorkflowWord) (*wfv1.Workflow, error) {
	t.Helper()
	text := TellJob(seen, word, evening)
	if text == nil {
		return there, nil
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	before, err := json.Marshal(there)
	if err != nil {
		t.Fatal(err)
	}
	after, err := patch.Apply(before)
	if err != nil {
		return nil, err
	}
	var of wfv1.Workflow
	if err := json.Unmarshal(after, &of); err != nil {
		t.Fatal(err)
	}
	return &of, nil
}

func outline(of *wfv1.Workflow) string {
	node := of.Status.Nodes["id-score"]
	text := fmt.Sprintf("%s %q %s %s of %s %s", node.Phase, node.Message, node.Progress, of.Annotations[noteProgress], of.Status.Progress, of.Annotations[noteOutcome])
	if node.Outputs != nil {
		for _, one := range node.Outputs.Parameters {
			if one.Value != nil {
				text += fmt.Sprintf(" %s=%s", one.Name, one.Value)
			}
		}
	}
	return text + " " + string(of.Spec.Shutdown)
}

// ST5, ST6, ST10 and ST11: each word, at each time; and what it says nothing to.
func TestTellJob(t *testing.T) {
	t.Parallel()
	progress := orchestrator.WorkflowWord{Progress: &orchestrator.Counts{RowsDone: 100, RowsFailed: 20, RowsTotal: 200}}
	beyond := orchestrator.WorkflowWord{Progress: &orchestrator.Counts{RowsDone: 100}}
	resume := orchestrator.WorkflowWord{Scored: &orchestrator.Scored{Manifest: "s3://m", Rows: 198, Errors: 2}}
	fail := orchestrator.WorkflowWord{Failed: &orchestrator.Failure{Code: "load_failed", Message: "the model does not load"}}
	stop := orchestrator.WorkflowWord{Stop: true}
	running := func() *wfv1.Workflow { return around(wfv1.WorkflowRunning, "Succeeded", "Running") }
	before := func() *wfv1.Workflow { return around(wfv1.WorkflowRunning, "Running") }
	ended := func() *wfv1.Workflow { return around(wfv1.WorkflowFailed, "Succeeded", "Running") }
	down := running()
	down.Spec.Shutdown = wfv1.ShutdownStrategyTerminate
	for _, one := range []struct {
		what string
		of   *wfv1.Workflow
		word orchestrator.WorkflowWord
		want string
	}{
		{"progress", running(), progress, `Running "120 of 200 rows are scored" 120/200 120/200 of 120/201  `},
		{"progress beyond the estimate", running(), beyond, `Running "100 of 100 rows are scored" 100/100 100/100 of 100/101  `},
		{"progress before", before(), progress, ` ""   of   `},
		{"resumed", running(), resume, `Succeeded "198 rows are scored, 2 are in the error file" 200/200  of  scored rows=198 manifest=s3://m errors=2 `},
		{"resumed before", before(), resume, ` ""   of   `},
		{"failed", running(), fail, `Failed "the model does not load" 0/1  of  failed `},
		{"failed before", before(), fail, ` ""   of   Stop`},
		{"stopped", running(), stop, `Running "" 0/1  of   Stop`},
		{"stopped after it was terminated", down, stop, `Running "" 0/1  of   Terminate`},
		{"stopped after its end", ended(), stop, `Running "" 0/1  of   `},
	} {
		after, err := told(t, one.of, one.of, one.word)
		if err != nil {
			t.Errorf("%s: %v", one.what, err)
		} else if diff := cmp.Diff(one.want, outline(after)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", one.what, diff)
		}
	}
	resumed, another := around(wfv1.WorkflowRunning, "Succeeded", "Succeeded"), running()
	another.UID = types.UID("u2")
	for _, one := range []*wfv1.Workflow{resumed, another} { // what the watch has not brought yet
		for _, word := range []orchestrator.WorkflowWord{progress, resume, fail} {
			if after, err := told(t, one, running(), word); err == nil {
				t.Errorf("written over what was not seen: %s", outline(after))
			}
		}
	}
}
