package planner

import (
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	// gainAfter is how long a growth must have been of use before its gain is looked at: measured speeds are averages over minutes.
	gainAfter = 5 * time.Minute
	// gainHeld is how long a growth without gain is not tried again.
	gainHeld = time.Hour
	// leastGain is what a growth by half and more must add to the rows per second, as a share of those before.
	leastGain = 0.1
)

// observeGain sees whether the workers that the pool was last made larger by have made the work faster. Where something else is the limit, such as an
// object store, each worker becomes slower as more share it, more seem to be needed, and so on without end.
func (p *pool) observeGain(now time.Time) {
	gain, useful := &p.memory.Gain, p.useful()
	model, rows := p.measured()
	switch {
	case gain.Since.IsZero():
	case !gain.Until.IsZero():
		if !now.Before(gain.Until) {
			*gain = orchestrator.GainMemory{}
		}
	case model != gain.Model || useful <= gain.Replicas:
		*gain = orchestrator.GainMemory{} // there is nothing to compare with
	case !p.memory.Trial.Since.IsZero() || gain.Since.After(now):
		gain.Since = now // not all are of use yet
	case now.Sub(gain.Since) < gainAfter:
	case 2*useful >= 3*gain.Replicas && float64(useful)*rows < (1+leastGain)*float64(gain.Replicas)*gain.RowsPerSecond:
		gain.Until = now.Add(gainHeld)
	default:
		*gain = orchestrator.GainMemory{}
	}
}

// measured is the most urgent model that workers of the pool score, and the rows that each of them was measured to do in a second.
func (p *pool) measured() (model string, rows float64) {
	for _, j := range p.line {
		if j.open && j.pool() == p && j.speed.basis == basisMeasured {
			return j.view.Model.Name, j.speed.rows
		}
	}
	return "", 0
}

// weigh remembers what the workers do before the pool is made larger.
func (p *pool) weigh(now time.Time) {
	model, rows := p.measured()
	if useful := p.useful(); p.memory.Gain.Since.IsZero() && useful > 0 && rows > 0 {
		p.memory.Gain = orchestrator.GainMemory{Since: now, Replicas: useful, Model: model, RowsPerSecond: rows}
	}
}

// checkGain undoes a growth that has not made the work faster, and for an hour tries none again. Work with a deadline is told so only: rows may have become
// harder meanwhile.
func (p *pool) checkGain() {
	gain := p.memory.Gain
	if gain.Until.IsZero() || p.replicas.to <= gain.Replicas {
		return
	}
	said := fmt.Sprintf("more than %s did not make model %s faster, beyond the %.3g rows/s that each had done", counted(gain.Replicas, "replica"), gain.Model, gain.RowsPerSecond)
	if p.hasDue() {
		p.replicas.note("no_gain", said+"; work with a deadline keeps them")
	} else if most := p.ceiling(); p.replicas.to > most {
		p.replicas.change("no_gain", most, fmt.Sprintf("%s; tried again after %s", said, clock(gain.Until)))
	}
}

// hasDue says that work with a deadline uses the pool.
func (p *pool) hasDue() bool {
	if p.reserved > 0 {
		return true
	}
	for _, q := range p.queues {
		if q.due() {
			return true
		}
	}
	return p.splits
}
