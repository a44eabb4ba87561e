package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// OpenJob makes the job's durable consumer, so that workers may pull its shards. Doing it twice is harmless.
func (s *Store) OpenJob(ctx context.Context, key orchestrator.JobKey) error {
	_, err := s.shards.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumerName(key), FilterSubject: shardSubject + key.Subject(), AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: s.config.AckWait, MaxDeliver: -1, MaxAckPending: 100_000, MaxWaiting: 10_000,
	})
	if err != nil {
		return fmt.Errorf("create the consumer of job %s: %w", key.ID, classify(err))
	}
	return nil
}

func consumerName(key orchestrator.JobKey) string { return strings.ReplaceAll(key.Subject(), ".", "_") }

// CloseJob ends all pulling of a job's shards and removes those that nobody has acknowledged. Doing it twice is harmless.
func (s *Store) CloseJob(ctx context.Context, key orchestrator.JobKey) error {
	if err := s.shards.DeleteConsumer(ctx, consumerName(key)); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("delete the consumer of job %s: %w", key.ID, err)
	}
	if err := s.shards.Purge(ctx, jetstream.WithPurgeSubject(shardSubject+key.Subject())); err != nil {
		return fmt.Errorf("purge the shards of job %s: %w", key.ID, err)
	}
	return nil
}

// Release gives all shards back that anybody holds, by ending the consumers of all jobs; opening a job makes its consumer again. It is for the moment when
// every worker has ended and the server ends, too: a server that restarts forgets what was handed back, and would keep it for the ack wait (N3).
func (s *Store) Release(ctx context.Context) error {
	var failed error
	names := s.shards.ConsumerNames(ctx)
	for name := range names.Name() {
		failed = errors.Join(failed, s.shards.DeleteConsumer(ctx, name))
	}
	if err := errors.Join(failed, names.Err()); err != nil {
		return fmt.Errorf("release the shards that are held: %w", err)
	}
	return nil
}

// PublishShards stores shards and returns when all are acknowledged. A shard's identifier is its message id, so that a repetition within
// the stream's duplicate window is stored once; later repetitions are harmless.
func (s *Store) PublishShards(ctx context.Context, shards []orchestrator.Shard) error {
	futures := make([]jetstream.PubAckFuture, 0, len(shards))
	for _, shard := range shards {
		data, err := json.Marshal(shard)
		if err != nil {
			return fmt.Errorf("encode shard %s: %w", shard.ID(), err)
		}
		future, err := s.js.PublishAsync(shardSubject+shard.Subject(), data, jetstream.WithMsgID(shard.ID()))
		if err != nil {
			return fmt.Errorf("publish shard %s: %w", shard.ID(), classify(err))
		}
		futures = append(futures, future)
	}
	for i, future := range futures {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return fmt.Errorf("publish shard %s: %w", shards[i].ID(), classify(err))
		case <-ctx.Done():
			return fmt.Errorf("publish shard %s: %w", shards[i].ID(), ctx.Err())
		}
	}
	return nil
}

// PublishedShards lists the numbers of a job's shards of one epoch that lie in the stream, held by a worker or not.
func (s *Store) PublishedShards(ctx context.Context, key orchestrator.JobKey, epoch int) ([]int, error) {
	var numbers []int
	err := readSubject(ctx, s.shards, shardSubject+key.Subject(), 0, func(message *jetstream.RawStreamMsg) error {
		var shard orchestrator.Shard
		if err := json.Unmarshal(message.Data, &shard); err == nil && shard.Epoch == epoch {
			numbers = append(numbers, shard.Number)
		}
		return nil
	})
	return numbers, err
}

// Delivery is one shard in a worker's hands.
type Delivery struct {
	Shard      orchestrator.Shard
	Deliveries uint64 // how often the shard has been given to a worker, this time included
	message    jetstream.Msg
}

// Pull asks for one shard of a job. With wait 0 it answers at once; ErrNotFound: there is none now, or the job is closed.
func (s *Store) Pull(ctx context.Context, key orchestrator.JobKey, wait time.Duration) (*Delivery, error) {
	consumer, err := s.consumer(ctx, key)
	if err != nil {
		return nil, err
	}
	var batch jetstream.MessageBatch
	if wait <= 0 {
		batch, err = consumer.FetchNoWait(1)
	} else {
		// The server ends the wait, never this side: a shard that arrives after a client has stopped listening is lost to everybody for the ack wait.
		batch, err = consumer.Fetch(1, jetstream.FetchMaxWait(wait))
	}
	if err != nil {
		return nil, fmt.Errorf("pull from job %s: %w", key.ID, classify(err))
	}
	for message := range batch.Messages() {
		return newDelivery(message) // even if ctx has ended meanwhile: who has a shard must finish it or hand it back
	}
	if err := batch.Error(); err != nil {
		s.forgetConsumer(key)
		if closed(err) {
			return nil, fmt.Errorf("pull from job %s: %w: %w", key.ID, ErrNotFound, err)
		}
		return nil, fmt.Errorf("pull from job %s: %w", key.ID, err)
	}
	return nil, fmt.Errorf("pull from job %s: %w", key.ID, ErrNotFound)
}

func newDelivery(message jetstream.Msg) (*Delivery, error) {
	delivery := &Delivery{message: message}
	if err := json.Unmarshal(message.Data(), &delivery.Shard); err != nil {
		_ = message.TermWithReason("not a shard") // nobody could ever read it; the splitter publishes recorded shards again
		return nil, fmt.Errorf("decode shard on %s: %w", message.Subject(), err)
	}
	if metadata, err := message.Metadata(); err == nil {
		delivery.Deliveries = metadata.NumDelivered
	}
	return delivery, nil
}

func (s *Store) consumer(ctx context.Context, key orchestrator.JobKey) (jetstream.Consumer, error) {
	name := consumerName(key)
	if cached, ok := s.consumers.Load(name); ok {
		return cached.(jetstream.Consumer), nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	consumer, err := s.shards.Consumer(ctx, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, fmt.Errorf("pull from job %s: %w", key.ID, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("pull from job %s: %w", key.ID, err)
	}
	s.consumers.Store(name, consumer)
	return consumer, nil
}

func (s *Store) forgetConsumer(key orchestrator.JobKey) { s.consumers.Delete(consumerName(key)) }

// closed says whether an error means that the job's consumer is gone.
func closed(err error) bool {
	return errors.Is(err, jetstream.ErrConsumerDeleted) || errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, nats.ErrNoResponders)
}

// Keep tells the server that the shard is still being worked on.
func (d *Delivery) Keep() error { return d.message.InProgress() }

// Ack removes the shard and waits for the server to say so. A job that was closed meanwhile has no shards, which is as good.
func (d *Delivery) Ack(ctx context.Context) error {
	if err := d.message.DoubleAck(ctx); err != nil && !closed(err) {
		return fmt.Errorf("acknowledge shard %s: %w", d.Shard.ID(), err)
	}
	return nil
}

// HandBack gives the shard back, to be delivered again after a delay.
func (d *Delivery) HandBack(delay time.Duration) error { return d.message.NakWithDelay(delay) }
