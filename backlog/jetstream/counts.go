package jetstream

import (
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// counts is what one answer says of a consumer.
type counts struct {
	created     time.Time
	at          time.Time // by the clock of the server that answered
	clustered   bool
	replicated  bool // deliveries are counted once followers have stored them, a moment after pending has fallen
	leader      string
	filters     []string
	pending     int64
	inFlight    int64
	redelivered int64 // also of rows given up
	deliveries  int64 // every delivery, the second of a row too
	delivered   uint64
	floor       uint64 // everything up to this sequence is settled
}

func countsOf(info *jetstream.ConsumerInfo) counts {
	now := counts{
		created: info.Created, at: info.TimeStamp, filters: filtersOf(info.Config), pending: int64(info.NumPending), inFlight: int64(info.NumAckPending),
		redelivered: int64(info.NumRedelivered), deliveries: int64(info.Delivered.Consumer), delivered: info.Delivered.Stream, floor: info.AckFloor.Stream,
	}
	if info.Cluster != nil {
		now.clustered, now.leader, now.replicated = true, info.Cluster.Leader, len(info.Cluster.Replicas) > 0
	}
	if now.inFlight == 0 { // a consumer that has handed out nothing has a floor of zero, wherever it begins
		now.floor = max(now.floor, now.delivered)
	}
	return now
}

func filtersOf(config jetstream.ConsumerConfig) []string {
	if config.FilterSubject != "" {
		return []string{config.FilterSubject}
	}
	return slices.Sorted(slices.Values(config.FilterSubjects))
}

func (c counts) unsettled() int64 { return c.pending + c.inFlight }

// event is what lies between two answers when it is not deliveries and settlements alone.
type event int

const (
	nothing   event = iota
	recreated       // deleted and made again
	refiltered
	putBack // reset to an earlier sequence
	moved   // to another leader, which may know less of the last deliveries
)

func between(before, now counts) event {
	back := now.deliveries < before.deliveries || now.delivered < before.delivered // the floor may lie below rows that were given up
	switch {
	case !now.created.Equal(before.created):
		return recreated
	case !slices.Equal(now.filters, before.filters):
		return refiltered
	case back && now.leader != before.leader:
		return moved
	case back:
		return putBack
	}
	return nothing
}

// handedOut is how many rows were delivered for the first time, at most: the deliveries, or the positions passed. Without a filter it is exact.
func handedOut(before, now counts) int64 {
	return max(0, min(now.deliveries-before.deliveries, int64(now.delivered)-int64(before.delivered)))
}

// missing is how many rows are pending no more, but were not delivered either: they were removed, or the answer is wrong.
func missing(before, now counts) int64 {
	explained := handedOut(before, now)
	if now.replicated {
		explained += now.inFlight
	}
	return max(0, before.pending-explained-now.pending)
}

// leap is whether so much more is pending that the stream is asked whether there can be.
func leap(before, now counts) bool { return now.pending > 2*before.pending+1000 }

// rangeOfLoss says which sequences were removed before they were read: what lies before the stream's first, and was not delivered. The stream was asked
// before the consumer, else what was delivered and removed in between would look lost. Other consumers' rows look the same, so
// it is exact without a filter only.
func rangeOfLoss(before, now counts, first uint64, gone uint64) (from, to uint64, rows int64) {
	base := max(before.delivered, gone)
	end := max(now.delivered, max(first, 1)-1)
	if end <= base {
		return 0, 0, 0
	}
	passed := int64(max(now.delivered, base) - base)
	rows = int64(end-base) - min(max(now.deliveries-before.deliveries, 0), passed)
	if rows <= 0 {
		return 0, 0, 0
	}
	return base + 1, end, rows
}
