package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"nightshift.dev/nightshift/e2e/kafkatest"
)

// topicQueue takes where the topic is.
const topicQueue = `---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: drained}
spec:
  source: kafka
  kafka: {%s, topic: rows, group: scoring}
  model: echo
  pools: [local]
  output: {root: drained}
  drain: {key: id, rollEvery: 2s%s}
  objective: {finishWithin: 1s}
`

// topic is a topic of three partitions that an installation drains.
type topic struct {
	*installation
	cluster *kafkatest.Cluster
	client  *kgo.Client
	admin   *kadm.Client
}

// drainTopic makes a topic, and installs a queue that drains it.
func drainTopic(t *testing.T, cluster *kafkatest.Cluster, replicas int16, connection string) *topic {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addresses()...), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	in := &topic{cluster: cluster, client: client, admin: kadm.NewClient(client)}
	if _, err := in.admin.CreateTopic(t.Context(), 3, replicas, nil, "rows"); err != nil {
		t.Fatal(err)
	}
	in.installation = install(t, setting{rows: 1, ack: 2 * time.Second, pause: .05, before: func(dir string) {
		file, err := os.OpenFile(filepath.Join(dir, "docs.yaml"), os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		if _, err := fmt.Fprintf(file, topicQueue, connection, ""); err != nil {
			t.Fatal(err)
		}
	}})
	return in
}

// produce returns when all rows are acknowledged.
func (in *topic) produce(from, to int) {
	in.t.Helper()
	for i := from; i < to; i++ {
		in.client.Produce(in.t.Context(), &kgo.Record{Topic: "rows", Value: []byte(plainRow(i))}, func(_ *kgo.Record, err error) {
			if err != nil {
				in.t.Errorf("row %d: %v", i, err)
			}
		})
	}
	if err := in.client.Flush(in.t.Context()); err != nil {
		in.t.Fatal(err)
	}
}

// lag is what the group shows; -1: not known.
func (in *topic) lag() int64 {
	lags, err := in.admin.Lag(in.t.Context(), "scoring")
	if err != nil || lags.Error() != nil {
		return -1
	}
	return lags["scoring"].Lag.Total()
}

// G1 to G6, G10: a topic of a real broker is drained while workers, the orchestrator and the broker are killed.
func TestTopicIsDrainedWhateverDies(t *testing.T) {
	cluster := kafkatest.Start(t, 1, nil)
	in := drainTopic(t, cluster, 1, fmt.Sprintf("brokers: [%q]", cluster.Addresses()[0]))
	chance := random(t)
	const rows, rounds = 9_000, 6
	for at := 0; at < rows; at += rows / rounds {
		in.produce(at, at+rows/rounds)
		in.eventually("some of it is settled", time.Minute, func() bool { left := in.lag(); return left >= 0 && left < int64(rows/rounds) })
		in.killOne(chance, func() { cluster.Brokers[0].Kill(); cluster.Brokers[0].Restart(t) })
	}
	in.eventually("the group has no lag", 2*time.Minute, func() bool { return in.lag() == 0 })
	in.checkDrained(in.ended("drained", time.Minute), rows)
}

// K17: a topic is drained over TLS by a user who may do no more than is needed; the password stands in no file of the installation.
func TestTopicIsDrainedOverTLS(t *testing.T) {
	const user, password = "drainer", "a-password-that-stands-nowhere"
	cluster := kafkatest.Start(t, 1, nil)
	authority := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(authority, cluster.Authority, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"SSL_CERT_FILE": authority, "NIGHTSHIFT_KAFKA_USER": user, "NIGHTSHIFT_KAFKA_PASSWORD": password} {
		t.Setenv(name, value) // of the processes that the test starts
	}
	in := drainTopic(t, cluster, 1, fmt.Sprintf("brokers: [%q], tls: true, sasl: SCRAM-SHA-512", cluster.Brokers[0].Protected))
	const rows = 1_500
	in.produce(0, rows)
	if _, err := in.admin.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password}}); err != nil {
		t.Fatal(err)
	}
	for _, rights := range []*kadm.ACLBuilder{kadm.NewACLs().Topics("rows"), kadm.NewACLs().Groups("scoring")} {
		if _, err := in.admin.CreateACLs(t.Context(), rights.Operations(kadm.OpRead, kadm.OpDescribe).Allow("User:"+user).AllowHosts("*").ResourcePatternType(kadm.ACLPatternLiteral)); err != nil {
			t.Fatal(err)
		}
	}
	in.eventually("the group has no lag", 2*time.Minute, func() bool { return in.lag() == 0 })
	in.checkDrained(in.ended("drained", time.Minute), rows)
	in.silentOf(password)
}

