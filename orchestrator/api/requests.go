package api

import (
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// SubmitRequest asks for a backlog of rows to be scored by its deadline.
type SubmitRequest struct {
	// Queue is the name of the queue, which fixes the model and the pools.
	Queue string `json:"queue" jsonschema:"pattern=^[a-z0-9]([a-z0-9-]*[a-z0-9])?$,maxLength=40"`
	// Input is what to score: URIs of objects, prefixes that end in "/", or patterns such as s3://bucket/day=*/*.parquet.
	Input []string `json:"input" jsonschema:"minItems=1,maxItems=1000"`
	// Name is for people.
	Name string `json:"name,omitempty" jsonschema:"maxLength=200"`
	// Key is the column that names a row. Results and errors carry its value.
	Key string `json:"key,omitempty"`
	// Format is the format of the input. By default the ends of the objects' names say it.
	Format orchestrator.Format `json:"format,omitempty" jsonschema:"enum=jsonl,enum=csv,enum=parquet"`
	// IdempotencyKey makes a repeated submit harmless: the same key and content get the same job, the same key with other content
	// is refused.
	IdempotencyKey string `json:"idempotencyKey,omitempty" jsonschema:"maxLength=128"`
	// FinishBy is the deadline. Without it and Within, the queue's objective sets one.
	FinishBy time.Time `json:"finishBy,omitzero"`
	// Within is the deadline as a duration from the submit, such as 5h or 2d. Not together with FinishBy.
	Within string `json:"within,omitempty"`
	// Parameters are given to the scorer over the model's own.
	Parameters map[string]any `json:"parameters,omitempty"`
	// Labels can be selected by when listing.
	Labels map[string]string `json:"labels,omitempty"`
	// Output says where results go, if not where the queue puts them.
	Output Output `json:"output,omitzero"`
	// MaxCost refuses the job when the estimate is above it. It also confirms a job whose estimate is above what the queue lets
	// pass without being asked.
	MaxCost *orchestrator.Money `json:"maxCost,omitempty"`
	// Steps run around the scoring: the job becomes a Workflow of Argo, made from a template that the queue allows. The input may then be made by it.
	Steps *orchestrator.Steps `json:"steps,omitempty"`
}

// Output says where results go.
type Output struct {
	// Format is jsonl or parquet; by default what the queue says.
	Format orchestrator.Format `json:"format,omitempty" jsonschema:"enum=jsonl,enum=parquet"`
	// Prefix is a URI prefix below the queue's output root; by default a folder named after the job.
	Prefix string `json:"prefix,omitempty"`
}

// SubmitResponse answers once the job is stored.
type SubmitResponse struct {
	Job Job `json:"job"`
	// Repeated says that the job was there already, from an earlier submit with the same idempotency key.
	Repeated bool `json:"repeated,omitempty"`
}

// EstimateRequest asks what a submit with the same fields would take. Nothing is stored.
type EstimateRequest struct {
	SubmitRequest
}

// EstimateResponse says what a submit would take.
type EstimateResponse struct {
	Queue   string                `json:"queue"`
	Model   orchestrator.ModelRef `json:"model"`
	Objects int                   `json:"objects"`
	Bytes   int64                 `json:"bytes"`
	// Deadline is what the job would have to meet; absent when there is none.
	Deadline time.Time             `json:"deadline,omitzero"`
	Estimate orchestrator.Estimate `json:"estimate"`
	// Confirm says that a submit must name a MaxCost at or above the estimate.
	Confirm bool `json:"confirm,omitempty"`
}

// GetRequest asks for one job.
type GetRequest struct {
	ID string `json:"id"`
}

// GetResponse is one job.
type GetResponse struct {
	Job Job `json:"job"`
}

// The bounds of a list.
const (
	DefaultLimit = 100
	MaxLimit     = 500
)

// ListRequest asks for jobs, newest first. Each field that is given narrows the list.
type ListRequest struct {
	Queue  string                  `json:"queue,omitempty"`
	States []orchestrator.JobState `json:"states,omitempty"`
	// Labels selects jobs that have each of these labels with this value.
	Labels map[string]string `json:"labels,omitempty"`
	// Limit is the most jobs in one answer: 1 to 500, 100 by default.
	Limit int `json:"limit,omitempty" jsonschema:"minimum=0,maximum=500"`
	// Continue is the token of the answer before, for the next page.
	Continue string `json:"continue,omitempty"`
}

// ListResponse is one page of jobs.
type ListResponse struct {
	Jobs []Job `json:"jobs"`
	// Continue asks for the next page; empty on the last.
	Continue string `json:"continue,omitempty"`
}

// CancelRequest ends a job. What was scored until then stays.
type CancelRequest struct {
	ID string `json:"id"`
}

// CancelResponse is the job with its new state.
type CancelResponse struct {
	Job Job `json:"job"`
}

// RetryRequest queues a job that has ended once more. Only rows that failed, and shards that were not scored, are scored again.
type RetryRequest struct {
	ID string `json:"id"`
	// FinishBy is the new deadline. Without it and Within, the objective of the queue counts from now.
	FinishBy time.Time `json:"finishBy,omitzero"`
	// Within is the new deadline as a duration from now. Not together with FinishBy.
	Within string `json:"within,omitempty"`
}

// RetryResponse is the job with its new state and epoch.
type RetryResponse struct {
	Job Job `json:"job"`
}

// DeleteRequest removes the record of a job that has ended. Its results stay.
type DeleteRequest struct {
	ID string `json:"id"`
}

// DeleteResponse names the job that is no longer there.
type DeleteResponse struct {
	ID string `json:"id"`
}
