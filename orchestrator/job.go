package orchestrator

import (
	"strings"
	"time"
)

// JobState is where a job stands. The states and their order are those a user sees in `nightshift get`.
type JobState string

// The states of a job. The last five are final; Retry brings a final job back to queued under a new epoch.
const (
	JobQueued          JobState = "queued"           // stored, waiting to be opened
	JobValidating      JobState = "validating"       // input looked at, csv objects being indexed
	JobPlanning        JobState = "planning"         // opened; cut as workers come
	JobRunning         JobState = "running"          // at least one shard was committed or a worker has one
	JobFinalizing      JobState = "finalizing"       // every shard settled; error file and manifest being written
	JobSucceeded       JobState = "succeeded"        // manifest written, every row scored
	JobPartiallyFailed JobState = "partially_failed" // manifest written, some rows are in the error file
	JobFailed          JobState = "failed"           // no row could be scored
	JobCancelled       JobState = "cancelled"        // ended by a user
	JobExpired         JobState = "expired"          // ended because its time to live was over
)

// Final says whether the job has ended.
func (s JobState) Final() bool {
	switch s {
	case JobSucceeded, JobPartiallyFailed, JobFailed, JobCancelled, JobExpired:
		return true
	}
	return false
}

// Open says whether workers may hold shards of the job.
func (s JobState) Open() bool {
	return s == JobValidating || s == JobPlanning || s == JobRunning
}

// JobKey names a job: the tenant, the queue and the identifier, each a valid subject token.
type JobKey struct {
	Tenant string `json:"tenant"`
	Queue  string `json:"queue"`
	ID     string `json:"id"`
}

// Subject is "TENANT.QUEUE.ID", the part of every subject that concerns the job.
func (k JobKey) Subject() string { return k.Tenant + "." + k.Queue + "." + k.ID }

// ParseJobKey reads what Subject wrote.
func ParseJobKey(subject string) (JobKey, bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 3 {
		return JobKey{}, false
	}
	return JobKey{Tenant: parts[0], Queue: parts[1], ID: parts[2]}, true
}

// JobSpec is what the submitter asked for. It never changes after the submit was answered.
type JobSpec struct {
	Name         string            `json:"name,omitempty"`
	Input        []string          `json:"input"` // URIs, prefixes ending in "/", or globs
	Format       Format            `json:"format,omitempty"`
	Key          string            `json:"key,omitempty"` // the column that names a row
	FinishBy     time.Time         `json:"finishBy,omitzero"`
	Parameters   map[string]any    `json:"parameters,omitempty"` // given to the scorer over the model's own
	Labels       map[string]string `json:"labels,omitempty"`
	OutputFormat Format            `json:"outputFormat,omitempty"`
	Output       string            `json:"output,omitempty"`  // URI prefix; the queue's output root plus the job's id by default
	MaxCost      *Money            `json:"maxCost,omitempty"` // refused at submit when the estimate is above it
	Steps        *Steps            `json:"steps,omitempty"`   // around its scoring; nil: none
}

// Job is the record kept of one submitted piece of work: one versioned KV entry, written by the dispatcher only.
type Job struct {
	JobKey
	Spec       JobSpec   `json:"spec"`
	Standing   *Standing `json:"standing,omitempty"` // nil: its input is known from the submit on
	Workflow   *Workflow `json:"workflow,omitempty"` // nil: it has no steps
	SpecDigest string    `json:"specDigest"`         // of the submitted content: the same idempotency key with another digest is an error
	State      JobState  `json:"state"`
	Epoch      int       `json:"epoch"` // raised by retry; commits of a closed epoch are ignored
	// Closed holds, for each earlier epoch, the sequence of the commit stream after which its commits no longer count.
	Closed []uint64 `json:"closed,omitempty"`

	Model        ModelRef  `json:"model"`
	BatchRows    int       `json:"batchRows"`  // the model's best batch
	Output       string    `json:"output"`     // URI prefix, ends in "/"
	ReadRoots    []string  `json:"readRoots"`  // what workers may read for this job, as the queue allowed it at submit
	WriteRoots   []string  `json:"writeRoots"` // what they may write
	OutputFormat Format    `json:"outputFormat"`
	Deadline     time.Time `json:"deadline,omitzero"`
	ExpiresAt    time.Time `json:"expiresAt,omitzero"`

	Times    map[JobState]time.Time `json:"times"` // when each state was first entered in this epoch
	Counts   Counts                 `json:"counts"`
	Estimate Estimate               `json:"estimate"` // as it was answered at submit
	Expected Expected               `json:"expected"` // as the planner sees it now
	Actual   Actual                 `json:"actual"`
	Failure  *Failure               `json:"failure,omitempty"`
	// Waiting says why nothing moves, when something outside holds the job up (an unwritable output, a scorer that does not load).
	Waiting     *Failure  `json:"waiting,omitempty"`
	Manifest    string    `json:"manifest,omitempty"` // URI, once written
	TraceParent string    `json:"traceparent,omitempty"`
	Updated     time.Time `json:"updated"`
	// Deleted marks a tombstone: all that is left is what an idempotent submit has to answer.
	Deleted bool `json:"deleted,omitempty"`
	// WorkKept says that the journal, commits and attempts of a tombstone are still stored: its late sweep needs them.
	WorkKept bool `json:"workKept,omitempty"`
}

