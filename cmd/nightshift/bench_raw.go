package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator/embedded"
)

// rawReport are limits of the machine that nothing here can exceed.
type rawReport struct {
	PublishPerSecond      float64 `json:"jetstream_publish_per_second"`       // one client, each acknowledged before the next, synced to disk
	PublishAsyncPerSecond float64 `json:"jetstream_publish_async_per_second"` // likewise, 256 on their way
	// The same number of clients at once as submit jobs, each with one on its way.
	PublishAtOnce          quantiles `json:"jetstream_publish_at_once"` // seconds
	PublishAtOncePerSecond float64   `json:"jetstream_publish_at_once_per_second"`
	PullAckPerSecond       float64   `json:"jetstream_pull_ack_per_second"` // one client: fetch of one message and its double ack
	MessageBytes           int       `json:"jetstream_message_bytes"`
	ReadWriteMB            float64   `json:"file_read_write_mb_per_second"` // the input copied and synced, megabytes of it per second
}

const (
	rawFor      = 2 * time.Second // of each measurement
	rawMessages = 200_000         // at most
	rawAhead    = 256
	rawStall    = 10 * time.Second // most that a publish waits for room among those
	rawBytes    = 400              // about a shard's message
)

// measureRaw uses a server with the settings of nightshift dev, over TCP.
func (d *dataplane) measureRaw(ctx context.Context) (raw rawReport, err error) {
	raw.MessageBytes = rawBytes
	if raw.ReadWriteMB, err = d.copyInput(); err != nil {
		return raw, err
	}
	server, err := embedded.Start(embedded.Config{Dir: filepath.Join(d.dir, "raw"), Port: -1})
	if err != nil {
		return raw, err
	}
	defer server.Stop()
	conn, err := (&program{nats: server.URL()}).dial("nightshift bench")
	if err != nil {
		return raw, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(rawAhead))
	if err != nil {
		return raw, fmt.Errorf("open JetStream: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, jobWithin)
	defer cancel()
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "RAW", Subjects: []string{"raw"}, Storage: jetstream.FileStorage, Retention: jetstream.WorkQueuePolicy})
	if err != nil {
		return raw, fmt.Errorf("create a stream: %w", err)
	}
	payload := make([]byte, rawBytes)
	raw.PublishPerSecond, err = perSecond(ctx, func() error { _, err := js.Publish(ctx, "raw", payload); return err })
	if err != nil {
		return raw, fmt.Errorf("publish: %w", err)
	}
	if raw.PublishAsyncPerSecond, err = publishAsync(ctx, js, payload); err != nil {
		return raw, err
	}
	began := time.Now()
	raw.PublishAtOnce, err = timeAtOnce(ctx, submitsTimed, func(ctx context.Context) error { _, err := js.Publish(ctx, "raw", payload); return err })
	if err != nil {
		return raw, fmt.Errorf("publish: %w", err)
	}
	raw.PublishAtOncePerSecond = float64(submitsTimed) / time.Since(began).Seconds()
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "raw", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 100_000})
	if err != nil {
		return raw, fmt.Errorf("create a consumer: %w", err)
	}
	raw.PullAckPerSecond, err = perSecond(ctx, func() error { return pullAck(ctx, consumer) })
	return raw, err
}

var errNoMessage = errors.New("there are no more messages")

func pullAck(ctx context.Context, consumer jetstream.Consumer) error {
	batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(time.Second))
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	for message := range batch.Messages() {
		return message.DoubleAck(ctx)
	}
	return errNoMessage
}

// perSecond repeats one step for a while.
func perSecond(ctx context.Context, step func() error) (float64, error) {
	began, count := time.Now(), 0
	for ; time.Since(began) < rawFor && count < rawMessages; count++ {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := step(); errors.Is(err, errNoMessage) {
			break
		} else if err != nil {
			return 0, err
		}
	}
	return float64(count) / time.Since(began).Seconds(), nil
}

func publishAsync(ctx context.Context, js jetstream.JetStream, payload []byte) (float64, error) {
	began, count := time.Now(), 0
	for ; time.Since(began) < rawFor && count < rawMessages; count++ {
		if _, err := js.PublishAsync("raw", payload, jetstream.WithStallWait(rawStall)); err != nil {
			return 0, fmt.Errorf("publish: %w", err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
		return float64(count) / time.Since(began).Seconds(), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// copyInput reads and writes the rows, synced, and gives megabytes per second.
func (d *dataplane) copyInput() (rate float64, err error) {
	from, err := os.Open(d.input)
	if err != nil {
		return 0, fmt.Errorf("copy the rows: %w", err)
	}
	defer func() { _ = from.Close() }() // only read
	path := filepath.Join(d.dir, "copy")
	began := time.Now()
	to, err := os.Create(path)
	if err != nil {
		return 0, fmt.Errorf("copy the rows: %w", err)
	}
	defer func() { _ = os.Remove(path) }() // made here
	// Hidden behind plain interfaces, so that the kernel does not share the blocks instead of copying them.
	size, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 1<<20))
	if err = errors.Join(err, to.Sync(), to.Close()); err != nil {
		return 0, fmt.Errorf("copy the rows: %w", err)
	}
	return float64(size) / 1e6 / time.Since(began).Seconds(), nil
}
