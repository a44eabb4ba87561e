package orchestrator

import "time"

// MemoryUse is what a worker has seen of the memory of a model's scorers.
type MemoryUse struct {
	Model string `json:"model"`
	Peak  int64  `json:"peak"` // most bytes that one held and went on
	// Ended is the most bytes that one held which was ended for want of memory, and EndedAt when one was last; zero: none was.
	Ended   int64     `json:"ended,omitempty"`
	EndedAt time.Time `json:"endedAt,omitzero"`
}

// ModelPolicy is what the documents say of a model's memory.
type ModelPolicy struct {
	Name        string
	Memory      int64 // bytes, as profiled; 0: unknown
	MemoryLimit int64 // bytes; 0: none
}

// MemoryPlan is how much memory a worker needs with a model, in MiB, and the chain of reasons that leads there from what was planned before.
type MemoryPlan struct {
	Model   string   `json:"model"`
	MiB     int      `json:"mib"`
	Reasons []Reason `json:"reasons"`
}

// ModelMemory remembers what workers of a pool needed with a model. Not to be confused with the memory of the planner, which it is a part of.
type ModelMemory struct {
	Model string `json:"model"`
	Pool  string `json:"pool"`
	// Peak is the most bytes since Since, and Before the most of the time before that.
	Peak   int64     `json:"peak"`
	Before int64     `json:"before,omitempty"`
	Since  time.Time `json:"since"`
	// Ended is the most bytes that a scorer held which was ended for want of memory, as long as that counts, and EndedAt when the last was.
	Ended   int64     `json:"ended,omitempty"`
	EndedAt time.Time `json:"endedAt,omitzero"`
	MiB     int       `json:"mib,omitempty"` // last planned
}
