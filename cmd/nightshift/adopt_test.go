package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/raycluster"
)

// Triggers of KEDA become sources of queues; others do not.
func TestTriggersBecomeSources(t *testing.T) {
	t.Parallel()
	o := adoptOptions{scaledObject: "Scorer_of.payments", rowsPerSecond: 40}
	var set document.Set
	left, err := o.addQueue(&set, []raycluster.Trigger{
		{Type: "cron"},
		{Type: "kafka", Metadata: map[string]string{"bootstrapServers": "a:9092,b:9092", "topic": "payments", "consumerGroup": "scoring", "tls": "enable", "sasl": "scram_sha512"}},
		{Type: "nats-jetstream", Metadata: map[string]string{"stream": "S", "consumer": "c"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"trigger cron of ScaledObject Scorer_of.payments", "trigger nats-jetstream of ScaledObject Scorer_of.payments"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	want := &document.KafkaGroup{Brokers: []string{"a:9092", "b:9092"}, Topic: "payments", Group: "scoring", Isolation: "read_committed", Start: "latest", TLS: true, SASL: "SCRAM-SHA-512"}
	if diff := cmp.Diff(want, set.Queues[0].Spec.Kafka); diff != "" || set.Queues[0].Name != "scorer-of-payments" {
		t.Errorf("queue %s (-want +got):\n%s", set.Queues[0].Name, diff)
	}
	if _, err := o.addQueue(&document.Set{}, []raycluster.Trigger{{Type: "cron"}}); err == nil {
		t.Error("a ScaledObject without a backlog becomes a queue")
	}
}
