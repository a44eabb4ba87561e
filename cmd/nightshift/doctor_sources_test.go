package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"

	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

// ownPool is a pool of consumers whose program is not there.
const ownPool = `---
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: theirs}
spec: {scorer: {command: [no-such-scorer]}, profile: {load: 1s, batches: [{rows: 1, rowsPerSecond: 1}]}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: own}
spec: {local: {command: [no-such-program]}, replicas: {max: 1}}
`

// topicOf is the address of a broker with a topic of clicks.
func topicOf(t *testing.T) string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "clicks"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()[0]
}

// E16, E17: each queue's stream or topic has lines of its own, and what refuses draining fails.
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
	if _, err := js.CreateConsumer(t.Context(), "WELL", jetstream.ConsumerConfig{Durable: "silent", AckPolicy: jetstream.AckNonePolicy}); err != nil {
		t.Fatal(err)
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
	text = string(readFile(t, file)) + ownPool
	for name, source := range map[string]string{
		"theirs":   "source: nats, nats: {stream: WELL, consumer: scoring}",
		"silent":   "source: nats, nats: {stream: WELL, consumer: silent}",
		"rather":   "source: nats, nats: {stream: TASKS, consumer: scoring}",
		"nowhere":  `source: kafka, kafka: {brokers: ["127.0.0.1:1"], topic: clicks, group: nowhere}`,
		"theirs-k": `source: kafka, kafka: {brokers: ["` + topicOf(t) + `"], topic: clicks, group: theirs}`,
	} {
		text += "---\napiVersion: nightshift.dev/v1alpha1\nkind: Queue\nmetadata: {name: " + name + "}\nspec: {delivery: external, " + source + ", model: theirs, pools: [own], objective: {finishWithin: 15m}}\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t.Context(), server.URL(), map[string]string{"NIGHTSHIFT_REQUEST_TIMEOUT": "10s"}, "doctor", "-f", file)
	said := strings.Join(findings(got), "\n")
	if strings.Contains(said, "model theirs") || strings.Contains(said, "queue theirs writes") {
		t.Errorf("what is not ours is looked at:\n%s", said)
	}
	for _, want := range []string{
		"ok source queue well: nats WELL/scoring can be drained\n",
		"fail source queue tasks: nats TASKS/scoring: a work queue is read by direct gets, which the stream does not allow: nats stream edit TASKS --allow-direct\n",
		"fail source queue gone: nats GONE/scoring: there is no stream GONE in this account. Make it, or correct the queue's nats.stream\n",
		"fail source queue nobody: kafka clicks/scoring: ", "connection refused",
		"fail command pool own: exec: \"no-such-program\": executable file not found in $PATH. Install it, or change the pool's local.command\n",
		"ok source queue theirs: nats WELL/scoring can be read\n", "ok source queue rather: nats TASKS/scoring can be read\n",
		"fail source queue silent: nats WELL/silent: the consumer takes no acknowledgements: ",
		"fail source queue nowhere: kafka clicks/nowhere: ",
		"warn source queue theirs-k: kafka clicks/theirs: group theirs has committed nothing on partition 0 of topic clicks: ",
		"fail source queue unnamed: kafka clicks/unnamed: sasl is PLAIN, and there is no user or no password here. Set NIGHTSHIFT_KAFKA_USER and NIGHTSHIFT_KAFKA_PASSWORD, or NIGHTSHIFT_KAFKA_SECRET\n",
	} {
		if !strings.Contains(said, want) || got.code != exitFailed {
			t.Errorf("%q is not said, exit %d:\n%s", want, got.code, said)
		}
	}
}
