package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/e2e/kafkatest"
	"nightshift.dev/nightshift/orchestrator"
)

// readTopic reads the results that a topic has now, doubles included.
func (in *installation) readTopic(broker string, admin *kadm.Client) (all []scored) {
	in.t.Helper()
	ends, err := admin.ListEndOffsets(in.t.Context(), "scored")
	if err != nil || ends.Error() != nil {
		in.t.Fatal(err, ends.Error())
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics("scored"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		in.t.Fatal(err)
	}
	defer client.Close()
	left := int64(0)
	ends.Each(func(one kadm.ListedOffset) { left += one.Offset })
	ctx, cancel := context.WithTimeout(in.t.Context(), time.Minute)
	defer cancel()
	for left > 0 && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
			left--
			header := map[string]string{}
			for _, one := range record.Headers {
				header[one.Key] = string(one.Value)
			}
			one := scored{identity: header[orchestrator.HeaderShard] + "/" + header[orchestrator.HeaderRow], attempt: header[orchestrator.HeaderAttempt]}
			var err error
			if one.id, err = scoredRow(record.Value); err != nil || one.attempt == "" || string(record.Key) != fmt.Sprintf("r%07d", one.id) {
				in.t.Errorf("result %s, key %s with %v (%v)", record.Value, record.Key, header, err)
			}
			all = append(all, one)
		})
	}
	if left > 0 {
		in.t.Fatalf("%d results were not read", left)
	}
	return all
}

// G11 to G13, G15: the rows of each partition of a topic are scored in their order, and their results published to another topic of a real broker, while workers, the
// orchestrator and the broker are killed.
func TestTopicKeepsItsOrderWhateverDies(t *testing.T) {
	cluster := kafkatest.Start(t, 1, nil)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addresses()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopics(t.Context(), 3, 1, nil, "rows", "scored"); err != nil {
		t.Fatal(err)
	}
	in := install(t, setting{rows: 1, ack: 2 * time.Second, pause: .05, before: func(dir string) {
		file, err := os.OpenFile(filepath.Join(dir, "docs.yaml"), os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		if _, err := fmt.Fprintf(file, topicQueue, fmt.Sprintf("brokers: [%q]", cluster.Addresses()[0]), ", order: key, results: {topic: scored}"); err != nil {
			t.Fatal(err)
		}
	}})
	chance := random(t)
	lag := func() int64 { // -1: not known
		lags, err := admin.Lag(t.Context(), "scoring")
		if err != nil || lags.Error() != nil {
			return -1
		}
		return lags["scoring"].Lag.Total()
	}
	const rows, rounds = 9_000, 6
	for at := 0; at < rows; at += rows / rounds {
		for i := at; i < at+rows/rounds; i++ {
			client.Produce(t.Context(), &kgo.Record{Topic: "rows", Key: fmt.Append(nil, i%keys), Value: []byte(orderedRow(i))}, nil)
		}
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		in.eventually("some of it is settled", time.Minute, func() bool { left := lag(); return left >= 0 && left < int64(rows/rounds) })
		in.killOne(chance, func() { cluster.Brokers[0].Kill(); cluster.Brokers[0].Restart(t) })
	}
	in.eventually("the group has no lag", 3*time.Minute, func() bool { return lag() == 0 })
	jobs := in.ended("drained", time.Minute)
	in.checkPublished(jobs, in.readTopic(cluster.Addresses()[0], admin), rows)
	in.checkOrder(rows)
}
