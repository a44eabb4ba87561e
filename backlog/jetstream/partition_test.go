package jetstream_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	backlog "nightshift.dev/nightshift/backlog/jetstream"
	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

// G17: the filters of an ordered queue's consumer are its partitions. Each is read by itself, and the consumer is moved to the first message that one of them has not settled.
func TestFiltersArePartitions(t *testing.T) {
	t.Parallel()
	js := payments(t, jetstream.StreamConfig{}, 100, "pay.even", "pay.odd")
	reader, err := backlog.New(js, []backlog.Source{{Queue: "q", Stream: "PAYMENTS", Consumer: "scoring", Drained: true, Ordered: true}}, backlog.Options{Deaf: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	reading := reader.Read(t.Context(), time.Now())[0]
	want := []orchestrator.Part{{URI: "nats://PAYMENTS/pay.even", Start: 1, Settled: 1, End: 101}, {URI: "nats://PAYMENTS/pay.odd", Start: 1, Settled: 1, End: 101}}
	if !slices.Equal(reading.Parts, want) || reading.Err != "" {
		t.Fatalf("%+v", reading)
	}
	source, err := backlog.Describe(t.Context(), js, "PAYMENTS", "scoring")
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range want {
		// Messages 1, 3, 5 ... are of pay.odd.
		if got := read(t.Context(), t, js, backlog.PartitionOf(source, part.URI), 1, 101); !slices.Equal(got, count(int64(2-i), 101, 2)) {
			t.Errorf("%s gives %v", part.URI, got)
		}
	}
	for _, step := range []struct{ even, odd, pending int64 }{{61, 1, 100}, {61, 31, 70}, {101, 101, 0}} {
		if err := backlog.Settle(t.Context(), js, source, []orchestrator.Position{{Settled: step.even}, {Settled: step.odd}}); err != nil {
			t.Fatal(err)
		}
		user, err := js.Consumer(t.Context(), "PAYMENTS", "scoring")
		if err != nil {
			t.Fatal(err)
		}
		if got := int64(user.CachedInfo().NumPending); got != step.pending {
			t.Errorf("settled before %d and %d: %d pending, want %d", step.even, step.odd, got, step.pending)
		}
	}
}

// A consumer with one filter, or none, is one partition.
func TestOneFilterIsOnePartition(t *testing.T) {
	t.Parallel()
	for name, filters := range map[string][]string{"none": nil, "one": {"pay.even"}} {
		js := payments(t, jetstream.StreamConfig{}, 10, filters...)
		reader, err := backlog.New(js, []backlog.Source{{Queue: "q", Stream: "PAYMENTS", Consumer: "scoring", Drained: true, Ordered: true}}, backlog.Options{Deaf: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(reader.Close)
		if parts := reader.Read(t.Context(), time.Now())[0].Parts; len(parts) != 1 || parts[0].URI != "nats://PAYMENTS" {
			t.Errorf("%s: %+v", name, parts)
		}
	}
}

// The page's example: the server hashes a token of the subject, so that every key has its partition.
func TestStreamHashesATokenOfTheSubject(t *testing.T) {
	t.Parallel()
	js, err := jetstream.New(embeddedtest.Connect(t, embeddedtest.Start(t)))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "PAYMENTS", Subjects: []string{"payments.*"},
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: "payments.*", Destination: "payments.{{partition(3,1)}}.{{wildcard(1)}}"},
	})
	if err != nil {
		t.Fatal(err)
	}
	filters := []string{"payments.0.*", "payments.1.*", "payments.2.*"}
	if _, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "scoring", FilterSubjects: filters, AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		if _, err := js.Publish(t.Context(), fmt.Sprint("payments.account", i%20), fmt.Append(nil, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	source, err := backlog.Describe(t.Context(), js, "PAYMENTS", "scoring")
	if err != nil {
		t.Fatal(err)
	}
	partition, rows := map[int64]int{}, 0
	for i, filter := range filters {
		got := read(t.Context(), t, js, backlog.PartitionOf(source, "nats://PAYMENTS/"+filter), 1, 301)
		rows += len(got)
		for _, at := range got {
			if before, known := partition[at%20]; known && before != i {
				t.Errorf("account %d is in partitions %d and %d", at%20, before, i)
			}
			partition[at%20] = i
		}
		if len(got) == 0 {
			t.Errorf("partition %d is empty", i)
		}
	}
	if rows != 300 {
		t.Errorf("%d messages, want 300", rows)
	}
}
