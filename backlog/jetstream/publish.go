package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// Bounds of what is published and not acknowledged yet.
const (
	mostUnacknowledged      = 256
	mostUnacknowledgedBytes = 4 << 20
	tooLargeForStream       = 10054 // JSStreamMessageExceedsMaximumErr of the server
)

// Publish stores results on a subject and returns when a stream has acknowledged all. Each has its identity as message id, so that a repetition within the
// stream's duplicate window is stored once. A row that is too large is marked as refused.
func Publish(ctx context.Context, js jetstream.JetStream, subject string, rows []orchestrator.Published) error {
	p := publication{js: js, subject: subject, rows: rows}
	for i := range rows {
		for i-p.acknowledged >= mostUnacknowledged || p.bytes > mostUnacknowledgedBytes {
			if err := p.await(ctx); err != nil {
				return p.unavailable(err)
			}
		}
		if err := p.send(i); err != nil {
			return p.unavailable(err)
		}
	}
	for p.acknowledged < len(rows) {
		if err := p.await(ctx); err != nil {
			return p.unavailable(err)
		}
	}
	return nil
}

type publication struct {
	js           jetstream.JetStream
	subject      string
	rows         []orchestrator.Published
	futures      []jetstream.PubAckFuture // of the rows from acknowledged on; nil: it was refused
	acknowledged int
	bytes        int // of those that are not
}

func (p *publication) send(i int) error {
	row := &p.rows[i]
	message := &nats.Msg{Subject: p.subject, Data: row.Line, Header: nats.Header{jetstream.MsgIDHeader: {row.ID()}}}
	for _, one := range row.Headers() {
		message.Header[one[0]] = []string{one[1]}
	}
	future, err := p.js.PublishMsgAsync(message, jetstream.WithRetryAttempts(0)) // a repetition would come behind what follows it
	if errors.Is(err, nats.ErrMaxPayload) {
		row.Refused, future, err = fmt.Sprintf("its result is %d bytes; the server takes messages of %d", len(row.Line), p.js.Conn().MaxPayload()), nil, nil
	}
	if err != nil {
		return err
	}
	p.futures = append(p.futures, future)
	p.bytes += len(row.Line)
	return nil
}

// await waits for the first one that is not acknowledged.
func (p *publication) await(ctx context.Context) error {
	future, row := p.futures[0], &p.rows[p.acknowledged]
	p.futures, p.acknowledged, p.bytes = p.futures[1:], p.acknowledged+1, p.bytes-len(row.Line)
	if future == nil {
		return nil
	}
	asked, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	select {
	case <-future.Ok():
		return nil
	case err := <-future.Err():
		var refused *jetstream.APIError
		if errors.As(err, &refused) && refused.ErrorCode == tooLargeForStream {
			row.Refused = fmt.Sprintf("its result is %d bytes; the stream does not take messages of that size", len(row.Line))
			return nil
		}
		if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) {
			return errors.New("no stream takes this subject; make one, for example: nats stream add RESULTS --subjects " + p.subject + " --defaults")
		}
		return err
	case <-asked.Done():
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("no acknowledgement within %s", answerWithin)
	}
}

func (p *publication) unavailable(err error) error {
	return &orchestrator.SourceError{Code: orchestrator.SourceUnavailable, Source: "results on subject " + p.subject, Message: err.Error()}
}

// CheckResults refuses a subject that no stream takes, or that comes back into the source.
func CheckResults(ctx context.Context, js jetstream.JetStream, source orchestrator.NATSSource, subject string) error {
	name, err := js.StreamNameBySubject(ctx, subject)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return refused(source, "no stream takes the results: make one for subject "+subject+", for example: nats stream add RESULTS --subjects "+subject+" --defaults")
	case err != nil:
		return unavailable(source, err)
	case name == source.Stream:
		return refused(source, "the results would come back into the stream that is drained: subject "+subject+" is its own; publish to a subject of another stream")
	}
	return nil
}
