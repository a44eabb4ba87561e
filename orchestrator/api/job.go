package api

import (
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// Job is a job as users see it.
type Job struct {
	ID     string `json:"id"`
	Tenant string `json:"tenant"`
	Queue  string `json:"queue"`
	Name   string `json:"name,omitempty"`

	State orchestrator.JobState `json:"state"`
	// Times is when each state was entered, since the submit or the last retry.
	Times map[orchestrator.JobState]time.Time `json:"times"`
	// Epoch is how often the job was retried.
	Epoch   int       `json:"epoch"`
	Updated time.Time `json:"updated"`

	Model      orchestrator.ModelRef `json:"model"`
	Input      []string              `json:"input"`
	Key        string                `json:"key,omitempty"`
	Parameters map[string]any        `json:"parameters,omitempty"`
	Labels     map[string]string     `json:"labels,omitempty"`
	// Steps are what runs around the scoring.
	Steps *orchestrator.Steps `json:"steps,omitempty"`
	// Workflow is the Workflow of Argo of this epoch, as NAMESPACE/NAME; absent without steps.
	Workflow string `json:"workflow,omitempty"`

	Counts orchestrator.Counts `json:"counts"`

	Deadline  time.Time `json:"deadline,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Position is the place among the queue's waiting jobs, from 1; absent once opened.
	Position int `json:"position,omitempty"`
	// ExpectedStart and ExpectedFinish are estimates; absent when the speed is unknown or the job has ended.
	ExpectedStart      time.Time `json:"expectedStart,omitzero"`
	ExpectedFinish     time.Time `json:"expectedFinish,omitzero"`
	ExpectedFinishLow  time.Time `json:"expectedFinishLow,omitzero"`
	ExpectedFinishHigh time.Time `json:"expectedFinishHigh,omitzero"`
	// EstimatedFinish is what was said at submit; absent when the speed was unknown.
	EstimatedFinish time.Time `json:"estimatedFinish,omitzero"`
	// EstimatedCost is what was said at submit; absent when the speed or the price is unknown.
	EstimatedCost *orchestrator.Money `json:"estimatedCost,omitempty"`
	// ActualCost is of the attempts that counted; absent until the job has ended, or when the pools have no price.
	ActualCost *orchestrator.Money `json:"actualCost,omitempty"`
	// WorkerSeconds is the time of the attempts that counted, once the job has ended.
	WorkerSeconds float64 `json:"workerSeconds,omitempty"`
	// Notes are sentences about the estimate that a user should read.
	Notes []string `json:"notes,omitempty"`

	// Waiting says what outside of the job holds it up.
	Waiting *orchestrator.Failure `json:"waiting,omitempty"`
	// Failure says why a job failed, or its first failed shard did.
	Failure *orchestrator.Failure `json:"failure,omitempty"`

	// Output is the prefix of everything the job writes.
	Output string `json:"output"`
	// OutputRoots are the roots of buckets below which the output lies, with the parameters of the connection, for clients that read it there.
	OutputRoots []string `json:"outputRoots,omitempty"`
	// OutputFormat is the format of the results.
	OutputFormat orchestrator.Format `json:"outputFormat"`
	// Manifest lists the results that count; absent until it is written.
	Manifest string `json:"manifest,omitempty"`
	// Results is the prefix of the results; absent until the manifest is written. Only what the manifest lists counts.
	Results string `json:"results,omitempty"`
	// Published is the subject or topic that the results go to instead; absent when they are written to files.
	Published string `json:"published,omitempty"`
	// Errors is the file of rows that failed; absent until the manifest is written, or when no row failed.
	Errors string `json:"errors,omitempty"`

	// TraceParent is the W3C trace context that the submit came with.
	TraceParent string `json:"traceparent,omitempty"`
}

// Where a job's files lie below its output prefix.
const (
	ManifestFile = "manifest.json"
	ErrorsFile   = "errors.jsonl"
	PartsFolder  = "parts/"
)

// JobOf is the record as users see it. Maps and lists are shared with the record.
func JobOf(job orchestrator.Job) Job {
	view := Job{
		ID: job.ID, Tenant: job.Tenant, Queue: job.Queue, Name: job.Spec.Name,
		State: job.State, Times: job.Times, Epoch: job.Epoch, Updated: job.Updated,
		Model: job.Model, Input: append([]string{}, job.Spec.Input...), Key: job.Spec.Key, Parameters: job.Spec.Parameters, Labels: job.Spec.Labels,
		Counts:   job.Counts,
		Deadline: job.Deadline, ExpiresAt: job.ExpiresAt,
		EstimatedFinish: job.Estimate.Finish, EstimatedCost: priced(job.Estimate.Cost), Notes: job.Estimate.Notes,
		Waiting: job.Waiting, Failure: job.Failure,
		Output: job.Output, OutputRoots: bucketRoots(job), OutputFormat: job.OutputFormat, Manifest: job.Manifest,
		TraceParent: job.TraceParent,
	}
	if job.State.Final() {
		view.ActualCost, view.WorkerSeconds = priced(job.Actual.Cost), job.Actual.WorkerSeconds
	} else {
		view.Position = job.Expected.Position
		view.ExpectedStart, view.ExpectedFinish = job.Expected.Start, job.Expected.Finish
		view.ExpectedFinishLow, view.ExpectedFinishHigh = job.Expected.FinishLow, job.Expected.FinishHigh
	}
	if view.Steps = job.Spec.Steps; job.Workflow != nil {
		view.Workflow = job.Workflow.Place.Namespace + "/" + job.Workflow.Name
	}
	if job.Standing != nil && job.Standing.Results.Given() {
		view.Published = job.Standing.Results.String()
	}
	if job.Manifest != "" {
		if view.Published == "" {
			view.Results = job.Output + PartsFolder
		}
		if job.Counts.RowsFailed > 0 {
			view.Errors = job.Output + ErrorsFile
		}
	}
	return view
}

// bucketRoots are the roots that hold the job's output in a bucket.
func bucketRoots(job orchestrator.Job) (roots []string) {
	for _, root := range job.WriteRoots {
		uri, _, _ := strings.Cut(root, "?")
		if !strings.HasPrefix(uri, "file:") && strings.HasPrefix(job.Output, strings.TrimSuffix(uri, "/")+"/") {
			roots = append(roots, root)
		}
	}
	return roots
}

// priced is nil for an amount that nobody priced.
func priced(money orchestrator.Money) *orchestrator.Money {
	if money.Currency == "" {
		return nil
	}
	return &money
}
