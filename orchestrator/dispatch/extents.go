package dispatch

import (
	"fmt"
	"math"
	"slices"

	"nightshift.dev/nightshift/orchestrator"
)

// objectsOf are the parts of a source from where they are recorded to where they may be read. What the source has removed unread is an object of its own, so that
// its loss is one shard however much it is. most bounds the positions of an object, and lets at most two be recorded and not settled; 0: no bound.
func objectsOf(reading orchestrator.Backlog, reach []orchestrator.Position, most int64) (objects []orchestrator.Object) {
	for _, part := range reading.Parts {
		from, settled := endOf(reach, part), settledIn(reach, part)
		if most > 0 && from-settled > most {
			continue // one shard is in flight, the next one is recorded
		}
		if start := min(part.Start, part.End); start > from {
			objects = append(objects, orchestrator.Object{URI: part.URI, Start: from, Size: start - from, Format: orchestrator.FormatMessages, Gone: true})
			from = start
		}
		size := part.End - from
		if most > 0 {
			size = min(size, most)
		}
		if size > 0 {
			objects = append(objects, orchestrator.Object{URI: part.URI, Start: from, Size: size, Format: orchestrator.FormatMessages})
		}
	}
	return objects
}

// settledIn is up to where a part is settled.
func settledIn(recorded []orchestrator.Position, part orchestrator.Part) int64 {
	for _, one := range recorded {
		if one.URI == part.URI {
			return one.Settled
		}
	}
	return part.Settled
}

// most is how many positions the next shard of a part may have where the rows of each part are scored in their order; 0: any number. d.mu is held.
func (d *Dispatcher) most(last *entry, reading orchestrator.Backlog) int64 {
	if !last.job.Standing.Ordered {
		return 0
	}
	rows := d.standing.served[queueName{last.job.Tenant, last.job.Queue}].ShardRows
	return max(int64(math.Ceil(float64(max(rows, 1))*positionsForARow(reading))), 1)
}

// positionsForARow is more than 1 where positions hold no row of the queue: those of other subjects, markers, what is gone.
func positionsForARow(reading orchestrator.Backlog) float64 {
	behind := int64(0)
	for _, part := range reading.Parts {
		behind += max(part.End-max(part.Settled, part.Start), 0)
	}
	if reading.Pending <= 0 {
		return 1
	}
	return max(float64(behind)/float64(reading.Pending), 1)
}

// settled says that nothing of the chain is left to be scored.
func (c chain) settled() bool {
	for _, known := range c {
		positions, certain := known.reach()
		if !certain {
			return false
		}
		for _, one := range positions {
			if one.Settled < one.End {
				return false
			}
		}
	}
	return true
}

// regrouped says that the partitions of a stream are others than those that were recorded: the consumer has other filters, or the queue another order. Those of a
// topic stay; new ones may come.
func regrouped(source orchestrator.Source, reading orchestrator.Backlog, recorded []orchestrator.Position) bool {
	if source.NATS == nil || len(recorded) == 0 || reading.Identity != source.Identity() {
		return false
	}
	known := func(part orchestrator.Part) bool {
		return slices.ContainsFunc(recorded, func(one orchestrator.Position) bool { return one.URI == part.URI })
	}
	return len(reading.Parts) != len(recorded) || slices.ContainsFunc(reading.Parts, func(part orchestrator.Part) bool { return !known(part) })
}

// commonEnd is where the new partitions of a stream begin: where all of the old ones have ended. Elsewhere a message would be scored twice, or never.
func commonEnd(source orchestrator.Source, reading orchestrator.Backlog, ends []orchestrator.Position) ([]orchestrator.Position, error) {
	for _, one := range ends {
		if one.End != ends[0].End {
			return nil, &orchestrator.SourceError{Code: orchestrator.SourceRefused, Source: reading.Source, Message: fmt.Sprintf(
				"the filters of consumer %s, or the queue's drain.order, were changed while %s was drained up to %d and %s up to %d; set them back, and change them when everything is drained and the standing job has ended",
				source.NATS.Consumer, ends[0].URI, ends[0].End, one.URI, one.End)}
		}
	}
	begin := make([]orchestrator.Position, len(reading.Parts))
	for i, part := range reading.Parts {
		begin[i] = orchestrator.Position{URI: part.URI, End: ends[0].End}
	}
	return begin, nil
}
