package jetstream

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ephemeralFor is how long a consumer of ours outlives this process.
const ephemeralFor = 30 * time.Second

// makeConsumer makes a consumer of our own in the user's stream: in memory, and gone soon after us. Its name says whose it is.
func (r *Reader) makeConsumer(ctx context.Context, stream string, config jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	config.Name = "nightshift-" + rand.Text()
	config.InactiveThreshold, config.MemoryStorage, config.Replicas = ephemeralFor, true, 1
	var made jetstream.Consumer
	err := r.ask(ctx, r.subject("CONSUMER.CREATE", stream, "*"), false, func(ctx context.Context) error {
		var err error
		made, err = r.js.CreateConsumer(ctx, stream, config)
		return err
	})
	return made, err
}

// deleteConsumer removes one of ours. One that cannot be removed goes by itself, after ephemeralFor.
func (r *Reader) deleteConsumer(ctx context.Context, stream, name string) {
	_ = r.ask(ctx, r.subject("CONSUMER.DELETE", stream, "*"), false, func(ctx context.Context) error {
		return r.js.DeleteConsumer(ctx, stream, name)
	})
}