// silentOf looks for a secret in every file below the installation's folder: logs, documents, state, results.
func (in *topic) silentOf(secret string) {
	in.t.Helper()
	looked := 0
	err := filepath.WalkDir(in.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // files of servers come and go
		}
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), secret) {
			in.t.Errorf("the secret stands in %s", path)
		}
		if strings.HasSuffix(path, ".log") && len(text) > 0 {
			looked++
		}
		return nil
	})
	if err != nil || looked == 0 {
		in.t.Errorf("%d logs were looked at (%v)", looked, err)
	}
}

// K13, G1, G5, G10: three brokers that keep every partition together, one of which is killed or stopped at a time.
func TestThreeBrokersLoseAndDoubleNothing(t *testing.T) {
	cluster := kafkatest.Start(t, 3, map[string]string{
		"min.insync.replicas": "2", "offsets.topic.replication.factor": "3", "offsets.topic.num.partitions": "1", "transaction.state.log.replication.factor": "3",
	})
	in := drainTopic(t, cluster, 3, fmt.Sprintf("brokers: [%q, %q, %q]", cluster.Brokers[0].Address, cluster.Brokers[1].Address, cluster.Brokers[2].Address))
	troubles := []struct {
		what string
		make func()
	}{
		{"the leader of a partition is killed", func() { in.killBroker(in.leader()) }},
		{"the controller is killed", func() { in.killBroker(in.controller()) }},
		{"one after the other is restarted", func() {
			for _, b := range cluster.Brokers {
				b.Stop(t)
				b.Restart(t)
				in.neverAhead()
			}
		}},
	}
	const each = 1_500
	for i, trouble := range troubles {
		in.produce(i*each, (i+1)*each)
		in.eventually("some of it is settled, and not all", time.Minute, func() bool { left := in.lag(); return left > 0 && left < each })
		t.Logf("%d are left: %s", in.lag(), trouble.what)
		trouble.make()
		in.eventually("the group has no lag", time.Minute, func() bool { in.neverAhead(); return in.lag() == 0 })
	}
	in.checkDrained(in.ended("drained", time.Minute), each*len(troubles))
}

// neverAhead compares what is committed with what is recorded as done a moment later: a record is a row.
func (in *topic) neverAhead() {
	in.t.Helper()
	offsets, err := in.admin.FetchOffsets(in.t.Context(), "scoring")
	if err != nil || offsets.Error() != nil {
		return // a coordinator is away
	}
	committed, done := int64(0), int64(0)
	offsets.Each(func(one kadm.OffsetResponse) { committed += max(one.At, 0) })
	jobs := in.jobsOf("drained")
	if jobs == nil {
		return // the service is late
	}
	for _, job := range jobs {
		done += job.Counts.RowsDone
	}
	if committed > done {
		in.t.Fatalf("%d records are committed for the group, and %d rows are done", committed, done)
	}
}

// leader is who leads the first partition.
func (in *topic) leader() int32 {
	in.t.Helper()
	about, err := in.admin.Metadata(in.t.Context(), "rows")
	if err != nil {
		in.t.Fatal(err)
	}
	return about.Topics["rows"].Partitions[0].Leader
}

// controller is who leads the quorum; what metadata calls the controller is any broker.
func (in *topic) controller() int32 {
	in.t.Helper()
	request := kmsg.NewPtrDescribeQuorumRequest()
	quorum := kmsg.NewDescribeQuorumRequestTopic()
	quorum.Topic, quorum.Partitions = "__cluster_metadata", []kmsg.DescribeQuorumRequestTopicPartition{kmsg.NewDescribeQuorumRequestTopicPartition()}
	request.Topics = append(request.Topics, quorum)
	response, err := request.RequestWith(in.t.Context(), in.client)
	if err != nil {
		in.t.Fatal(err)
	}
	return response.Topics[0].Partitions[0].LeaderID
}

// killBroker kills one, and lets it come back once others have taken over what it led.
func (in *topic) killBroker(id int32) {
	in.t.Helper()
	for _, b := range in.cluster.Brokers {
		if b.ID == id {
			b.Kill()
			in.eventually("another leads", time.Minute, func() bool { in.neverAhead(); return in.leader() != id })
			b.Restart(in.t)
			return
		}
	}
	in.t.Fatalf("there is no broker %d", id)
}
