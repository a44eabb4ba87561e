package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/e2e/kafkatest"
)

// topicQueue takes the address of a broker.
const topicQueue = `---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: drained}
spec:
  source: kafka
  kafka: {brokers: [%q], topic: rows, group: scoring}
  model: echo
  pools: [local]
  output: {root: drained}
  drain: {key: id, rollEvery: 2s}
  objective: {finishWithin: 1s}
`

// G1 to G6, G10: a topic of a real broker is drained while workers, the orchestrator and the broker are killed.
func TestTopicIsDrainedWhateverDies(t *testing.T) {
	cluster := kafkatest.Start(t, 1, nil)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addresses()...), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(t.Context(), 3, 1, nil, "rows"); err != nil {
		t.Fatal(err)
	}
	in := install(t, setting{rows: 1, ack: 2 * time.Second, pause: .05, before: func(dir string) {
		file, err := os.OpenFile(filepath.Join(dir, "docs.yaml"), os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		if _, err := fmt.Fprintf(file, topicQueue, cluster.Addresses()[0]); err != nil {
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
			client.Produce(t.Context(), &kgo.Record{Topic: "rows", Value: []byte(plainRow(i))}, nil)
		}
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		in.eventually("some of it is settled", time.Minute, func() bool { left := lag(); return left >= 0 && left < int64(rows/rounds) })
		switch chance.IntN(3) {
		case 0:
			in.signalOne(chance, in.workers(), syscall.SIGKILL)
		case 1:
			in.restartOrchestrator()
		case 2:
			cluster.Brokers[0].Kill()
			cluster.Brokers[0].Restart(t)
		}
	}
	in.eventually("the group has no lag", 2*time.Minute, func() bool { return lag() == 0 })
	in.checkDrained(in.ended("drained", time.Minute), rows)
}