// ModelRef names the model of a job and the content it had when the job was accepted.
type ModelRef struct {
	Name   string `json:"name"`
	Digest string `json:"digest"` // of the resolved scorer, its parameters and its artifacts; the key of the ModelSnapshot
}

// Counts are the progress of a job. Rows are known exactly once every shard is settled and was read to its end; before, and where bytes could not
// be read, RowsTotal is an estimate.
type Counts struct {
	RowsTotal    int64 `json:"rowsTotal"`
	RowsExact    bool  `json:"rowsExact"`
	RowsDone     int64 `json:"rowsDone"`   // scored
	RowsFailed   int64 `json:"rowsFailed"` // in the error file, rowsUnread included
	BytesTotal   int64 `json:"bytesTotal"`
	ShardsTotal  int   `json:"shardsTotal"` // cut so far, or all once CutAll
	CutAll       bool  `json:"cutAll"`
	ShardsDone   int   `json:"shardsDone"`
	ShardsFailed int   `json:"shardsFailed"`
	ShardsUnread int   `json:"shardsUnread,omitempty"` // of those that failed, how many could not be read to their end
	BytesUnread  int64 `json:"bytesUnread,omitempty"`  // how long their ranges are, about for parquet
	// RowsUnread are the rows of those shards that were not read: known for parquet, otherwise estimated. One line of the error file stands for
	// those of one shard.
	RowsUnread int64 `json:"rowsUnread,omitempty"`
}

// Estimate is the price and time table shown before and after a submit.
type Estimate struct {
	Rows       int64     `json:"rows"`
	Shards     int       `json:"shards"`
	Workers    int       `json:"workers"`
	Start      time.Time `json:"start,omitzero"`
	Finish     time.Time `json:"finish,omitzero"`
	FinishLow  time.Time `json:"finishLow,omitzero"`
	FinishHigh time.Time `json:"finishHigh,omitzero"`
	Cost       Money     `json:"cost"`
	// Basis says where the speed comes from: "profile", "measured" or "unknown". With unknown, times and cost are not given.
	Basis string `json:"basis"`
	// Position is the place among the queue's waiting jobs, from 1; 0 when it would be opened at once.
	Position int `json:"position,omitempty"`
	// Notes are sentences a user should read: a gzip object cannot be cut, a deadline cannot be met.
	Notes []string `json:"notes,omitempty"`
}

// Expected is what the planner expects of a job that has not ended.
type Expected struct {
	Start      time.Time `json:"start,omitzero"`
	Finish     time.Time `json:"finish,omitzero"`
	FinishLow  time.Time `json:"finishLow,omitzero"`
	FinishHigh time.Time `json:"finishHigh,omitzero"`
	// Position is the place among the queue's waiting jobs, from 1; 0 once opened.
	Position int `json:"position,omitempty"`
}

// Actual is what a job took.
type Actual struct {
	WorkerSeconds float64   `json:"workerSeconds"` // of committed attempts
	LoadSeconds   float64   `json:"loadSeconds"`   // of them, loading models
	Cost          Money     `json:"cost"`          // WorkerSeconds at the price of the pool
	Started       time.Time `json:"started,omitzero"`
	Finished      time.Time `json:"finished,omitzero"`
	BytesOut      int64     `json:"bytesOut"`
}

// Failure is a code for machines and a sentence for people.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}
