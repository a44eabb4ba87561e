package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

// TestDoctorLooksAtSources: each queue's stream or topic has lines of its own, and what refuses draining fails.
func TestDoctorLooksAtSources(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t)
	js, err := jetstream.New(embeddedtest.Connect(t, server))
	if err != nil {
		t.Fatal(err)
	}
	for name, retention := range map[string]jetstream.RetentionPolicy{"WELL": jetstream.LimitsPolicy, "TASKS": jetstream.WorkQueuePolicy} {
		stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Retention: retention})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "scoring", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
			t.Fatal(err)
		}
	}
	_, file := writeDocuments(t, "echo")
	text := string(readFile(t, file))
	for name, source := range map[string]string{
		"well":    "source: nats, nats: {stream: WELL, consumer: scoring}",
		"tasks":   "source: nats, nats: {stream: TASKS, consumer: scoring}",
		"gone":    "source: nats, nats: {stream: GONE, consumer: scoring}",
		"nobody":  `source: kafka, kafka: {brokers: ["127.0.0.1:1"], topic: clicks, group: scoring}`,
		"unnamed": `source: kafka, kafka: {brokers: ["127.0.0.1:1"], topic: clicks, group: unnamed, tls: true, sasl: PLAIN}`,
	} {
		text += "---\napiVersion: nightshift.dev/v1alpha1\nkind: Queue\nmetadata: {name: " + name + "}\nspec: {" + source + ", model: echo, pools: [local], output: {root: out}, objective: {finishWithin: 15m}}\n"
	}
	file = filepath.Join(filepath.Dir(file), "sources.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t.Context(), server.URL(), map[string]string{"NIGHTSHIFT_REQUEST_TIMEOUT": "10s"}, "doctor", "-f", file)
	said := strings.Join(findings(got), "\n")
	for _, want := range []string{
		"ok source queue well: nats WELL/scoring can be drained\n",
		"fail source queue tasks: nats TASKS/scoring: a work queue is read by direct gets, which the stream does not allow: nats stream edit TASKS --allow-direct\n",
		"fail source queue gone: nats GONE/scoring: there is no stream GONE in this account. Make it, or correct the queue's nats.stream\n",
		"fail source queue nobody: kafka clicks/scoring: ", "connection refused",
		"fail source queue unnamed: kafka clicks/unnamed: sasl is PLAIN, and there is no user or no password here. Set NIGHTSHIFT_KAFKA_USER and NIGHTSHIFT_KAFKA_PASSWORD\n",
	} {
		if !strings.Contains(said, want) || got.code != exitFailed {
			t.Errorf("%q is not said, exit %d:\n%s", want, got.code, said)
		}
	}
}
