package kafka

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/e2e/kafkatest"
	"nightshift.dev/nightshift/orchestrator"
)

// world is a cluster, real or not, as its administrator and its users see it.
type world struct {
	t       testing.TB
	brokers []string
	client  *kgo.Client
	admin   *kadm.Client
	cluster *kafkatest.Cluster // nil: not a real one
}

func newWorld(t testing.TB, brokers ...string) *world {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &world{t: t, brokers: brokers, client: client, admin: kadm.NewClient(client)}
}

func (w *world) topic(name string, partitions int32, settings ...string) {
	w.t.Helper()
	configs := map[string]*string{}
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		configs[name] = &value
	}
	must(w.t, eventuallyNil(w.t, func() error {
		_, err := w.admin.CreateTopic(w.t.Context(), partitions, 1, configs, name)
		return err
	}))
}

var born = time.Now().Add(-time.Hour).Truncate(time.Millisecond) // when records of tests come into being: retention leaves them alone

// produce writes records, one batch each, the n-th of which is n seconds old.
func (w *world) produce(topic string, partition int32, count int) {
	w.t.Helper()
	for n := range count {
		record := &kgo.Record{Topic: topic, Partition: partition, Key: fmt.Appendf(nil, "%d", n%10), Value: []byte("v"), Timestamp: born.Add(time.Duration(n) * time.Second)}
		must(w.t, w.client.ProduceSync(w.t.Context(), record).FirstErr())
	}
}

// transaction writes records in one transaction; how it ends is said to what it returns.
func (w *world) transaction(id, topic string, partition int32, count int) (end func(commit bool)) {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must(w.t, err)
	w.t.Cleanup(client.Close)
	must(w.t, client.BeginTransaction())
	for n := range count {
		must(w.t, client.ProduceSync(w.t.Context(), &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Appendf(nil, "t%d", n)}).FirstErr())
	}
	return func(commit bool) {
		w.t.Helper()
		must(w.t, client.EndTransaction(w.t.Context(), kgo.TransactionEndTry(commit)))
	}
}

func (w *world) commit(group, topic string, offsets ...int64) {
	w.t.Helper()
	var all kadm.Offsets
	for partition, offset := range offsets {
		if offset >= 0 {
			all.Add(kadm.Offset{Topic: topic, Partition: int32(partition), At: offset, LeaderEpoch: -1})
		}
	}
	must(w.t, w.admin.CommitAllOffsets(w.t.Context(), group, all))
}

func (w *world) reader(sources ...Source) *Reader {
	w.t.Helper()
	for i := range sources {
		if sources[i].Queue == "" {
			sources[i].Queue = "q"
		}
	}
	r, err := New(Connection{Brokers: w.brokers, Timeout: 3 * time.Second}, sources)
	must(w.t, err)
	w.t.Cleanup(r.Close)
	return r
}

var now = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

func (r *Reader) first(ctx context.Context) orchestrator.Backlog { return r.Read(ctx, now)[0] }

// right is a reading without an error, which may need the second round: coordinators are sought first, and an end without records is asked twice.
func (w *world) right(r *Reader) orchestrator.Backlog {
	w.t.Helper()
	b := w.until(r, "no error", func(b orchestrator.Backlog) bool { return b.Err == "" })
	if b.Source == "" || b.At != now || b.InFlight != -1 || b.Redelivered != -1 || b.Poisoned != -1 || b.Method == "" {
		w.t.Errorf("got %+v", b)
	}
	return b
}

func (w *world) until(r *Reader, what string, holds func(orchestrator.Backlog) bool) orchestrator.Backlog {
	w.t.Helper()
	var b orchestrator.Backlog
	err := eventuallyNil(w.t, func() error {
		if b = r.first(w.t.Context()); !holds(b) {
			return fmt.Errorf("not %s: %+v", what, b)
		}
		return nil
	})
	must(w.t, err)
	return b
}

// held is a reading that has an error with these words, and no number.
func (w *world) held(r *Reader, words ...string) orchestrator.Backlog {
	w.t.Helper()
	b := r.first(w.t.Context())
	unknown(w.t, b, words...)
	return b
}

func unknown(t testing.TB, b orchestrator.Backlog, words ...string) {
	t.Helper()
	if b.Pending != -1 || b.Arrived != -1 || b.Settled != -1 || b.MostWorkers != 0 || len(b.Parts) > 0 || len(b.Notes) > 0 || !b.Oldest.IsZero() {
		t.Errorf("an unknown backlog has numbers: %+v", b)
	}
	for _, word := range words {
		if !strings.Contains(b.Err, word) {
			t.Errorf("error %q says nothing of %q", b.Err, word)
		}
	}
}

func pending(t testing.TB, b orchestrator.Backlog, want int64, upperBound bool, most int) {
	t.Helper()
	if b.Pending != want || b.UpperBound != upperBound || b.MostWorkers != most {
		t.Errorf("pending %d, upper bound %v, most workers %d; want %d, %v, %d: %+v", b.Pending, b.UpperBound, b.MostWorkers, want, upperBound, most, b)
	}
}

func noted(t testing.TB, b orchestrator.Backlog, words string) {
	t.Helper()
	if !strings.Contains(strings.Join(b.Notes, "\n"), words) {
		t.Errorf("notes %q say nothing of %q", b.Notes, words)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventuallyNil tries until there is no error, or gives the last one.
func eventuallyNil(t testing.TB, try func() error) error {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(40 * time.Second)
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-late:
			return err
		}
	}
}

// untilHeld is an unknown backlog that says these words, soon.
func (w *world) untilHeld(r *Reader, words string) {
	w.t.Helper()
	b := w.until(r, words, func(b orchestrator.Backlog) bool { return strings.Contains(b.Err, words) })
	unknown(w.t, b, words)
}

func nilIf(holds bool, b orchestrator.Backlog) error {
	if holds {
		return nil
	}
	return fmt.Errorf("got %+v", b)
}
