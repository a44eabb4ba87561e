package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// drainTopicQueue is added to the documents of the run; it takes brokers, topic, group and model.
const drainTopicQueue = `---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: drain}
spec: {source: kafka, kafka: {brokers: %s, topic: %s, group: %s}, model: %s, pools: [local], output: {root: out}, drain: {key: id, rollEvery: 1h}, objective: {finishWithin: 1s}}
`

const drainPartitions = 4

// topicBench writes to a topic of its own. Its rows are one transaction: all of them are there for the queue at once, at its end.
type topicBench struct {
	brokers     []string
	topic       string // and the name of the group
	client      *kgo.Client
	admin       *kadm.Client
	begin, ends map[int32]int64 // offsets of the rows that were published last
}

func newTopicBench(ctx context.Context, brokers []string) (*topicBench, error) {
	b := &topicBench{brokers: brokers, topic: fmt.Sprintf("nightshift-bench-%d", time.Now().UnixNano())}
	var err error
	b.client, err = kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID(b.topic), kgo.TransactionTimeout(10*time.Minute), kgo.DefaultProduceTopic(b.topic))
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	b.admin = kadm.NewClient(b.client)
	if _, err := b.admin.CreateTopic(ctx, drainPartitions, 1, nil, b.topic); err != nil {
		b.client.Close()
		return nil, fmt.Errorf("create a topic: %w", err)
	}
	return b, nil
}

// close removes the topic and the group.
func (b *topicBench) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, _ = b.admin.DeleteTopics(ctx, b.topic) // what is left is the user's to remove, and is named after us
	_, _ = b.admin.DeleteGroups(ctx, b.topic)
	b.client.Close()
}

// rounds publishes, loops and drains, again and again. The first rows warm the workers.
func (b *topicBench) rounds(ctx context.Context, d *dataplane, report *drainReport) error {
	if err := errors.Join(b.publish(ctx, d.input, min(d.rows, 20_000)), b.release(ctx)); err != nil {
		return err
	}
	for round := range d.rounds {
		if err := b.settled(ctx); err != nil {
			return err
		}
		d.say("round %d of %d: publishing", round+1, d.rounds)
		if err := b.publish(ctx, d.input, d.rows); err != nil {
			return err
		}
		d.say("draining them")
		began := time.Now()
		if err := errors.Join(b.release(ctx), b.settled(ctx)); err != nil {
			return err
		}
		report.Drain = append(report.Drain, math.Round(float64(d.rows)/time.Since(began).Seconds()))
		d.say("reading them in a bare loop")
		began = time.Now()
		if err := b.loop(ctx, d.rows); err != nil {
			return err
		}
		report.Loop = append(report.Loop, math.Round(float64(d.rows)/time.Since(began).Seconds()))
	}
	return nil
}

// publish writes the first rows of a file, one a record, and leaves the transaction open.
func (b *topicBench) publish(ctx context.Context, path string, rows int64) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the rows: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	if err := b.client.BeginTransaction(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	b.begin, b.ends = map[int32]int64{}, map[int32]int64{}
	var failed error
	lines := bufio.NewScanner(file)
	for count := int64(0); count < rows && lines.Scan(); count++ {
		b.client.Produce(ctx, &kgo.Record{Value: slices.Clone(lines.Bytes())}, func(record *kgo.Record, err error) { // one after another
			failed = errors.Join(failed, err)
			if _, has := b.begin[record.Partition]; !has {
				b.begin[record.Partition] = record.Offset
			}
			b.ends[record.Partition] = record.Offset + 1
		})
	}
	if err := errors.Join(lines.Err(), b.client.Flush(ctx), failed); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// release ends the transaction.
func (b *topicBench) release(ctx context.Context) error {
	if err := b.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// loop reads what was published, as who reads what is committed does, and commits after every poll, as who may be killed has to.
func (b *topicBench) loop(ctx context.Context, rows int64) error {
	offsets := kadm.Offsets{}
	for partition, offset := range b.begin {
		offsets.Add(kadm.Offset{Topic: b.topic, Partition: partition, At: offset, LeaderEpoch: -1})
	}
	group := b.topic + "-bare"
	if err := b.admin.CommitAllOffsets(ctx, group, offsets); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(b.topic), kgo.DisableAutoCommit(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	defer func() {
		client.Close()
		_, _ = b.admin.DeleteGroups(ctx, group) // named after us
	}()
	for read := int64(0); read < rows; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read the topic: %w", err)
		}
		read += int64(fetches.NumRecords())
		if err := client.CommitUncommittedOffsets(ctx); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	return nil
}

// settled waits until the group has committed all that was published.
func (b *topicBench) settled(ctx context.Context) error {
	for {
		committed, err := b.admin.FetchOffsets(ctx, b.topic)
		if err != nil {
			return fmt.Errorf("read the group: %w", err)
		}
		left := false
		for partition, end := range b.ends {
			one, has := committed.Lookup(b.topic, partition)
			left = left || !has || one.At < end
		}
		if !left {
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}
