package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
)

// TestTopicBench: nothing is there for the queue before the end of the transaction, the bare loop reads it then, and settled waits for the group.
func TestTopicBench(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := os.WriteFile(path, []byte(strings.Repeat("{\"id\":1}\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	b, err := newTopicBench(ctx, cluster.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if err := b.publish(ctx, path, 60); err != nil {
		t.Fatal(err)
	}
	if hidden, err := b.admin.ListCommittedOffsets(ctx, b.topic); err != nil || offsetsOf(hidden) != 0 {
		t.Errorf("before the end of the transaction %d offsets are there for the queue (%v)", offsetsOf(hidden), err)
	}
	if err := b.release(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.loop(ctx, 60); err != nil {
		t.Fatal(err)
	}
	late, end := context.WithTimeout(ctx, 100*time.Millisecond)
	defer end()
	if err := b.settled(late); err == nil {
		t.Error("nothing is committed, and it counts as settled")
	}
	offsets := kadm.Offsets{}
	for partition, offset := range b.ends {
		offsets.Add(kadm.Offset{Topic: b.topic, Partition: partition, At: offset, LeaderEpoch: -1})
	}
	if err := b.admin.CommitAllOffsets(ctx, b.topic, offsets); err != nil {
		t.Fatal(err)
	}
	if err := b.settled(ctx); err != nil {
		t.Error(err)
	}
}

func offsetsOf(listed kadm.ListedOffsets) (sum int64) {
	listed.Each(func(one kadm.ListedOffset) { sum += one.Offset })
	return sum
}
