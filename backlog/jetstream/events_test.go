package jetstream

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestJ3ConsumerMissing(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	w.publish("S.a", 10)
	reader := w.reader(Source{Queue: "q", Stream: "S", Consumer: "X"})
	w.unknown(reader, "stream S has no consumer X")
	reader = w.reader()
	w.counts(10, 0)
	w.want(w.known(reader), 10, 0)
	must(t, w.stream.DeleteConsumer(t.Context(), "C"))
	w.unknown(reader, "stream S has no consumer C")
}

func TestJ4StreamMissing(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	w.unknown(w.reader(Source{Queue: "q", Stream: "X", Consumer: "C"}), "there is no stream X")
	reader := w.reader()
	w.known(reader)
	must(t, w.js.DeleteStream(t.Context(), "S"))
	w.unknown(reader)
}

func TestJ5PushConsumer(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	_, err := w.stream.CreatePushConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "P", DeliverSubject: "x.y"})
	must(t, err)
	w.unknown(w.reader(Source{Queue: "q", Stream: "S", Consumer: "P"}), "consumer P pushes", "make a pull consumer")
}

func TestJ11Purged(t *testing.T) {
	for _, retention := range retentions {
		t.Run(retention.String(), func(t *testing.T) {
			w := start(t, jetstream.StreamConfig{Retention: retention}, jetstream.ConsumerConfig{})
			reader := w.reader()
			w.publish("S.a", 10)
			w.done(w.take(3)...)
			w.take(2)
			w.counts(5, 2)
			before := w.known(reader)
			must(t, w.stream.Purge(t.Context()))
			b := w.known(reader)
			w.want(b, 0, 0)
			w.noted(b, "5 rows with sequences from 6 to 10 were removed", "lost, not done")
			if b.Arrived != before.Arrived || b.Settled != before.Settled+7 {
				t.Errorf("%d arrived, %d settled, want %d and %d", b.Arrived, b.Settled, before.Arrived, before.Settled+7)
			}
			w.publish("S.a", 4)
			w.counts(4, 0)
			b = w.known(reader)
			w.want(b, 4, 0)
			w.silent(b)
		})
	}
}

func TestJ11PurgedInPart(t *testing.T) {
	for _, retention := range retentions {
		t.Run(retention.String(), func(t *testing.T) {
			w := start(t, jetstream.StreamConfig{Retention: retention}, jetstream.ConsumerConfig{FilterSubject: "S.a"})
			reader := w.reader()
			w.publish("S.a", 10)
			w.counts(10, 0)
			w.known(reader)
			must(t, w.stream.Purge(t.Context(), jetstream.WithPurgeSequence(5)))
			b := w.known(reader)
			w.want(b, 6, 0)
			w.noted(b, "at least 4 rows with sequences from 1 to 4 were removed")
			if at := w.arrival(5, "S.a"); !b.Oldest.Equal(at) {
				t.Errorf("the oldest arrived %s, want %s", b.Oldest, at)
			}
			w.silent(w.known(reader))
		})
	}
}

func TestJ12LimitsRemoveUnread(t *testing.T) {
	w := start(t, jetstream.StreamConfig{MaxMsgs: 5}, jetstream.ConsumerConfig{})
	reader := w.reader()
	w.publish("S.a", 5)
	w.counts(5, 0)
	before := w.known(reader)
	w.publish("S.a", 7)
	w.counts(5, 0) // as many as before, others
	reader.streams["S"].asked = time.Now().Add(-streamEvery - time.Second)
	b := w.known(reader)
	w.want(b, 5, 0)
	w.noted(b, "7 rows with sequences from 1 to 7 were removed", "lost, not done")
	if b.Arrived != before.Arrived+7 || b.Settled != before.Settled+7 {
		t.Errorf("%d arrived, %d settled, want 7 more of each than %d and %d", b.Arrived, b.Settled, before.Arrived, before.Settled)
	}
	if at := w.arrival(8, "S.a"); !b.Oldest.Equal(at) {
		t.Errorf("the oldest arrived %s, want %s", b.Oldest, at)
	}
	w.silent(w.known(reader))
}

func TestJ12AgeRemovesUnread(t *testing.T) {
	w := start(t, jetstream.StreamConfig{MaxAge: 500 * time.Millisecond}, jetstream.ConsumerConfig{})
	reader := w.reader()
	w.publish("S.a", 3)
	w.counts(3, 0)
	w.known(reader)
	w.counts(0, 0)
	b := w.known(reader)
	w.want(b, 0, 0)
	w.noted(b, "3 rows with sequences from 1 to 3 were removed")
}

