package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/e2e/kafkatest"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

const burstDocuments = `apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: m}
spec: {scorer: {command: ["true"]}, batchRows: 1, profile: {load: 1s, batches: [{rows: 1, rowsPerSecond: 1000}]}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: nobody}
spec: {engine: local, capacityType: on-demand, price: {amount: "1.00", currency: EUR}, replicas: {min: 0, max: 0}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: drained}
spec:
  %s
  model: m
  pools: [nobody]
  output: {root: out}
  drain: {key: id}
  objective: {finishWithin: 1h}
`

// BenchmarkBurstToPlan is from the first of 10,000 messages that come to an empty queue until the service has decided with most of them in sight. Nobody scores them.
func BenchmarkBurstToPlan(b *testing.B) {
	server := embeddedtest.Start(b)
	nc := embeddedtest.Connect(b, server)
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	stream, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "ROWS", Subjects: []string{"rows"}})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := stream.CreateConsumer(b.Context(), jetstream.ConsumerConfig{Durable: "scoring", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		b.Fatal(err)
	}
	empty := func() {
		if err := stream.Purge(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	publish := func(row []byte) {
		if err := nc.Publish("rows", row); err != nil {
			b.Fatal(err)
		}
	}
	burstToPlan(b, nc, "source: nats\n  nats: {stream: ROWS, consumer: scoring}", empty, publish)
}

// BenchmarkBurstOfRecordsToPlan is the same with a topic of four partitions on a real broker.
func BenchmarkBurstOfRecordsToPlan(b *testing.B) {
	brokers := kafkatest.Start(b, 1, nil).Addresses()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic("rows"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(b.Context(), drainPartitions, 1, nil, "rows"); err != nil {
		b.Fatal(err)
	}
	empty := func() {
		if err := client.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		ends, err := admin.ListEndOffsets(b.Context(), "rows")
		if err == nil {
			err = admin.CommitAllOffsets(b.Context(), "scoring", ends.Offsets())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	publish := func(row []byte) { client.Produce(b.Context(), &kgo.Record{Value: row}, nil) }
	server := embeddedtest.Start(b)
	burstToPlan(b, embeddedtest.Connect(b, server), fmt.Sprintf("source: kafka\n  kafka: {brokers: [%q], topic: rows, group: scoring}", brokers[0]), empty, publish)
}

// burstToPlan publishes 10,000 rows to an empty source again and again.
func burstToPlan(b *testing.B, nc *nats.Conn, source string, empty func(), publish func(row []byte)) {
	dir := b.TempDir()
	documents := filepath.Join(dir, "documents.yaml")
	if err := os.WriteFile(documents, fmt.Appendf(nil, burstDocuments, source), 0o600); err != nil {
		b.Fatal(err)
	}
	in, err := startService(b.Context(), nc, nil, serviceOptions{
		documents: []string{documents}, dir: dir, ackWait: time.Second, grace: time.Second, replicas: 1, maxStore: 64 << 20,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := in.stop(); err != nil {
			b.Error(err)
		}
	})
	decided := func(holds func(pending int64) bool) {
		for began := time.Now(); ; time.Sleep(time.Millisecond) { // a poll
			readings := in.loop.Backlogs()
			if len(readings) == 1 && readings[0].Err == "" && holds(readings[0].Pending) && !in.loop.Plan().At.Before(readings[0].At) {
				return
			}
			if time.Since(began) > 30*time.Second {
				b.Fatalf("no decision within 30 s: %+v", readings)
			}
		}
	}
	const burst = 10_000
	var took []time.Duration
	for b.Loop() {
		b.StopTimer()
		empty()
		decided(func(pending int64) bool { return pending == 0 })
		b.StartTimer()
		began := time.Now()
		for i := range burst {
			publish([]byte(`{"id":` + strconv.Itoa(i) + `}`))
		}
		decided(func(pending int64) bool { return pending > burst/2 })
		took = append(took, time.Since(began))
		b.StopTimer()
		decided(func(pending int64) bool { return pending == burst })
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "ms-p99")
}
