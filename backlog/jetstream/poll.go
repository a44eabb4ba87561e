package jetstream

import (
	"context"
	"math/rand/v2"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	pollFast  = 500 * time.Millisecond
	pollError = time.Second
	pollBusy  = 2 * time.Second
	pollSlow  = 10 * time.Second
	together  = 100 * time.Millisecond // queues that are due within it are read at once
)

// Pace is what decides when a queue is read again.
type Pace struct {
	Unknown bool // the last reading has an error
	Empty   bool // nothing is pending or in flight
	Rings   bool // Reader.Rings: the first row is heard without reading
}

// NextPoll says how long to wait for the next reading. Jitter, from 0 to 1, keeps queues from being read all at one moment: a tenth more or less.
func NextPoll(pace Pace, jitter float64) time.Duration {
	wait := pollBusy
	switch {
	case pace.Unknown:
		wait = pollError
	case pace.Empty && pace.Rings:
		wait = pollSlow
	case pace.Empty:
		wait = pollFast
	}
	return time.Duration(float64(wait) * (.9 + .2*min(max(jitter, 0), 1)))
}

// ReadDue reads the queues whose time has come, or whose bell has rung or is gone (J31), and says when the next one's comes.
func (r *Reader) ReadDue(ctx context.Context, now time.Time) ([]orchestrator.Backlog, time.Duration) {
	var due []*watched
	for _, w := range r.sources {
		if !now.Before(w.next) || w.rings && !w.bell.armed() {
			due = append(due, w)
		}
	}
	readings := r.readAll(ctx, due, now)
	for i, w := range due {
		one := readings[i]
		pace := Pace{Unknown: one.Err != "", Empty: one.Pending <= 0 && one.InFlight <= 0, Rings: w.bell.armed()}
		w.rings, w.next = pace.Rings, now.Add(NextPoll(pace, rand.Float64())) //nolint:gosec // it is jitter
	}
	wait := pollSlow
	for _, w := range r.sources {
		wait = min(wait, w.next.Sub(now))
	}
	return readings, max(wait, together)
}
