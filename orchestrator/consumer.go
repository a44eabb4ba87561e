package orchestrator

import "time"

// Consumer is a process of the user's own that an engine runs.
type Consumer struct {
	ID      string
	Slot    int
	Started time.Time
	Leaves  bool // it was told to end
	// MostGrace is the longest grace that it is given when it is told to end.
	MostGrace time.Duration
}

// ConsumerWord is what such a process says of itself.
type ConsumerWord struct {
	Busy  *bool     `json:"busy"` // nil: it does not say
	Since time.Time `json:"since,omitzero"`
	Grace string    `json:"grace,omitempty"` // a duration, like 30s: what it needs to finish once it is told to end; empty: it does not say
}

// State is what is known of the process by its word.
func (w ConsumerWord) State() WorkerState {
	switch {
	case w.Busy == nil:
		return WorkerUnknown
	case *w.Busy:
		return WorkerBusy
	}
	return WorkerIdle
}

// GraceWithin is the grace that is declared, unless it is no duration or longer than what is given: then it is as good as none.
func (w ConsumerWord) GraceWithin(most time.Duration) time.Duration {
	grace, err := time.ParseDuration(w.Grace)
	if err != nil || grace < 0 || grace > most {
		return 0
	}
	return grace
}
