package jetstream

import "time"

const (
	pollFast  = 500 * time.Millisecond
	pollError = time.Second
	pollSlow  = 5 * time.Second
)

// Pace is what decides when a queue is read again.
type Pace struct {
	Unknown bool // the last reading has an error
	Urgent  bool // something is late, or soon will be
	Empty   bool // nothing is pending
	Rings   bool // Reader.Rings: a burst is heard without reading
}

// NextPoll says how long to wait for the next reading. Jitter, from 0 to 1, keeps queues from being read all at one moment: a tenth more or less.
func NextPoll(pace Pace, jitter float64) time.Duration {
	wait := pollSlow
	switch {
	case pace.Urgent:
		wait = pollFast
	case pace.Unknown:
		wait = pollError
	case pace.Empty && !pace.Rings:
		wait = pollFast
	}
	return time.Duration(float64(wait) * (.9 + .2*min(max(jitter, 0), 1)))
}
