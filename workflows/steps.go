package workflows

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"nightshift.dev/nightshift/orchestrator"
)

// ScoreTemplate is the suspended template that a job's scoring is.
const ScoreTemplate = "score"

// The labels of a job's Workflow, and its annotations. Numbers ST and STC are those of docs/steps.md.
const (
	labelJob      = "nightshift.dev/job"
	labelTenant   = "nightshift.dev/tenant"
	labelQueue    = "nightshift.dev/queue"
	noteSubmitted = "nightshift.dev/submitted" // when the epoch began, so that another installation's job of the same name is another one's
	noteProgress  = "nightshift.dev/progress"
	noteOutcome   = "nightshift.dev/outcome" // that we gave the node: it is written by the same patch
	outcomeScored = "scored"
	outcomeFailed = "failed"
)

// JobWorkflow is the Workflow of a job's epoch: a reference and parameters (ST1, ST2).
func JobWorkflow(job orchestrator.Job) *wfv1.Workflow {
	values := maps.Clone(job.Spec.Steps.Parameters)
	if values == nil {
		values = map[string]string{}
	}
	values["job"], values["output"] = job.ID, job.Output
	made := &wfv1.Workflow{
		ObjectMeta: metav1.ObjectMeta{
			Name: job.Workflow.Name, Namespace: job.Workflow.Place.Namespace,
			Labels:      map[string]string{labelJob: job.ID, labelTenant: job.Tenant, labelQueue: job.Queue},
			Annotations: map[string]string{noteSubmitted: submitted(job)},
		},
		Spec: wfv1.WorkflowSpec{WorkflowTemplateRef: &wfv1.WorkflowTemplateRef{Name: job.Spec.Steps.Template}},
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		made.Spec.Arguments.Parameters = append(made.Spec.Arguments.Parameters, parameter(name, values[name]))
	}
	return made
}

func submitted(job orchestrator.Job) string {
	return job.Times[orchestrator.JobQueued].UTC().Format(time.RFC3339Nano)
}

// isOf says that a Workflow is the one that JobWorkflow gives for the job (ST1).
func isOf(workflow *wfv1.Workflow, job orchestrator.Job) bool {
	return workflow.Labels[labelJob] == job.ID && workflow.Labels[labelTenant] == job.Tenant && workflow.Labels[labelQueue] == job.Queue && workflow.Annotations[noteSubmitted] == submitted(job)
}

// scoreNode is the node of the scoring; Argo makes it anew when a Workflow is retried.
func scoreNode(workflow *wfv1.Workflow) (wfv1.NodeStatus, bool) {
	for _, node := range workflow.Status.Nodes {
		if node.Type == wfv1.NodeTypeSuspend && isScore(node) {
			return node, true
		}
	}
	return wfv1.NodeStatus{}, false
}

func isScore(node wfv1.NodeStatus) bool {
	return node.TemplateName == ScoreTemplate || node.TemplateRef != nil && node.TemplateRef.Template == ScoreTemplate
}

