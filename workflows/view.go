package workflows

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
)

// Phase is how far a runner has come (AW2).
type Phase int

// The phases, in order.
const (
	PhaseWaiting   Phase = iota // for the lock, or for the controller
	PhaseSuspended              // by hand, without a pod
	PhasePending                // its pod does not run
	PhaseRunning
	PhaseEnded
)

// String is the word of docs/argo.md.
func (p Phase) String() string {
	return [...]string{"waiting", "suspended", "pending", "running", "ended"}[p]
}

// End is why a runner ended (AW8).
type End string

// The ends.
const (
	EndDone   End = "done"   // the worker has drained
	EndLife   End = "life"   // its maximum life
	EndKilled End = "killed" // its machine or its pod was taken away
	EndFailed End = "failed" // code, image, template, semaphore
)

// Runner is one that there is.
type Runner struct {
	Name             string
	Slot, Generation int
	UID              types.UID
	Version          string // of the object, as it was seen
	Phase            Phase
	Created          time.Time
	// Taken says that a controller has looked at it.
	Taken bool
	// Unschedulable says that no node takes its pod.
	Unschedulable bool
	End           End    // of PhaseEnded
	Message       string // of Argo
}

// View gives the runners of a pool, by name. One that is being deleted is none any more.
func View(workflows []*wfv1.Workflow, pool string) (runners []Runner) {
	for _, one := range workflows {
		if one.Labels[labelPool] != pool || !one.DeletionTimestamp.IsZero() {
			continue
		}
		slot, err := strconv.Atoi(one.Labels[labelSlot])
		if err != nil || slot < 0 {
			continue // somebody else's
		}
		runners = append(runners, view(one, slot))
	}
	slices.SortFunc(runners, func(a, b Runner) int { return cmp.Compare(a.Name, b.Name) })
	return runners
}

func view(workflow *wfv1.Workflow, slot int) Runner {
	r := Runner{
		Name: workflow.Name, Slot: slot, Generation: generationOf(workflow.Name), UID: workflow.UID, Version: workflow.ResourceVersion, Created: workflow.CreationTimestamp.Time,
		Taken: workflow.Status.Phase != wfv1.WorkflowUnknown, Message: workflow.Status.Message,
	}
	pod, there := podNode(workflow)
	if there && pod.Message != "" {
		r.Message = pod.Message
	}
	switch {
	case workflow.Status.Phase.Completed():
		r.Phase, r.End = PhaseEnded, end(workflow.Status.Phase, r.Message)
	case there && pod.Phase == wfv1.NodeRunning:
		r.Phase = PhaseRunning
	case there:
		r.Phase, r.Unschedulable = PhasePending, strings.HasPrefix(pod.Message, "Unschedulable")
	case workflow.Spec.Suspend != nil && *workflow.Spec.Suspend:
		r.Phase = PhaseSuspended
	case workflow.Status.Phase == wfv1.WorkflowRunning:
		r.Phase = PhasePending
	}
	return r
}

// podNode is the node of a runner's only pod.
func podNode(workflow *wfv1.Workflow) (wfv1.NodeStatus, bool) {
	for _, node := range workflow.Status.Nodes {
		if node.Type == wfv1.NodeTypePod {
			return node, true
		}
	}
	return wfv1.NodeStatus{}, false
}

// The messages are those of Argo's controller (operator.go: "pod deleted", inferFailedReason), of the kubelet (eviction, preemption, node shutdown, deadline), and of signals.
var (
	lifeForm   = regexp.MustCompile(`(?i)deadline`)
	killedForm = regexp.MustCompile(`(?i)pod deleted|node shutdown|evicted|preempt|low on resource|node.?lost|node affinity|can't find failed message for pod|exit code (137|143)\b`)
	memoryForm = regexp.MustCompile(`OOMKilled`)
)

// end reads why a runner ended: Argo has no field for it, and tells a lost machine as Error or as Failed (T27).
func end(phase wfv1.WorkflowPhase, message string) End {
	switch {
	case phase == wfv1.WorkflowSucceeded:
		return EndDone
	case memoryForm.MatchString(message):
		return EndFailed
	case killedForm.MatchString(message):
		return EndKilled
	case lifeForm.MatchString(message):
		return EndLife
	default:
		return EndFailed
	}
}
