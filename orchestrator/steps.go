package orchestrator

import "errors"

// ErrForeignWorkflow says that a Workflow of the name is there, and is another job's or somebody's own.
var ErrForeignWorkflow = errors.New("another Workflow has this name")

// Steps are what runs around the scoring of a job: the WorkflowTemplate whose node "score" it is.
type Steps struct {
	// Template is the WorkflowTemplate, one of those that the queue allows.
	Template string `json:"template"`
	// Parameters are given to the Workflow.
	Parameters map[string]string `json:"parameters,omitempty"`
}

// StepsPlace is where the Workflows of a queue's jobs are made, and from which templates. Without a namespace a queue has none.
type StepsPlace struct {
	Context   string   `json:"context,omitempty"` // of the kubeconfig; empty: the current one
	Namespace string   `json:"namespace,omitempty"`
	Templates []string `json:"templates,omitempty"`
}

// Workflow is that of a job's present epoch.
type Workflow struct {
	Place StepsPlace `json:"place"` // as the queue had it at the submit
	Name  string     `json:"name"`
	UID   string     `json:"uid,omitempty"` // once it is made
	// Prepared says that the input has been looked at and is in the journal, in this epoch or an earlier one.
	Prepared bool `json:"prepared,omitempty"`
	// Ended says that it has ended, or was told how the job did.
	Ended bool `json:"ended,omitempty"`
}

// WorkflowState is how far a job's Workflow has come.
type WorkflowState string

// The states.
const (
	WorkflowBefore  WorkflowState = "before"  // its node has not been reached
	WorkflowScoring WorkflowState = "scoring" // its node waits for us
	WorkflowAfter   WorkflowState = "after"   // its node has been resumed by us, and what follows runs
	WorkflowDone    WorkflowState = "done"    // it has ended well, and its node was resumed by us
	WorkflowFailed  WorkflowState = "failed"
	WorkflowStopped WorkflowState = "stopped" // by somebody: stopped, terminated, deleted, or its node was taken out of our hands
)

// WorkflowView is what is seen of a job's Workflow.
type WorkflowView struct {
	State   WorkflowState
	Message string // a sentence: which step runs, or why it ended
}

// WorkflowWord is what a Workflow is told of its job; one of the fields is set.
type WorkflowWord struct {
	Progress *Counts  // while it is scored
	Scored   *Scored  // resume the node
	Failed   *Failure // the node has failed, with this sentence
	Stop     bool     // stop the Workflow
}

// Scored is what the node gives to the steps that follow it.
type Scored struct {
	Manifest string // URI
	Rows     int64  // scored
	Errors   int64  // rows in the error file
}
