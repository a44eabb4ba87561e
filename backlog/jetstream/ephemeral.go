package jetstream

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ephemeralFor is how long a consumer of ours outlives this process.
const ephemeralFor = 30 * time.Second

// makeConsumer makes a consumer of our own in the user's stream: in memory, and gone soon after us. Its name says whose it is, and is what a right is granted to.
func (r *Reader) makeConsumer(ctx context.Context, stream string, config jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	config.Name = "nightshift-" + rand.Text()
	config.InactiveThreshold, config.MemoryStorage, config.Replicas = ephemeralFor, true, 1
	var made jetstream.Consumer
	err := r.ask(ctx, r.subject("CONSUMER.CREATE", stream, "nightshift-*"), false, func(ctx context.Context) error {
		var err error
		made, err = r.js.CreateConsumer(ctx, stream, config)
		return err
	})
	return made, err
}

// deleteConsumer removes one of ours; one that is gone is as good.
func (r *Reader) deleteConsumer(ctx context.Context, stream, name string) error {
	err := r.ask(ctx, r.subject("CONSUMER.DELETE", stream, "nightshift-*"), false, func(ctx context.Context) error {
		return r.js.DeleteConsumer(ctx, stream, name)
	})
	if err == jetstream.ErrConsumerNotFound { //nolint:errorlint // it is returned as it is
		return nil
	}
	return err
}
