package arrivals

import (
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// The spans over which rates are averages, and what is remembered: about a hundred samples.
const (
	recent = 10 * time.Minute
	daily  = 24 * time.Hour
	finest = 20 // a sample is kept that is older than the next one by more than this part of its age
)

// History is what was read of one source. The zero value has read nothing.
type History struct {
	identity string
	samples  []sample // the oldest first
}

// sample is how many rows had arrived, and were done, at a time.
type sample struct {
	at               time.Time
	arrived, settled int64
}

// Add takes a reading that has no error. A source that was made again, or whose count fell, begins anew.
func (h *History) Add(reading orchestrator.Backlog) {
	if reading.Err != "" || reading.Arrived < 0 {
		return
	}
	now := sample{reading.At, reading.Arrived, max(reading.Settled, 0)}
	if last := len(h.samples) - 1; last >= 0 {
		switch {
		case reading.Identity != h.identity, now.arrived < h.samples[last].arrived:
			h.samples = h.samples[:0]
		case !now.at.After(h.samples[last].at):
			return
		}
	}
	h.identity = reading.Identity
	h.samples = append(h.samples, now)
	h.thin(now.at)
}

// thin forgets what is older than a day, and of the rest what lies close to its neighbours for its age.
func (h *History) thin(now time.Time) {
	kept := h.samples[:0]
	for i, one := range h.samples {
		age := now.Sub(one.at)
		if i+1 < len(h.samples) && now.Sub(h.samples[i+1].at) >= daily {
			continue // the next one is old enough to begin with
		}
		if len(kept) > 0 && i+1 < len(h.samples) && h.samples[i+1].at.Sub(kept[len(kept)-1].at) < age/finest {
			continue
		}
		kept = append(kept, one)
	}
	h.samples = kept
}

// Rates are the rows that came and went in a second, over the last ten minutes and over the last day, or since the first reading, where that is shorter.
func (h *History) Rates(now time.Time) (recently, everyDay orchestrator.Flow) {
	return h.rate(now.Add(-recent)), h.rate(now.Add(-daily))
}

func (h *History) rate(since time.Time) orchestrator.Flow {
	if len(h.samples) < 2 {
		return orchestrator.Flow{}
	}
	first, last := h.samples[0], h.samples[len(h.samples)-1]
	for _, one := range h.samples[:len(h.samples)-1] {
		if !one.at.After(since) {
			first = one
		}
	}
	seconds := last.at.Sub(first.at).Seconds()
	return orchestrator.Flow{In: float64(last.arrived-first.arrived) / seconds, Out: float64(max(last.settled-first.settled, 0)) / seconds}
}

// Waiting says when so many rows arrived that are not done: they are the last that did, the oldest first. What came before the first reading has the time
// of the oldest row, or of that reading where that is unknown.
func (h *History) Waiting(rows int64, oldest time.Time) []orchestrator.Arrival {
	var list []orchestrator.Arrival
	for i := len(h.samples) - 1; i > 0 && rows > 0; i-- {
		came := min(h.samples[i].arrived-h.samples[i-1].arrived, rows)
		if came > 0 {
			list = append(list, orchestrator.Arrival{At: h.samples[i-1].at, Rows: came}) // perhaps as early as that
			rows -= came
		}
	}
	if rows > 0 && (len(h.samples) > 0 || !oldest.IsZero()) {
		at := oldest
		if at.IsZero() || len(h.samples) > 0 && at.After(h.samples[0].at) {
			at = h.samples[0].at
		}
		list = append(list, orchestrator.Arrival{At: at, Rows: rows})
	}
	slices.Reverse(list)
	return list
}
