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
	ctx      context.Context
	stream   jetstream.Stream
	name     string
	messages jetstream.MessagesContext
	next     int64 // position that is read next
	end      int64
	over     bool // nothing is left to be delivered
	gaps     []gap
	lost     []gap // to be told
}

// gap are positions that no message was delivered for: other subjects, deleted messages.
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
	r := &Range{ctx: ctx, stream: stream, name: nameOf(source), next: part.Start, end: part.End}
	ordered, err := js.OrderedConsumer(asked, source.Stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: source.Subjects, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: uint64(max(part.Start, 1)), //nolint:gosec // positions are not negative
		InactiveThreshold: time.Minute,
	})
	if err != nil {
		return nil, unavailable(source, err)
	}
	if r.over = ordered.CachedInfo().NumPending == 0; r.over {
		return r, nil
	}
	r.messages, err = ordered.Messages(jetstream.PullMaxMessages(int(min(part.End-part.Start, mostAhead))))
	if err != nil {
		return nil, unavailable(source, err)
	}
	return r, nil
}

// Next gives io.EOF once a message at or past the end was seen, or nothing is pending.
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

// deliver waits for the stream's next message.
func (r *Range) deliver() (at int64, payload []byte, err error) {
	asked, cancel := context.WithTimeout(r.ctx, answerWithin)
	defer cancel()
	message, err := r.messages.Next(jetstream.NextContext(asked))
	if err != nil {
		return 0, nil, r.failed(err)
	}
	about, err := message.Metadata()
	if err != nil {
		return 0, nil, r.failed(err)
	}
	r.over = about.NumPending == 0
	return int64(about.Sequence.Stream), message.Data(), nil //nolint:gosec // sequences are far below
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

// finish finds, once, what the stream's limits have deleted: positions without a message that lie before its first one now. Of a stream with other
// subjects they may have held none of ours.
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
	return &orchestrator.SourceError{Code: orchestrator.SourceUnavailable, Source: r.name, Message: err.Error()}
}

// Close ends the reading.
func (r *Range) Close() error {
	if r.messages != nil {
		r.messages.Stop()
	}
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
