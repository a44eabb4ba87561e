package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// Describe says what standing jobs read: what the user's consumer filters. It refuses what cannot be drained.
func Describe(ctx context.Context, js jetstream.JetStream, stream, consumer string) (orchestrator.NATSSource, error) {
	source := orchestrator.NATSSource{Stream: stream, Consumer: consumer}
	_, info, err := sameStream(ctx, js, source)
	if err != nil {
		return source, err
	}
	source.Created = info.Created
	user, err := js.Consumer(ctx, stream, consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return source, refused(source, "there is no such consumer; make one with a durable name, for example: nats consumer add "+stream+" "+consumer+" --pull --deliver all --ack explicit")
	}
	if err != nil {
		return source, unavailable(source, err)
	}
	about := user.CachedInfo()
	switch {
	case info.Config.Retention == jetstream.WorkQueuePolicy && !info.Config.AllowDirect:
		return source, refused(source, "a work queue is read by direct gets, which the stream does not allow: nats stream edit "+stream+" --allow-direct")
	case info.Config.Retention == jetstream.WorkQueuePolicy && len(about.Config.FilterSubjects) > 1:
		return source, refused(source, "a work queue is read by direct gets, which know one subject: give the consumer one filter, or none")
	case about.Config.DeliverSubject != "":
		return source, refused(source, "the consumer pushes; make it a pull consumer")
	case about.NumAckPending > 0:
		return source, refused(source, fmt.Sprintf("%d messages are in flight: somebody pulls from the consumer, which has to be ours alone", about.NumAckPending))
	}
	source.Subjects = filtersOf(about.Config)
	return source, nil
}

// Settle moves the user's consumer to the first position that is not settled in all partitions, never back: where a work queue is drained by removing what is settled,
// elsewhere by a reset, which needs a server of version 2.14 or later.
func Settle(ctx context.Context, js jetstream.JetStream, source orchestrator.NATSSource, partitions []orchestrator.Position) error {
	settled := firstUnsettled(partitions)
	stream, info, err := sameStream(ctx, js, source)
	if err != nil {
		return err
	}
	user, err := js.Consumer(ctx, source.Stream, source.Consumer)
	if err != nil {
		return unavailable(source, err)
	}
	if int64(user.CachedInfo().AckFloor.Stream)+1 >= settled { //nolint:gosec // sequences are far below
		return nil
	}
	if info.Config.Retention == jetstream.WorkQueuePolicy {
		return purge(ctx, stream, source, settled)
	}
	if _, err := js.ResetConsumerToSequence(ctx, source.Stream, source.Consumer, uint64(settled)); err != nil { //nolint:gosec // positions are not negative
		return unavailable(source, err)
	}
	return nil
}

// purge removes the messages before a position.
func purge(ctx context.Context, stream jetstream.Stream, source orchestrator.NATSSource, before int64) error {
	options := []jetstream.StreamPurgeOpt{jetstream.WithPurgeSequence(uint64(before))} //nolint:gosec // positions are not negative
	if len(source.Subjects) > 0 {
		options = append(options, jetstream.WithPurgeSubject(source.Subjects[0]))
	}
	if err := stream.Purge(ctx, options...); err != nil {
		return unavailable(source, err)
	}
	return nil
}

func refused(source orchestrator.NATSSource, why string) error {
	return &orchestrator.SourceError{Code: orchestrator.SourceRefused, Source: nameOf(source), Message: why}
}