// ViewJob says how far the Workflow of a job has come.
func ViewJob(workflow *wfv1.Workflow) orchestrator.WorkflowView {
	view := func(state orchestrator.WorkflowState, format string, values ...any) orchestrator.WorkflowView {
		return orchestrator.WorkflowView{State: state, Message: fmt.Sprintf(format, values...)}
	}
	name := workflow.Namespace + "/" + workflow.Name
	node, reached := scoreNode(workflow)
	ours := workflow.Annotations[noteOutcome] == outcomeScored
	over := workflow.Status.Phase.Completed()
	switch {
	case workflow.Status.Phase == wfv1.WorkflowSucceeded && ours:
		return view(orchestrator.WorkflowDone, "")
	case workflow.Spec.Shutdown != "":
		return view(orchestrator.WorkflowStopped, "Workflow %s was %s in Argo", name, map[bool]string{true: "terminated", false: "stopped"}[workflow.Spec.Shutdown == wfv1.ShutdownStrategyTerminate])
	case !over && (workflow.Status.CompressedNodes != "" || workflow.Status.OffloadNodeStatusVersion != ""):
		return view(orchestrator.WorkflowFailed, "Workflow %s has so many nodes that Argo hides their status (compressed or offloaded): nobody can see its node %s; use a template with a few steps", name, ScoreTemplate)
	case reached && !ours && node.Phase == wfv1.NodeSucceeded:
		return view(orchestrator.WorkflowStopped, "somebody else has resumed node %s of Workflow %s: what follows runs without results", ScoreTemplate, name)
	case reached && (node.Phase == wfv1.NodeFailed || node.Phase == wfv1.NodeError) && lifeForm.MatchString(node.Message):
		return view(orchestrator.WorkflowFailed, "Workflow %s has come to its deadline (activeDeadlineSeconds) before it was scored", name)
	case reached && (node.Phase == wfv1.NodeFailed || node.Phase == wfv1.NodeError):
		return view(orchestrator.WorkflowStopped, "somebody else has set node %s of Workflow %s to %s: %s", ScoreTemplate, name, node.Phase, node.Message)
	case reached && !over && node.Phase == wfv1.NodeRunning:
		return view(orchestrator.WorkflowScoring, "it is scored")
	case !over && ours:
		return view(orchestrator.WorkflowAfter, "its results are written; %s", runningSteps(workflow))
	case !over:
		return view(orchestrator.WorkflowBefore, "its input is being prepared; %s", runningSteps(workflow))
	case workflow.Status.Phase == wfv1.WorkflowSucceeded:
		return view(orchestrator.WorkflowFailed, "Workflow %s has ended without having come to its node %s", name, ScoreTemplate)
	}
	return view(orchestrator.WorkflowFailed, "%s", failedStep(workflow))
}

// triedAgain is what Argo puts behind the name of a step that has a retryStrategy.
var triedAgain = regexp.MustCompile(`\(\d+\)$`)

func stepName(shown string) string { return triedAgain.ReplaceAllString(shown, "") }

// runningSteps says which steps run; of one that waits in Argo, what for.
func runningSteps(workflow *wfv1.Workflow) string {
	var steps []string
	for _, node := range workflow.Status.Nodes {
		if node.Type == wfv1.NodeTypePod && !node.Phase.Completed() {
			said := "step " + stepName(node.DisplayName) + " is " + strings.ToLower(string(node.Phase))
			if node.Message != "" {
				said += " (" + node.Message + ")"
			}
			steps = append(steps, said)
		}
	}
	slices.Sort(steps)
	switch {
	case len(steps) > 0:
		return fmt.Sprintf("of Workflow %s/%s %s", workflow.Namespace, workflow.Name, strings.Join(steps, ", "))
	case workflow.Status.Phase == wfv1.WorkflowUnknown:
		return fmt.Sprintf("Argo has not looked at Workflow %s/%s yet", workflow.Namespace, workflow.Name)
	case workflow.Status.Message != "":
		return fmt.Sprintf("Workflow %s/%s: %s", workflow.Namespace, workflow.Name, workflow.Status.Message)
	}
	return fmt.Sprintf("Workflow %s/%s is between two steps", workflow.Namespace, workflow.Name)
}

// failedStep says which step of a Workflow has failed last, and whether it was its code (ST7, ST8).
func failedStep(workflow *wfv1.Workflow) string {
	name := workflow.Namespace + "/" + workflow.Name
	var last *wfv1.NodeStatus
	for _, node := range workflow.Status.Nodes {
		if (node.Type == wfv1.NodeTypePod || node.Type == wfv1.NodeTypeSuspend) && (node.Phase == wfv1.NodeFailed || node.Phase == wfv1.NodeError) && (last == nil || node.FinishedAt.After(last.FinishedAt.Time)) {
			last = &node
		}
	}
	switch {
	case last == nil:
		return fmt.Sprintf("Workflow %s has failed: %s", name, workflow.Status.Message)
	case last.Type == wfv1.NodeTypePod && end(wfv1.WorkflowFailed, last.Message) == EndKilled:
		return fmt.Sprintf("step %s of Workflow %s was taken away with its pod or machine (%s): its code has not failed; a retryStrategy of the template runs it again", stepName(last.DisplayName), name, last.Message)
	}
	return fmt.Sprintf("step %s of Workflow %s has failed: %s", stepName(last.DisplayName), name, last.Message)
}

