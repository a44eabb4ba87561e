package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/e2e/kafkatest"
	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded"
)

// TestTopicConsumerProcess is a consumer of a topic, and no test: it takes records, is busy with each until a file has its value, and commits. What it reads it
// knows by its environment. Once there is a file "silent" it says nothing.
func TestTopicConsumerProcess(t *testing.T) {
	folder, told, js := consumerProcess(t)
	group := os.Getenv("NIGHTSHIFT_KAFKA_GROUP")
	member, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Getenv("NIGHTSHIFT_KAFKA_BROKERS"), ",")...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(os.Getenv("NIGHTSHIFT_KAFKA_TOPIC")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.FetchMaxWait(100*time.Millisecond), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(time.Second),
	)
	if err != nil {
		t.Fatal(err)
	}
	tell := sayer(t, js)
	say := func(busy bool) {
		if !exists(filepath.Join(folder, "silent")) {
			tell(busy)
		}
	}
	for {
		select {
		case <-told:
			member.Close() // leaves the group
			end(t, folder, "")
		default:
		}
		say(false)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		records := member.PollRecords(ctx, 1).Records()
		cancel()
		for _, record := range records {
			for !exists(filepath.Join(folder, string(record.Value))) {
				say(true)
				select {
				case <-told:
					end(t, folder, string(record.Value))
				case <-time.After(100 * time.Millisecond):
				}
			}
			if err := member.CommitRecords(t.Context(), record); err != nil {
				t.Log(err) // its partition is somebody else's now, who does it again
			}
		}
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// own is a topic of three partitions, a service, and a group of consumers that it sizes.
type own struct {
	t       *testing.T
	ctx     context.Context
	folder  string
	cluster *kafkatest.Cluster
	client  *kgo.Client
	nats    string
	in      *installation
}

// startOwn serves a pool that could hold one consumer more than there are partitions.
func startOwn(ctx context.Context, t *testing.T) *own {
	t.Helper()
	o := &own{t: t, ctx: ctx, folder: t.TempDir(), cluster: kafkatest.Start(t, 1, nil)}
	client, err := kgo.NewClient(kgo.SeedBrokers(o.cluster.Addresses()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	o.client = client
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 3, 1, nil, "work"); err != nil {
		t.Fatal(err)
	}
	server, err := embedded.Start(embedded.Config{Dir: filepath.Join(o.folder, "nats"), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	o.nats = server.URL()
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	source := fmt.Sprintf("source: kafka, kafka: {brokers: [%q], topic: work, group: theirs}", o.cluster.Addresses()[0])
	o.in = serve(ctx, t, conn, server.URL(), o.folder, externals(t, o.folder, "TestTopicConsumerProcess", source, 4))
	t.Cleanup(func() {
		if err := o.in.stop(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// produce puts records on one partition.
func (o *own) produce(value string, partition int32, count int) {
	o.t.Helper()
	for range count {
		if err := o.client.ProduceSync(o.ctx, &kgo.Record{Topic: "work", Partition: partition, Value: []byte(value)}).FirstErr(); err != nil {
			o.t.Fatal(err)
		}
	}
}

// until waits for what runs, what it says, and what is read. At no time are there more consumers than partitions.
func (o *own) until(what string, holds func(running, busy int, backlog orchestrator.Backlog) bool) {
	o.t.Helper()
	waitUntil(o.ctx, o.t, what, func() (bool, string) {
		running, states := consumersNow(o.ctx, o.in)
		list := o.in.loop.Backlogs()
		if len(running) > 3 {
			o.t.Fatalf("%d consumers run, of three partitions", len(running))
		}
		seen := fmt.Sprint(len(running), " run: ", states, list, o.in.loop.Plan().Pools)
		return len(list) == 1 && holds(len(running), states[orchestrator.WorkerBusy], list[0].Backlog), seen
	})
}

// listed is what explain says of the queue when three are busy.
var listed = regexp.MustCompile(`(?s)^pool own: 3 replicas.*\n(consumer own-\S+: pool own, slot [012], busy since 20\S+ \S+Z\n){3}`)

// E14: consumers of a topic are scaled from zero by a burst and back when their group has committed everything. None is ended while it holds a record: those that say so, and
// those that say nothing while anything is lag.
func TestConsumersOfATopic(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	o := startOwn(ctx, t)
	o.until("nobody runs where nothing has come", func(running, _ int, backlog orchestrator.Backlog) bool {
		return running == 0 && backlog.Err == "" && backlog.Pending == 0
	})
	for partition := range int32(3) {
		o.produce("many", partition, 9)
	}
	o.until("each partition has a consumer that is busy", func(_, busy int, _ orchestrator.Backlog) bool { return busy == 3 })
	if told := run(ctx, o.nats, nil, "explain", "work"); told.code != exitDone || !listed.MatchString(told.out) {
		t.Errorf("nobody says who is busy: exit %d\n%s%s", told.code, told.out, told.errs)
	}
	o.produce("last", 2, 1)
	finish(t, o.folder, "many")
	o.until("the idle have gone, and the busy one has not", func(running, busy int, backlog orchestrator.Backlog) bool {
		return running == 1 && busy == 1 && backlog.Pending == 1
	})
	o.cluster.Brokers[0].Kill()
	o.until("the reading fails", func(_, _ int, backlog orchestrator.Backlog) bool { return backlog.Err != "" })
	nobodyGoes(ctx, t, o.in, 1, "while the broker was away")
	o.cluster.Brokers[0].Restart(t)
	finish(t, o.folder, "last")
	gone := func(running, _ int, backlog orchestrator.Backlog) bool {
		return running == 0 && backlog.Err == "" && backlog.Pending == 0
	}
	o.until("nobody is left once all is committed", gone)
	endedIdle(t, o.folder, 3)

	finish(t, o.folder, "silent")
	for partition := range int32(3) {
		o.produce("more", partition, 9)
	}
	o.until("the pool has grown again", func(running, _ int, _ orchestrator.Backlog) bool { return running == 3 })
	o.produce("very last", 2, 1)
	finish(t, o.folder, "more")
	o.until("one record is lag", func(_, _ int, backlog orchestrator.Backlog) bool { return backlog.Pending == 1 })
	nobodyGoes(ctx, t, o.in, 3, "while one of them held a record, and nobody said which")
	finish(t, o.folder, "very last")
	o.until("nobody is left once it is committed", gone)
	endedIdle(t, o.folder, 6)
}
