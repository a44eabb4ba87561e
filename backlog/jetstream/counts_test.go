package jetstream

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

var retentions = []jetstream.RetentionPolicy{jetstream.LimitsPolicy, jetstream.InterestPolicy, jetstream.WorkQueuePolicy}

func TestJ1PendingAndInFlight(t *testing.T) {
	for _, retention := range retentions {
		t.Run(retention.String(), func(t *testing.T) {
			w := start(t, jetstream.StreamConfig{Retention: retention}, jetstream.ConsumerConfig{})
			reader := w.reader()
			b := w.known(reader)
			w.want(b, 0, 0)
			if !b.Oldest.IsZero() {
				t.Errorf("the oldest of nothing arrived %s", b.Oldest)
			}
			w.publish("S.a", 10)
			w.counts(10, 0)
			w.want(w.known(reader), 10, 0)
			rows := w.take(4)
			b = w.known(reader)
			w.want(b, 6, 4)
			w.done(rows[1], rows[3])
			b = w.known(reader)
			w.want(b, 6, 2)
			w.done(rows[0], rows[2])
			w.done(w.take(6)...)
			b = w.known(reader)
			w.want(b, 0, 0)
			w.silent(b)
			if b.Arrived-b.Settled != 0 {
				t.Errorf("%d arrived, %d settled, nothing is left", b.Arrived, b.Settled)
			}
		})
	}
}

func TestJ2NothingShrinksWhileNobodyPulls(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{AckWait: 50 * time.Millisecond})
	reader := w.reader()
	w.publish("S.a", 3)
	w.take(3)
	for range 3 { // longer than the time to acknowledge
		<-time.After(60 * time.Millisecond)
		b := w.known(reader)
		w.want(b, 0, 3)
		w.noted(b, "nobody pulls")
	}
	w.take(3)
	if b := w.known(reader); b.Redelivered != 3 {
		t.Errorf("%d redelivered, want 3", b.Redelivered)
	}
}

func TestJ22ManyFilters(t *testing.T) {
	for _, retention := range retentions {
		t.Run(retention.String(), func(t *testing.T) {
			w := start(t, jetstream.StreamConfig{Retention: retention}, jetstream.ConsumerConfig{FilterSubjects: []string{"S.b", "S.c.*"}})
			reader := w.reader()
			w.publish("S.a", 2)
			w.publish("S.c.1", 3)
			w.publish("S.b", 2)
			w.counts(5, 0)
			b := w.known(reader)
			w.want(b, 5, 0)
			if at := w.arrival(1, "S.c.1"); !b.Oldest.Equal(at) {
				t.Errorf("the oldest arrived %s, want %s", b.Oldest, at)
			}
			w.done(w.take(3)...)
			b = w.known(reader)
			w.want(b, 2, 0)
			if at := w.arrival(4, "S.b"); !b.Oldest.Equal(at) {
				t.Errorf("the oldest arrived %s, want %s", b.Oldest, at)
			}
			if b.Settled != 3 || b.Arrived != 5 {
				t.Errorf("%d of %d settled, want 3 of 5", b.Settled, b.Arrived)
			}
		})
	}
}

// arrival is when the first row on a subject from a sequence on was stored.
func (w *world) arrival(from uint64, subject string) time.Time {
	w.Helper()
	row, err := w.stream.GetMsg(w.Context(), from, jetstream.WithGetMsgSubject(subject))
	must(w, err)
	return row.Time
}

func TestJ23MostWorkers(t *testing.T) {
	for _, c := range []struct {
		name   string
		config jetstream.ConsumerConfig
		batch  int
		want   int
	}{
		{"by default 1,000 rows in flight", jetstream.ConsumerConfig{}, 1, 1000},
		{"rounded up", jetstream.ConsumerConfig{MaxAckPending: 10}, 4, 3},
		{"a batch of nothing is one", jetstream.ConsumerConfig{MaxAckPending: 10}, 0, 10},
		{"unlimited is unknown", jetstream.ConsumerConfig{MaxAckPending: -1}, 4, 0},
		{"no acknowledgements, no limit", jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy}, 4, 0},
		{"one is pinned", jetstream.ConsumerConfig{PriorityPolicy: jetstream.PriorityPolicyPinned, PriorityGroups: []string{"a"}, PinnedTTL: time.Minute}, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, jetstream.StreamConfig{}, c.config)
			if got := w.known(w.reader(Source{Queue: "q", Stream: "S", Consumer: "C", Batch: c.batch})).MostWorkers; got != c.want {
				t.Errorf("%d workers at most, want %d", got, c.want)
			}
		})
	}
}

func TestJ24Oldest(t *testing.T) {
	for _, retention := range retentions {
		t.Run(retention.String(), func(t *testing.T) {
			w := start(t, jetstream.StreamConfig{Retention: retention, AllowDirect: true}, jetstream.ConsumerConfig{FilterSubject: "S.b"})
			reader := w.reader()
			w.publish("S.a", 1)
			w.publish("S.b", 4)
			w.counts(4, 0)
			first, third, fourth := w.arrival(2, "S.b"), w.arrival(4, "S.b"), w.arrival(5, "S.b")
			read := func(want time.Time, when string) {
				t.Helper()
				if b := w.known(reader); !b.Oldest.Equal(want) {
					t.Errorf("%s: the oldest arrived %s, want %s", when, b.Oldest, want)
				}
			}
			read(first, "all are pending")
			rows := w.take(3)
			read(first, "three are in flight")
			w.done(rows[1])
			read(first, "the second is done")
			w.done(rows[0])
			read(third, "the first two are done")
			w.done(rows[2])
			read(fourth, "three are done")
			w.done(w.take(1)...)
			read(time.Time{}, "all are done")
		})
	}
}