func TestJ12LimitsRemoveUnreadOfAFilter(t *testing.T) {
	w := start(t, jetstream.StreamConfig{MaxMsgs: 5}, jetstream.ConsumerConfig{FilterSubject: "S.a"})
	reader := w.reader()
	w.publish("S.a", 5)
	w.counts(5, 0)
	w.known(reader)
	w.publish("S.a", 4)
	w.publish("S.b", 1)
	w.counts(4, 0)
	reader.streams["S"].asked = time.Now().Add(-streamEvery - time.Second)
	w.noted(w.known(reader), "at least 1 rows with sequences from 1 to 5 were removed")
	w.silent(w.known(reader))
	w.done(w.take(4)...)
	w.publish("S.b", 20) // others' rows that go are no loss
	reader.streams["S"].asked = time.Now().Add(-streamEvery - time.Second)
	w.silent(w.known(reader))
}

func TestJ13FilterChanged(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{FilterSubjects: []string{"S.a", "S.b"}})
	reader := w.reader()
	w.publish("S.a", 5)
	w.publish("S.b", 3)
	w.counts(8, 0)
	before := w.known(reader)
	_, err := w.stream.UpdateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "C", FilterSubject: "S.b"})
	must(t, err)
	b := w.known(reader)
	w.want(b, 3, 0)
	w.noted(b, "filter was changed from S.a, S.b to S.b", "8 rows waited or were in flight before, 3 do now")
	if at := w.arrival(6, "S.b"); !b.Oldest.Equal(at) {
		t.Errorf("the oldest arrived %s, want %s", b.Oldest, at)
	}
	if b.Arrived != before.Arrived || b.Settled != before.Settled+5 {
		t.Errorf("%d arrived, %d settled, want %d and %d", b.Arrived, b.Settled, before.Arrived, before.Settled+5)
	}
	w.silent(w.known(reader))
}

func TestJ13FiltersInAnotherOrder(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{FilterSubjects: []string{"S.a", "S.b"}})
	reader := w.reader()
	w.known(reader)
	_, err := w.stream.UpdateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "C", FilterSubjects: []string{"S.b", "S.a"}})
	must(t, err)
	w.silent(w.known(reader))
}

func TestJ14MadeAgain(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	reader := w.reader()
	w.publish("S.a", 5)
	w.done(w.take(4)...)
	w.counts(1, 0)
	before := w.known(reader)
	must(t, w.stream.DeleteConsumer(t.Context(), "C"))
	w.make(jetstream.ConsumerConfig{})
	b := w.known(reader)
	w.want(b, 5, 0) // they all have to be done again
	w.noted(b, "deleted and made again", "1 rows waited or were in flight before, 5 do now")
	if b.Arrived != before.Arrived+4 || b.Settled != before.Settled {
		t.Errorf("%d arrived, %d settled, want %d and %d", b.Arrived, b.Settled, before.Arrived+4, before.Settled)
	}
	w.silent(w.known(reader))
}

func TestJ15PutBack(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	reader := w.reader()
	w.publish("S.a", 5)
	w.done(w.take(5)...)
	w.known(reader)
	_, err := w.js.ResetConsumerToSequence(t.Context(), "S", "C", 3)
	must(t, err)
	b := w.known(reader)
	w.want(b, 3, 0)
	w.noted(b, "put back from sequence 5 to 2")
	if at := w.arrival(3, "S.a"); !b.Oldest.Equal(at) {
		t.Errorf("the oldest arrived %s, want %s", b.Oldest, at)
	}
}

func TestJ11DeletedFromTheMiddle(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{FilterSubject: "S.a"})
	reader := w.reader()
	w.publish("S.a", 10)
	w.counts(10, 0)
	before := w.known(reader)
	must(t, w.stream.DeleteMsg(t.Context(), 4))
	must(t, w.stream.DeleteMsg(t.Context(), 6))
	b := w.known(reader)
	w.want(b, 8, 0)
	w.noted(b, "at least 2 rows with sequences from 1 to 10 were removed")
	if b.Arrived != before.Arrived || b.Settled != before.Settled+2 {
		t.Errorf("%d arrived, %d settled, want %d and %d", b.Arrived, b.Settled, before.Arrived, before.Settled+2)
	}
}
