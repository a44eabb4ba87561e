package jetstream

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// ordered reads by an ephemeral ordered consumer, which streams that are no work queues allow beside any other.
type ordered struct {
	js       jetstream.JetStream
	stream   string
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
}

// openOrdered says at once when there is nothing to read.
func openOrdered(ctx context.Context, js jetstream.JetStream, source orchestrator.NATSSource, part orchestrator.Range) (o *ordered, over bool, err error) {
	o = &ordered{js: js, stream: source.Stream}
	o.consumer, err = js.OrderedConsumer(ctx, source.Stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: source.Subjects, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: uint64(max(part.Start, 1)), //nolint:gosec // positions are not negative
		InactiveThreshold: time.Minute,
	})
	if err != nil {
		return o, false, err
	}
	if o.consumer.CachedInfo().NumPending == 0 {
		return o, true, nil
	}
	o.messages, err = o.consumer.Messages(jetstream.PullMaxMessages(int(min(part.End-part.Start, mostAhead))))
	return o, false, err
}

func (o *ordered) deliver(ctx context.Context) (at int64, payload []byte, last bool, err error) {
	message, err := o.messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return 0, nil, false, err
	}
	about, err := message.Metadata()
	if err != nil {
		return 0, nil, false, err
	}
	return int64(about.Sequence.Stream), message.Data(), about.NumPending == 0, nil //nolint:gosec // sequences are far below
}

// close deletes the consumer, which would stay for its inactive threshold otherwise: many readers one after the other would reach the stream's limit.
func (o *ordered) close(ctx context.Context) {
	if o.messages != nil {
		o.messages.Stop()
	}
	if o.consumer != nil {
		_ = o.js.DeleteConsumer(ctx, o.stream, o.consumer.CachedInfo().Name) // it goes by itself otherwise
	}
}
