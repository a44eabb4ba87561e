package jetstream

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// drained is what is remembered of a source that is drained: nobody pulls from its consumer, which is moved on as far as the stream is settled.
type drained struct {
	identity        string
	last            int64 // position behind the newest message
	floor           int64 // first position that is not settled
	arrived, behind float64
}

// observeDrained reads a source whose consumer only shows what is settled. What the stream's limits have removed is found by whoever reads the range (G9).
func (r *Reader) observeDrained(ctx context.Context, w *watched, now time.Time) (orchestrator.Backlog, error) {
	got := answer{method: "consumer info and stream info, answered by their leaders"}
	if err := r.askConsumer(ctx, w, &got); err != nil {
		return orchestrator.Backlog{}, err
	}
	var err error
	if got.stream, err = r.streamInfo(ctx, w.stream, r.since(w, got)); err != nil {
		return orchestrator.Backlog{}, err
	}
	b := orchestrator.Backlog{
		Queue: w.source.Queue, Reading: orchestrator.Reading{At: now, Source: w.source.String()}, Method: got.method, Identity: identityOf(got.stream),
		Pending: got.pending, InFlight: got.inFlight, UpperBound: false,
	}
	if got.inFlight > 0 {
		b.Notes = append(b.Notes, fmt.Sprintf("%d rows are in flight: somebody pulls from the consumer, which has to be ours alone", got.inFlight))
	}
	state := got.stream.State
	floor := int64(got.floor) + 1                                                                                                               //nolint:gosec // sequences are far below
	part := orchestrator.Part{URI: URI(w.source.Stream), Start: int64(state.FirstSeq), Settled: floor, End: max(int64(state.LastSeq)+1, floor)} //nolint:gosec // sequences are far below
	b.Parts = []orchestrator.Part{part}
	if w.source.Ordered {
		b.Parts = partitions(part, got.filters)
	}
	b.Arrived, b.Settled = w.drained.add(b)
	if b.Oldest, err = r.findOldest(ctx, w, got); err != nil {
		b.Notes = append(b.Notes, "the oldest row is unknown: "+err.Error())
	}
	w.known = &known{counts: got.counts, reported: b}
	r.arm(ctx, w, got)
	return b, nil
}

// since is from when on what was asked of the stream still holds: where the consumer says what it said before, nothing has come or gone.
func (r *Reader) since(w *watched, now answer) time.Time {
	if w.known == nil || w.known.pending != now.pending || w.known.floor != now.floor || !w.known.created.Equal(now.created) {
		return now.asked
	}
	return now.asked.Add(-streamEvery)
}

func identityOf(stream *jetstream.StreamInfo) string {
	return stream.Created.UTC().Format(time.RFC3339Nano)
}

// add counts what came since the last reading. Of a consumer of some subjects only a part of the positions are rows: as many as of those that wait.
func (d *drained) add(b orchestrator.Backlog) (arrived, settled int64) {
	part := b.Parts[0]
	rows := func(positions int64) float64 {
		if behind := part.End - part.Settled; behind > 0 && b.Pending < behind {
			return float64(positions) * float64(b.Pending) / float64(behind)
		}
		return float64(positions)
	}
	if d.identity != b.Identity || d.last > part.End || d.floor > part.Settled {
		*d = drained{identity: b.Identity, arrived: float64(b.Pending)}
	} else {
		d.arrived += rows(part.End - d.last)
	}
	d.last, d.floor = part.End, part.Settled
	d.behind = max(d.behind, d.arrived-float64(b.Pending))
	return int64(d.arrived), int64(d.behind)
}
