package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// answerWithin bounds one request to JetStream, and the wait for one message of a range that the stream has.
const answerWithin = 10 * time.Second

// mostAhead bounds how many messages are on their way to a reader of a range.
const mostAhead = 500

// Range reads the messages of one range of a stream, in order, without a mark on the user's consumer. It is used by one goroutine.
type Range struct {
	ctx    context.Context
	stream jetstream.Stream
	source orchestrator.NATSSource
	from   deliverer
	next   int64 // position that is read next
	end    int64
	over   bool  // nothing is left to be delivered
	gaps   []gap // positions before next that no message was delivered for: other subjects, deleted messages
	lost   []gap // to be told
}

// deliverer gives the messages of a stream from a position on.
type deliverer interface {
	// deliver gives the next one; last says that none is behind it, as far as the answering server knows. errNone says that there was none.
	deliver(ctx context.Context) (at int64, payload []byte, last bool, err error)
	close(ctx context.Context)
}

// errNone says that the stream has no further message.
var errNone = errors.New("no further message")

type gap struct{ from, to int64 }

// mostGaps bounds how many are remembered; a range with more is said to have lost the whole of what lies between.
const mostGaps = 10_000

// OpenRange begins to read. ctx governs all reading until Close.
func OpenRange(ctx context.Context, js jetstream.JetStream, source orchestrator.NATSSource, part orchestrator.Range) (*Range, error) {
	asked, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	stream, info, err := sameStream(asked, js, source)
	if err != nil {
		return nil, err
	}
	if int64(info.State.LastSeq)+1 < part.End { //nolint:gosec // sequences are far below
		return nil, unavailable(source, fmt.Errorf("the leader knows messages up to %d, the range ends at %d", info.State.LastSeq, part.End))
	}
	r := &Range{ctx: ctx, stream: stream, source: source, next: part.Start, end: part.End}
	if info.Config.Retention == jetstream.WorkQueuePolicy {
		r.from = openDirect(js, source, part)
		return r, nil
	}
	r.from, r.over, err = openOrdered(asked, js, source, part)
	if err != nil {
		return nil, unavailable(source, err)
	}
	return r, nil
}

// Next gives io.EOF once a message at or past the end was seen, or nothing is left.
func (r *Range) Next() (orchestrator.Message, error) {
	if r.next < r.end && !r.over {
		at, payload, err := r.deliver()
		if err != nil {
			return orchestrator.Message{}, err
		}
		if at < r.end {
			r.skipTo(at)
			r.next = at + 1
			return orchestrator.Message{Position: at, Payload: payload}, nil
		}
		r.over = true
	}
	if err := r.finish(); err != nil {
		return orchestrator.Message{}, err
	}
	if len(r.lost) == 0 {
		return orchestrator.Message{}, io.EOF
	}
	lost := r.lost[0]
	r.lost = r.lost[1:]
	return orchestrator.Message{Position: lost.from, LostTo: lost.to}, nil
}

// deliver waits for the next message; where there is none it gives the end.
func (r *Range) deliver() (at int64, payload []byte, err error) {
	asked, cancel := context.WithTimeout(r.ctx, answerWithin)
	defer cancel()
	at, payload, r.over, err = r.from.deliver(asked)
	switch {
	case errors.Is(err, errNone):
		return r.end, nil, nil
	case err != nil:
		return 0, nil, r.failed(err)
	}
	return at, payload, nil
}

// skipTo remembers the positions before the next message.
func (r *Range) skipTo(at int64) {
	switch last := len(r.gaps) - 1; {
	case at <= r.next:
	case len(r.gaps) == mostGaps:
		r.gaps[last].to = at
	default:
		r.gaps = append(r.gaps, gap{r.next, at})
	}
}

// finish finds, once, what the stream's limits have deleted: positions without a message that lie before its first one now. Where a stream has other
// subjects, those positions may have held none of ours; where others settle its messages too, nobody can tell, and nothing is said.
func (r *Range) finish() error {
	if r.next > r.end {
		return nil
	}
	r.skipTo(r.end)
	r.next = r.end + 1
	if len(r.gaps) == 0 {
		return nil
	}
	asked, cancel := context.WithTimeout(r.ctx, answerWithin)
	defer cancel()
	info, err := r.stream.Info(asked)
	if err != nil {
		return r.failed(err)
	}
	if info.Config.Retention != jetstream.LimitsPolicy && len(r.source.Subjects) > 0 {
		return nil
	}
	first := int64(info.State.FirstSeq) //nolint:gosec // sequences are far below
	for _, one := range r.gaps {
		if to := min(one.to, first); to > one.from {
			r.lost = append(r.lost, gap{one.from, to})
		}
	}
	return nil
}

func (r *Range) failed(err error) error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no message within %s at position %d", answerWithin, r.next)
	}
	return unavailable(r.source, err)
}

// Close ends the reading.
func (r *Range) Close() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), answerWithin)
	defer cancel()
	r.from.close(ctx)
	return nil
}

// sameStream finds the stream, and makes sure that it is still the one.
func sameStream(ctx context.Context, js jetstream.JetStream, source orchestrator.NATSSource) (jetstream.Stream, *jetstream.StreamInfo, error) {
	stream, err := js.Stream(ctx, source.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil, &orchestrator.SourceError{Code: orchestrator.SourceChanged, Source: nameOf(source), Message: "the stream is gone"}
	}
	if err != nil {
		return nil, nil, unavailable(source, err)
	}
	info := stream.CachedInfo()
	if !source.Created.IsZero() && !info.Created.Equal(source.Created) {
		return nil, nil, &orchestrator.SourceError{Code: orchestrator.SourceChanged, Source: nameOf(source), Message: fmt.Sprintf(
			"the stream was made again at %s: its messages are others than those that were recorded", info.Created.UTC().Format(time.RFC3339))}
	}
	return stream, info, nil
}

func nameOf(source orchestrator.NATSSource) string {
	return "nats " + source.Stream + "/" + source.Consumer
}

func unavailable(source orchestrator.NATSSource, err error) error {
	return &orchestrator.SourceError{Code: orchestrator.SourceUnavailable, Source: nameOf(source), Message: err.Error()}
}