func TestJ24OldestOfAConsumerThatBeginsLate(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{FilterSubject: "S.x"})
	w.publish("S.a", 5)
	must(t, w.stream.DeleteConsumer(t.Context(), "C"))
	w.make(jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
	w.publish("S.a", 1)
	w.counts(1, 0)
	b := w.known(w.reader())
	w.want(b, 1, 0)
	if at := w.arrival(6, "S.a"); !b.Oldest.Equal(at) {
		t.Errorf("the oldest arrived %s, want %s", b.Oldest, at)
	}
}

func TestJ25ArrivedAndSettled(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	reader := w.reader()
	w.publish("S.a", 5)
	w.counts(5, 0)
	before := w.known(reader)
	for range 3 { // handed out again and again: neither arrivals nor settled rows
		for _, row := range w.take(2) {
			must(t, row.Nak())
		}
	}
	rows := w.take(2)
	b := w.known(reader)
	if b.Arrived != before.Arrived || b.Settled != before.Settled {
		t.Errorf("%d and %d more arrived and were settled, want none", b.Arrived-before.Arrived, b.Settled-before.Settled)
	}
	w.done(rows...)
	w.done(w.take(3)...)
	w.publish("S.a", 4)
	w.counts(4, 0)
	b = w.known(reader)
	if b.Arrived-before.Arrived != 4 || b.Settled-before.Settled != 5 {
		t.Errorf("%d arrived and %d were settled, want 4 and 5", b.Arrived-before.Arrived, b.Settled-before.Settled)
	}
	again := w.known(w.reader()) // another reader of the same consumer goes on near by
	if again.Arrived < b.Arrived {
		t.Errorf("after a restart %d arrived, %d before it", again.Arrived, b.Arrived)
	}
}

func TestJ20Paused(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	_, err := w.stream.PauseConsumer(t.Context(), "C", time.Now().Add(time.Hour))
	must(t, err)
	w.publish("S.a", 2)
	w.counts(2, 0)
	b := w.known(w.reader())
	w.want(b, 2, 0)
	w.noted(b, "paused for another")
}

func TestSourcesThatCannotBe(t *testing.T) {
	_, err := New(nil, []Source{{Queue: "a", Stream: "S", Consumer: "C", Batch: -1}, {Queue: "a", Stream: "T", Consumer: "C"}, {Queue: "b", Stream: "T", Consumer: "C"}, {Queue: "c"}}, Options{})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"batch -1", "queue a has two sources", "nats T/C is the source of queues a and b", "both need a name"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
}

func TestJ24OldestOfVeryManyFilters(t *testing.T) {
	filters := []string{"S.1", "S.2", "S.3", "S.4", "S.5", "S.6", "S.7", "S.8", "S.9"}
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{FilterSubjects: filters})
	w.publish("S.other", 1)
	w.publish("S.9", 1)
	w.counts(1, 0)
	if b := w.known(w.reader()); !b.Oldest.Equal(w.arrival(1, "S.other")) {
		t.Errorf("the oldest arrived %s, want that of the first row of any subject: older, never younger", b.Oldest)
	}
}

func TestJ16ACountOfTooManySubjects(t *testing.T) {
	w := start(t, jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy, Storage: jetstream.MemoryStorage}, jetstream.ConsumerConfig{FilterSubject: "S.*"})
	for i := range mostSubjects + 1 {
		must(t, w.conn.Publish(fmt.Sprintf("S.%d", i), nil))
	}
	w.counts(mostSubjects+1, 0)
	l := w.lie()
	reader := w.readerOf(l.js, Options{Deaf: true})
	w.known(reader)
	l.says(pendingIs(0))
	w.unknown(reader, "more than 10000", "held until")
}

func TestJ21NoAcknowledgements(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
	reader := w.reader()
	w.publish("S.a", 3)
	w.counts(3, 0)
	w.known(reader)
	w.take(2)
	b := w.known(reader)
	w.want(b, 1, 0)
	w.noted(b, "what is handed out counts as done")
	if b.Settled != 2 {
		t.Errorf("%d settled, want 2", b.Settled)
	}
}

func TestJ32ReadingsAreOneAfterAnother(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{MaxDeliver: 3})
	reader := w.readerOf(w.js, Options{})
	var together sync.WaitGroup
	for range 4 {
		together.Go(func() {
			for range 20 {
				if b := reader.Read(t.Context(), time.Now()); b[0].Err != "" {
					t.Error(b[0].Err)
				}
				reader.Rings("fraud")
			}
		})
	}
	w.publish("S.a", 20)
	w.done(w.take(20)...)
	together.Wait()
}
