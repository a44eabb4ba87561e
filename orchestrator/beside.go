package orchestrator

import "time"

// BesideMemory counts, for a pool that is only observed, the replicas that were there and those that the plans wanted.
type BesideMemory struct {
	Since time.Time `json:"since,omitzero"` // when it was observed first
	// What the last decision saw and wanted; Known says that the number of replicas was known then.
	At       time.Time `json:"at,omitzero"`
	Known    bool      `json:"known,omitempty"`
	Replicas int       `json:"replicas,omitempty"`
	Planned  int       `json:"planned,omitempty"`
	// Seconds over which was counted, and seconds of replicas in them.
	Counted       float64 `json:"counted,omitempty"`
	ThereSeconds  float64 `json:"thereSeconds,omitempty"`
	WantedSeconds float64 `json:"wantedSeconds,omitempty"`
}

// Beside is what was there and what was planned for a pool that is only observed.
type Beside struct {
	Since          time.Time `json:"since"`
	CountedSeconds float64   `json:"countedSeconds"`
	ThereSeconds   float64   `json:"thereSeconds"`  // of replicas
	WantedSeconds  float64   `json:"wantedSeconds"` // likewise
	ThereCost      Money     `json:"thereCost,omitzero"`
	WantedCost     Money     `json:"wantedCost,omitzero"`
}
