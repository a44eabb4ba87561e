package api

import (
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// MaxReadBytes bounds one answer of read, so that it fits into a message when written as base64.
const MaxReadBytes = 512 << 10

// LogsRequest asks for what the scorers of a job wrote to standard error.
type LogsRequest struct {
	ID string `json:"id"`
	// After is the Next of the answer before; 0 begins with the oldest line that is kept.
	After uint64 `json:"after,omitempty"`
}

// Validate returns what is wrong with the request.
func (r LogsRequest) Validate() []Problem { return validID(r.ID) }

// LogsResponse is some of the lines, oldest first.
type LogsResponse struct {
	Entries []LogEntry `json:"entries"`
	// Next is the After of the next request.
	Next uint64 `json:"next"`
}

// LogEntry is some lines of one worker.
type LogEntry struct {
	Worker string    `json:"worker"`
	At     time.Time `json:"at"`
	Lines  []string  `json:"lines"`
	// Dropped is how many lines before these were too many to keep.
	Dropped int `json:"dropped,omitempty"`
}

// ReadRequest asks for some bytes of an object that a job has written, for a client that cannot open the URI itself.
type ReadRequest struct {
	ID string `json:"id"`
	// URI is the job's manifest, error file, or a part that the manifest lists.
	URI    string `json:"uri"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"` // at most 524288
}

// Validate returns what is wrong with the request.
func (r ReadRequest) Validate() []Problem {
	problems := validID(r.ID)
	if r.Offset < 0 {
		problems = append(problems, Problem{"offset", fmt.Sprintf("%d; allowed: 0 or more", r.Offset)})
	}
	if r.Length < 1 || r.Length > MaxReadBytes {
		problems = append(problems, Problem{"length", fmt.Sprintf("%d; allowed: 1 to %d", r.Length, MaxReadBytes)})
	}
	return problems
}

// ReadResponse is bytes of an object.
type ReadResponse struct {
	Data []byte `json:"data"` // base64; shorter than asked for at the end
	Size int64  `json:"size"` // of the whole object
}

// ExplainRequest asks why the present numbers are what they are.
type ExplainRequest struct {
	// Name is a queue, a pool or a job; empty for everything.
	Name string `json:"name,omitempty"`
}

// Validate returns what is wrong with the request: nothing, whatever the name; an unknown one is not found.
func (r ExplainRequest) Validate() []Problem { return nil }

// ExplainResponse is the chains of reasons of the present plan: as text for people, and as data of the same pools and jobs.
type ExplainResponse struct {
	Text  string                  `json:"text"`
	Pools []orchestrator.PoolPlan `json:"pools"`
	// Queues are those whose backlog waits or is served.
	Queues []orchestrator.QueuePlan `json:"queues"`
	Jobs   []orchestrator.JobPlan   `json:"jobs"` // the most urgent first, at most 100
	// Consumers are the user's own in the pools of the tenant's queues whose delivery is external, by pool and slot, at most 100.
	Consumers []orchestrator.ConsumerView `json:"consumers,omitempty"`
	// Forecasts are that of the queue that is asked for, or else those that are on: verdict and errors, without history and what is expected.
	Forecasts []orchestrator.QueueForecast `json:"forecasts,omitempty"`
}
