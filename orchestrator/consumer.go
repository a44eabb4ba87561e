package orchestrator

import "time"

// Consumer is a process of the user's own that an engine runs.
type Consumer struct {
	ID      string
	Slot    int
	Started time.Time
	Leaves  bool // it was told to end
	Unasked bool // what it does nobody asks: it is only counted
	// MostGrace is the longest grace that it is given when it is told to end.
	MostGrace time.Duration
}

// ConsumerView is what is shown of such a process.
type ConsumerView struct {
	ID    string      `json:"id"`
	Pool  string      `json:"pool"`
	Slot  int         `json:"slot"`
	State WorkerState `json:"state"`           // idle, busy, unknown
	Grace string      `json:"grace,omitempty"` // a duration, that counts: it may be told to end while it is busy
	// Since is when its state began, by its own word; of one that is unknown, when it was started.
	Since  time.Time `json:"since,omitzero"`
	Leaves bool      `json:"leaves,omitempty"` // it was told to end
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
