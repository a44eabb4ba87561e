package orchestrator

import "time"

// ModelSnapshot is everything a worker needs to load a model, stored under its digest when a job is accepted, so that a later
// change of the document does not change a job under way.
type ModelSnapshot struct {
	Name         string            `json:"name"`
	Digest       string            `json:"digest"`
	Command      []string          `json:"command"`
	Dir          string            `json:"dir,omitempty"` // working directory, as the workers see it
	Env          map[string]string `json:"env,omitempty"`
	Parameters   map[string]any    `json:"parameters,omitempty"`
	Columns      map[string]string `json:"columns,omitempty"` // column -> string, int64, float64, bool
	BatchRows    int               `json:"batchRows"`
	ReadyTimeout time.Duration     `json:"readyTimeout"`
	BatchTimeout time.Duration     `json:"batchTimeout"`
	MemoryLimit  int64             `json:"memoryLimit,omitempty"` // bytes; 0 is no limit
	MaxRowBytes  int               `json:"maxRowBytes"`
	MaxAttempts  int               `json:"maxAttempts"`     // code failures of one shard
	MaxLost      int               `json:"maxLostMachines"` // starts without an end, of one shard
}

// WorkerState is what a worker is doing.
type WorkerState string

// The states of a worker.
const (
	WorkerStarting WorkerState = "starting" // process up, no assignment read
	WorkerLoading  WorkerState = "loading"  // a scorer is loading its model
	WorkerBusy     WorkerState = "busy"     // holds a shard
	WorkerIdle     WorkerState = "idle"     // nothing to pull
	WorkerDraining WorkerState = "draining" // finishes what it holds, then ends
	WorkerFailed   WorkerState = "failed"   // its model does not load
	WorkerUnknown  WorkerState = "unknown"  // the user's own consumer, which has not said what it does
)

// Presence is what a worker says of itself with every heartbeat; the KV entry disappears when the heartbeats stop.
type Presence struct {
	Worker      string      `json:"worker"`
	Pool        string      `json:"pool"`
	Slot        int         `json:"slot"`
	PID         int         `json:"pid,omitempty"`
	Host        string      `json:"host"`
	State       WorkerState `json:"state"`
	Model       ModelRef    `json:"model,omitzero"` // loaded or loading
	Shard       string      `json:"shard,omitempty"`
	Job         string      `json:"job,omitempty"`
	Epoch       uint64      `json:"epoch"` // of the assignment it follows
	Loads       int         `json:"loads"` // models loaded since it started
	LoadSeconds float64     `json:"loadSeconds,omitempty"`
	Used        []MemoryUse `json:"used,omitempty"` // by its scorers, by model
	// LoadFailures counts loads that failed one after another; Failure says how the last one did.
	LoadFailures int       `json:"loadFailures,omitempty"`
	Failure      *Failure  `json:"failure,omitempty"`
	FailedAt     time.Time `json:"failedAt,omitzero"`
	// Blocked says which output or store could not be written, for which job; nil again once an attempt got through.
	Blocked    *Failure  `json:"blocked,omitempty"`
	BlockedJob string    `json:"blockedJob,omitempty"`
	Started    time.Time `json:"started"`
	Since      time.Time `json:"since,omitzero"` // when its state, its model or its shard became what they are
	At         time.Time `json:"at"`
}

// Assignment is what one worker shall do now. A worker keeps its last one while the orchestrator is away.
type Assignment struct {
	Worker string `json:"worker"`
	Epoch  uint64 `json:"epoch"` // raised with every change
	// Jobs come in order of urgency: the worker takes from the first that has shards. The assignments of a plan share their orders, which nobody changes.
	Jobs  []*Order `json:"jobs"`
	Drain bool     `json:"drain,omitempty"`
	// Warm is what it loads while it has nothing to do, for work that comes soon; zero: nothing.
	Warm ModelRef `json:"warm,omitzero"`
	// Memory is how many bytes its scorer may hold now, and MemoryMost how many if it were alone on its replica. 0: the pool has no bound.
	Memory     int64 `json:"memory,omitempty"`
	MemoryMost int64 `json:"memoryMost,omitempty"`
}

// Order is one job of an assignment.
type Order struct {
	JobKey
	JobEpoch int      `json:"jobEpoch"`
	Model    ModelRef `json:"model"`
	// Within is, for a backlog, the age up to which rows can be on time: older ones are taken when there are no others. 0: the oldest first. Of a queue that is
	// drained, it orders the standing jobs.
	Within time.Duration `json:"within,omitempty"`
}
