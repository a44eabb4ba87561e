package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// mostFilters bounds the requests for the oldest row of a consumer: one for each filter. With more, rows of other subjects count, too: older, never younger.
const mostFilters = 8

// oldest is the first row that is not settled; it stays so until the floor has passed it.
type oldest struct {
	sequence uint64
	arrived  time.Time
}

// findOldest says when the oldest row that is not settled arrived; zero when there is none.
func (r *Reader) findOldest(ctx context.Context, w *watched, got answer) (time.Time, error) {
	if got.unsettled() == 0 {
		w.oldest = oldest{}
		return time.Time{}, nil
	}
	first := uint64(1)
	if got.stream != nil {
		first = got.stream.State.FirstSeq
	}
	asked := w.known != nil && between(w.known.counts, got.counts) == nothing
	if asked && w.oldest.sequence > got.floor && w.oldest.sequence >= first && r.poison.behind(w.source, w.oldest.sequence) == w.oldest.sequence {
		return w.oldest.arrived, nil
	}
	w.oldest = oldest{}
	handle := w.stream.known()
	if handle == nil {
		return time.Time{}, nil // the reading says why already
	}
	filters := got.filters
	if len(filters) == 0 || len(filters) > mostFilters {
		filters = []string{">"}
	}
	for _, filter := range filters {
		found, err := r.nextNotGivenUp(ctx, w, handle, got.floor+1, filter)
		if err != nil {
			w.oldest = oldest{}
			return time.Time{}, err
		}
		if found.sequence > 0 && (w.oldest.sequence == 0 || found.sequence < w.oldest.sequence) {
			w.oldest = found
		}
	}
	return w.oldest.arrived, nil
}

// mostGivenUp bounds the requests that find rows that were given up: a floor stays below them while rows behind them are in flight.
const mostGivenUp = 8

func (r *Reader) nextNotGivenUp(ctx context.Context, w *watched, handle jetstream.Stream, from uint64, filter string) (oldest, error) {
	for range mostGivenUp {
		from = r.poison.behind(w.source, from)
		found, err := r.nextRow(ctx, w, handle, from, filter)
		if err != nil || r.poison.behind(w.source, found.sequence) == found.sequence {
			return found, err
		}
		from = found.sequence
	}
	return oldest{}, fmt.Errorf("it lies behind more than %d rows that were given up", mostGivenUp)
}

// nextRow finds the first row on a subject from a sequence on. The server sends the row with it.
func (r *Reader) nextRow(ctx context.Context, w *watched, handle jetstream.Stream, from uint64, filter string) (oldest, error) {
	subject := r.subject("STREAM.MSG.GET", w.source.Stream)
	if handle.CachedInfo().Config.AllowDirect {
		subject = r.subject("DIRECT.GET", w.source.Stream)
	}
	var found oldest
	err := r.ask(ctx, subject, true, func(ctx context.Context) error {
		row, err := handle.GetMsg(ctx, from, jetstream.WithGetMsgSubject(filter))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil // taken away or settled meanwhile
		}
		if err != nil {
			return fmt.Errorf("the row behind sequence %d: %w", from, err)
		}
		found = oldest{row.Sequence, row.Time}
		return nil
	})
	return found, err
}
