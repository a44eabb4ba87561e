package kafka

import (
	"fmt"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// ratio of rows to offsets, as they were consumed.
type ratio struct{ rows, offsets int64 }

const enoughOffsets = 1000 // before a ratio is believed

// count makes a backlog of what a round has found.
func (r *Reader) count(s Source, f finding) orchestrator.Backlog {
	b := orchestrator.Backlog{
		Queue: s.Queue, Reading: orchestrator.Reading{Source: s.name(), Err: f.err}, Method: method(s),
		Pending: -1, InFlight: -1, Redelivered: -1, Poisoned: -1, Arrived: -1, Settled: -1,
	}
	if f.err != "" {
		return b
	}
	b.Pending, b.Arrived, b.Settled, b.Notes, b.Identity = 0, 0, 0, f.notes, f.id.text()
	b.HoldsInFlight = !s.Share && !slices.ContainsFunc(f.parts, func(p part) bool { return p.uncounted })
	topic := r.policies[s.Topic]
	oldest, known := time.Time{}, true
	for _, p := range f.parts {
		looked := r.looks[keyOf(s, f.id, p)]
		from := min(max(p.settled, looked.at), p.end)
		from = max(from, p.settled)
		pending := p.end - from
		if p.lag >= 0 {
			pending = min(pending, p.lag)
		}
		part := orchestrator.Part{URI: URI(s.Topic, p.partition), Start: p.start, Settled: p.settled, End: p.end}
		if pending > 0 {
			b.MostWorkers++
			part.Oldest = looked.time
			known = known && looked.found && looked.time.UnixMilli() > 0
			b.UpperBound = b.UpperBound || !looked.found
			if known && (oldest.IsZero() || looked.time.Before(oldest)) {
				oldest = looked.time
			}
		} else if from > p.settled {
			b.Notes = append(b.Notes, fmt.Sprintf("offsets %d to %d of partition %d hold no record (markers of transactions, aborted, or compacted away): nothing to do", p.settled, p.end-1, p.partition))
		}
		if looked.err != "" {
			b.Notes = append(b.Notes, looked.err+", or markers count as records and the oldest is not known")
		}
		b.Parts = append(b.Parts, part)
		b.Pending += pending
		b.Arrived += p.end
		b.Settled += from
	}
	if known {
		b.Oldest = oldest
	}
	if b.Pending > 0 {
		r.bound(&b, topic)
	}
	if s.Share {
		b.MostWorkers = 0 // any number of members may share a partition
	}
	return b
}

// bound says what the count of offsets is worth, and corrects it by what was consumed.
func (r *Reader) bound(b *orchestrator.Backlog, topic policy) {
	if topic.err != "" {
		b.Notes = append(b.Notes, topic.err+"; it may be compacted")
	}
	b.UpperBound = b.UpperBound || topic.compacted || topic.gaps || topic.err != ""
	seen := r.consumed[b.Queue]
	if !b.UpperBound || seen.offsets < enoughOffsets {
		return
	}
	b.Notes = append(b.Notes, fmt.Sprintf("estimated from %d offsets: %d of the last %d held a row", b.Pending, seen.rows, seen.offsets))
	b.Pending = max(1, int64(float64(b.Pending)*float64(seen.rows)/float64(seen.offsets)+.5))
	b.UpperBound = false
}

func method(s Source) string {
	positions := "committed offsets of the coordinator"
	if s.Share {
		positions = "start offsets of the share coordinator"
	}
	if s.committedOnly() {
		return positions + " to the leaders' last stable offsets"
	}
	return positions + " to the leaders' high watermarks"
}