// TellJob is the JSON Patch that says a word to a Workflow; nil: there is nothing to say. It tests all that the word depends on.
func TellJob(workflow *wfv1.Workflow, word orchestrator.WorkflowWord, now time.Time) []byte {
	if workflow.Status.Phase.Completed() {
		return nil
	}
	patch := []operation{{"test", "/metadata/uid", workflow.UID}}
	node, reached := scoreNode(workflow)
	waits := reached && node.Phase == wfv1.NodeRunning
	at := "/status/nodes/" + node.ID
	note := func(key, value string) operation {
		return operation{"add", "/metadata/annotations/" + strings.ReplaceAll(key, "/", "~1"), value}
	}
	ends := func(phase wfv1.NodePhase, message, outcome string) {
		patch = append(patch, operation{"test", at + "/phase", wfv1.NodeRunning}, operation{"replace", at + "/phase", phase},
			operation{"add", at + "/finishedAt", metav1.NewTime(now.UTC())}, operation{"add", at + "/message", message}, note(noteOutcome, outcome))
	}
	switch {
	case word.Progress != nil && waits:
		done := word.Progress.RowsDone + word.Progress.RowsFailed
		total := max(done, word.Progress.RowsTotal, 1)
		shown := progressOf(done, total)
		patch = append(patch, operation{"test", at + "/phase", wfv1.NodeRunning}, operation{"add", at + "/progress", shown}, operation{"add", "/status/progress", summed(workflow, shown)},
			operation{"add", at + "/message", fmt.Sprintf("%d of %d rows are scored", done, total)}, note(noteProgress, string(shown)))
	case word.Scored != nil && waits:
		ends(wfv1.NodeSucceeded, fmt.Sprintf("%d rows are scored, %d are in the error file", word.Scored.Rows, word.Scored.Errors), outcomeScored)
		all := max(word.Scored.Rows+word.Scored.Errors, 1)
		patch = append(patch, operation{"add", at + "/progress", progressOf(all, all)})
		patch = append(patch, outputs(node, at, *word.Scored)...)
	case word.Failed != nil && waits:
		ends(wfv1.NodeFailed, word.Failed.Message, outcomeFailed)
	case (word.Failed != nil || word.Stop) && workflow.Spec.Shutdown == "":
		patch = append(patch, operation{"add", "/spec/shutdown", wfv1.ShutdownStrategyStop})
	default:
		return nil
	}
	text, _ := json.Marshal(patch) // texts and numbers
	return text
}

func progressOf(done, total int64) wfv1.Progress {
	progress, _ := wfv1.NewProgress(done, total) // done is no more than total
	return progress
}

// summed is the progress of the Workflow with this one of its node, as Argo adds it up (workflow/progress): it does so only when it has something else to write.
func summed(workflow *wfv1.Workflow, scored wfv1.Progress) wfv1.Progress {
	sum := scored
	for _, node := range workflow.Status.Nodes {
		if node.Type == wfv1.NodeTypePod && node.Progress.IsValid() {
			sum = sum.Add(node.Progress)
		}
	}
	return sum
}

// Outputs are the output parameters that the node can give, in the order of docs/steps.md.
var Outputs = []string{"manifest", "rows", "errors"}

// outputs supplies those output parameters of the node that are ours.
func outputs(node wfv1.NodeStatus, at string, scored orchestrator.Scored) (patch []operation) {
	if node.Outputs == nil {
		return nil
	}
	values := map[string]string{"manifest": scored.Manifest, "rows": fmt.Sprint(scored.Rows), "errors": fmt.Sprint(scored.Errors)}
	for i, one := range node.Outputs.Parameters {
		if value, ours := values[one.Name]; ours {
			path := fmt.Sprintf("%s/outputs/parameters/%d", at, i)
			patch = append(patch, operation{"test", path + "/name", one.Name}, operation{"add", path + "/value", value})
		}
	}
	return patch
}
