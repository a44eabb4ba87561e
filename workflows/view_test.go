package workflows

import (
	"strings"
	"testing"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func pod(phase wfv1.NodePhase, message string) wfv1.Nodes {
	return wfv1.Nodes{"n": {Type: wfv1.NodeTypePod, Phase: phase, Message: message}}
}

// AW1: names and labels fit where Argo puts them, and only fields are set that a controller with templateReferencing: Strict lets users set.
func TestRunner(t *testing.T) {
	made := Made{Pool: strings.Repeat("p", 40), Namespace: "a", Template: "t", Key: "k", MaxLife: time.Hour}
	runner := made.Runner(9_999, 1e13)
	if len(runner.Name) > 63 || generationOf(runner.Name) != 1e13 {
		t.Errorf("%d characters, generation %d", len(runner.Name), generationOf(runner.Name))
	}
	worker := runner.Name + "-6e65ce0c-0669-478b-9524-3a8c226cb38d"
	if got := runnerOf(worker); got != runner.Name {
		t.Errorf("%s runs in %s", worker, got)
	}
	if *runner.Spec.ActiveDeadlineSeconds != 3600 || *runner.Spec.TTLStrategy.SecondsAfterCompletion != 600 {
		t.Errorf("AW17: %d s of life, %d s after it", *runner.Spec.ActiveDeadlineSeconds, *runner.Spec.TTLStrategy.SecondsAfterCompletion)
	}
	allowed := runner.DeepCopy()
	allowed.Spec.Arguments, allowed.Spec.ActiveDeadlineSeconds, allowed.Spec.TTLStrategy, allowed.Spec.WorkflowTemplateRef = wfv1.Arguments{}, nil, nil, nil
	if text := strings.TrimSpace(allowed.Spec.String()); strings.Contains(text, "nightshift") || allowed.Spec.ServiceAccountName != "" || len(allowed.Spec.Templates) > 0 || allowed.Spec.Synchronization != nil {
		t.Errorf("it has other fields: %s", text)
	}
}

// AW2: how far runners have come.
func TestPhases(t *testing.T) {
	for _, one := range []struct {
		what   string
		change func(*wfv1.Workflow)
		want   Phase
	}{
		{"no controller has seen it", func(*wfv1.Workflow) {}, PhaseWaiting},
		{"it waits for the lock", func(w *wfv1.Workflow) { w.Status.Phase = wfv1.WorkflowPending }, PhaseWaiting},
		{"it was suspended before it had a pod", func(w *wfv1.Workflow) { w.Status.Phase, w.Spec.Suspend = wfv1.WorkflowPending, new(true) }, PhaseSuspended},
		{"it has the lock", func(w *wfv1.Workflow) { w.Status.Phase = wfv1.WorkflowRunning }, PhasePending},
		{"its pod has no node", func(w *wfv1.Workflow) {
			w.Status.Phase, w.Status.Nodes = wfv1.WorkflowRunning, pod(wfv1.NodePending, "Unschedulable: 0/4 nodes are available")
		}, PhasePending},
		{"its pod runs", func(w *wfv1.Workflow) {
			w.Status.Phase, w.Status.Nodes, w.Spec.Suspend = wfv1.WorkflowRunning, pod(wfv1.NodeRunning, ""), new(true)
		}, PhaseRunning},
		{"it has ended", func(w *wfv1.Workflow) { w.Status.Phase = wfv1.WorkflowSucceeded }, PhaseEnded},
	} {
		w := Made{Pool: "gpu"}.Runner(3, 7)
		one.change(w)
		runners := View([]*wfv1.Workflow{w}, "gpu")
		if len(runners) != 1 || runners[0].Phase != one.want || runners[0].Slot != 3 || runners[0].Generation != 7 || runners[0].Unschedulable != (one.what == "its pod has no node") {
			t.Errorf("%s: %+v, want %s", one.what, runners, one.want)
		}
	}
}

// AW1: what is no runner of the pool, or is being deleted, is not counted.
func TestOthersAreNotRunners(t *testing.T) {
	going, other, hand := Made{Pool: "gpu"}.Runner(0, 1), Made{Pool: "cpu"}.Runner(0, 1), Made{Pool: "gpu"}.Runner(0, 2)
	going.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	hand.Labels[labelSlot] = "left"
	if runners := View([]*wfv1.Workflow{going, other, hand}, "gpu"); len(runners) != 0 {
		t.Errorf("%+v", runners)
	}
}

// AW8: the words of Argo and of kubelets.
func TestEnds(t *testing.T) {
	for _, one := range []struct {
		phase   wfv1.WorkflowPhase
		message string
		want    End
	}{
		{wfv1.WorkflowSucceeded, "", EndDone},
		{wfv1.WorkflowError, "pod deleted", EndKilled},
		{wfv1.WorkflowFailed, "Pod was terminated in response to imminent node shutdown.", EndKilled},
		{wfv1.WorkflowFailed, "Pod Node is in progress of shutting down, not admitting any new pods: node shutdown", EndKilled},
		{wfv1.WorkflowFailed, "The node was low on resource: memory.", EndKilled},
		{wfv1.WorkflowFailed, "Preempted in order to admit critical pod", EndKilled},
		{wfv1.WorkflowFailed, "can't find failed message for pod gpu-0-1 namespace a", EndKilled},
		{wfv1.WorkflowFailed, "main: Error (exit code 137)", EndKilled},
		{wfv1.WorkflowError, "wait: Error (exit code 143)", EndKilled},
		{wfv1.WorkflowFailed, "main: OOMKilled (exit code 137)", EndFailed},
		{wfv1.WorkflowFailed, "main: Error (exit code 3)", EndFailed},
		{wfv1.WorkflowFailed, "main: Error (exit code 1437)", EndFailed},
		{wfv1.WorkflowError, "workflowtemplates.argoproj.io \"nightshift-runner\" not found", EndFailed},
		{wfv1.WorkflowFailed, "Failed to acquire the synchronization lock. failed to initialize semaphore", EndFailed},
		{wfv1.WorkflowFailed, "Pod was active on the node longer than the specified deadline", EndLife},
		{wfv1.WorkflowFailed, "Step exceeded its deadline", EndLife},
	} {
		w := Made{Pool: "gpu"}.Runner(0, 1)
		w.Status.Phase, w.Status.Message = one.phase, one.message
		if got := View([]*wfv1.Workflow{w}, "gpu")[0].End; got != one.want {
			t.Errorf("%s %q: %s, want %s", one.phase, one.message, got, one.want)
		}
		w.Status.Message, w.Status.Nodes = "child failed", pod(wfv1.NodeFailed, one.message)
		if got := View([]*wfv1.Workflow{w}, "gpu")[0].End; got != one.want {
			t.Errorf("%s, the pod says %q: %s, want %s", one.phase, one.message, got, one.want)
		}
	}
}
