package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// mostSubjects bounds the list of subjects that a count on a work-queue stream asks for.
const mostSubjects = 10_000

// recount counts what is pending behind the last delivery, without the consumer's own counter.
func (r *Reader) recount(ctx context.Context, w *watched, got answer) (int64, error) {
	switch {
	case got.stream == nil:
		return 0, got.unseen
	case got.config.DeliverPolicy == jetstream.DeliverLastPerSubjectPolicy:
		return 0, errors.New("the consumer reads the last row of each subject only")
	case len(got.filters) == 0 && got.stream.State.NumDeleted == 0:
		return most(got), nil
	case got.stream.Config.Retention == jetstream.WorkQueuePolicy:
		return r.recountSubjects(ctx, w, got)
	}
	return r.recountByConsumer(ctx, w, got)
}

// recountByConsumer makes a consumer that begins where the other is: the server counts anew for it.
func (r *Reader) recountByConsumer(ctx context.Context, w *watched, got answer) (int64, error) {
	consumer, err := r.makeConsumer(ctx, w.source.Stream, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: got.delivered + 1, HeadersOnly: true,
		FilterSubjects: got.filters,
	})
	if err != nil {
		return 0, err
	}
	r.deleteConsumer(ctx, w.source.Stream, consumer.CachedInfo().Name)
	return int64(consumer.CachedInfo().NumPending), nil
}

// recountSubjects counts what a work-queue stream holds on the consumer's subjects: nobody else may read those.
func (r *Reader) recountSubjects(ctx context.Context, w *watched, got answer) (int64, error) {
	if got.stream.State.NumSubjects > mostSubjects {
		return 0, fmt.Errorf("the stream has %d subjects, more than %d", got.stream.State.NumSubjects, mostSubjects)
	}
	filters := got.filters
	if len(filters) == 0 {
		filters = []string{">"}
	}
	held := int64(0)
	for _, filter := range filters {
		err := r.ask(ctx, r.subject("STREAM.INFO", w.source.Stream), true, func(ctx context.Context) error {
			info, err := w.stream.known().Info(ctx, jetstream.WithSubjectFilter(filter))
			if err != nil {
				return err
			}
			for _, rows := range info.State.Subjects {
				held += int64(rows)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	poisoned, _ := r.poison.count(ctx, w.source, got)
	return max(0, held-got.inFlight-max(0, poisoned)), nil
}
