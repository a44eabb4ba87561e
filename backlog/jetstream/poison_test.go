package jetstream

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator/embedded"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

// giveUp hands out all rows of a consumer with MaxDeliver 2 twice, and pulls on until the server gives them up, which it does when somebody pulls.
func (w *world) giveUp(rows int) {
	w.Helper()
	for range 2 {
		for _, row := range w.take(rows) {
			must(w, row.Nak())
		}
	}
	eventually(w, "rows are given up", func() bool {
		w.pull()
		info, err := w.consumer.Info(w.Context())
		return err == nil && info.NumAckPending == 0
	})
}

// pull asks for a row where there should be none, and waits for the answer.
func (w *world) pull() {
	w.Helper()
	batch, err := w.consumer.FetchNoWait(1)
	must(w, err)
	for row := range batch.Messages() {
		must(w, row.Nak())
	}
}

func (w *world) wantPoisoned(reader *Reader, rows int64) {
	w.Helper()
	eventually(w, "poison", func() bool { return w.known(reader).Poisoned == rows })
}

// heard waits until the advisories have come.
func (w *world) heard(reader *Reader, rows int) {
	w.Helper()
	eventually(w, "advisories", func() bool {
		reader.poison.mu.Lock()
		defer reader.poison.mu.Unlock()
		return len(reader.poison.heard[source.String()]) == rows
	})
}

func TestJ19Poison(t *testing.T) {
	for _, retention := range retentions {
		t.Run(retention.String(), func(t *testing.T) {
			w := start(t, jetstream.StreamConfig{Retention: retention}, jetstream.ConsumerConfig{MaxDeliver: 2})
			reader := w.reader()
			w.publish("S.a", 3)
			w.counts(3, 0)
			before := w.known(reader)
			if before.Poisoned != 0 {
				t.Errorf("%d poisoned, want none", before.Poisoned)
			}
			w.giveUp(3)
			w.wantPoisoned(reader, 3)
			b := w.known(reader)
			w.want(b, 0, 0)
			w.silent(b)
			if b.Redelivered != 0 || !b.Oldest.IsZero() {
				t.Errorf("%d redelivered, the oldest of %s: what is given up is neither", b.Redelivered, b.Oldest)
			}
			if b.Arrived != before.Arrived || b.Settled != before.Settled {
				t.Error("what is given up is not settled, and did not arrive again")
			}
			w.publish("S.a", 2)
			w.counts(2, 0)
			w.done(w.take(1)...)
			b = w.known(reader)
			w.want(b, 1, 0)
			if b.Poisoned != 3 {
				t.Errorf("%d poisoned behind the floor, want 3", b.Poisoned)
			}
			must(t, w.stream.Purge(t.Context()))
			b = w.known(reader)
			w.want(b, 0, 0)
			if b.Poisoned != 0 || b.Settled-before.Settled != 5 {
				t.Errorf("%d poisoned, %d settled after a purge, want none and 5", b.Poisoned, b.Settled-before.Settled)
			}
		})
	}
}

func TestJ19OldestBehindPoison(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{MaxDeliver: 2, FilterSubject: "S.a"})
	reader := w.reader()
	for range 3 {
		w.publish("S.a", 1)
		w.publish("S.b", 1)
	}
	w.counts(3, 0)
	w.known(reader)
	w.giveUp(3)
	w.wantPoisoned(reader, 3)
	w.publish("S.a", 2)
	w.take(1)
	w.counts(1, 1)
	want := w.arrival(7, "S.a")
	eventually(t, "the first row that was not given up is the oldest, and nothing is redelivered", func() bool { // once the advisories have come
		b := w.known(reader)
		return b.Oldest.Equal(want) && b.Redelivered == 0 && len(b.Notes) == 1 && strings.Contains(b.Notes[0], "nobody pulls")
	})
}

func TestJ19TheOldestIsGivenUp(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{MaxDeliver: 2})
	reader := w.reader()
	w.publish("S.a", 1)
	w.counts(1, 0)
	w.known(reader) // it is the oldest
	w.giveUp(1)
	w.publish("S.a", 1)
	w.take(1)
	want := w.arrival(2, "S.a")
	eventually(t, "the row behind it is the oldest", func() bool { return w.known(reader).Oldest.Equal(want) })
}

func TestJ19PoisonThatWasDeleted(t *testing.T) {
	for _, retention := range retentions {
		t.Run(retention.String(), func(t *testing.T) {
			w := start(t, jetstream.StreamConfig{Retention: retention}, jetstream.ConsumerConfig{MaxDeliver: 2})
			w.publish("S.a", 3)
			reader := w.reader()
			w.known(reader)
			w.giveUp(3)
			w.wantPoisoned(reader, 3)
			must(t, w.stream.DeleteMsg(t.Context(), 2))
			if b := w.known(reader); b.Poisoned != 2 {
				t.Errorf("%d poisoned, want the 2 that are left", b.Poisoned)
			}
		})
	}
}

func TestJ19PoisonOfOneDelivery(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{MaxDeliver: 1, AckWait: 50 * time.Millisecond})
	w.publish("S.a", 3)
	reader := w.reader()
	w.known(reader)
	w.take(3)
	eventually(t, "rows are given up", func() bool {
		w.pull()
		return w.known(reader).Poisoned == 3
	})
	w.want(w.known(reader), 0, 0)
	must(t, w.stream.Purge(t.Context(), jetstream.WithPurgeSequence(3)))
	reader.streams["S"].asked = time.Now().Add(-time.Hour)
	w.publish("S.a", 2000) // a leap: the stream is looked at
	w.counts(2000, 0)
	if b := w.known(reader); b.Poisoned != 1 {
		t.Errorf("%d poisoned, want the one that is left", b.Poisoned)
	}
}

func TestJ19PoisonOutlivesTheServer(t *testing.T) {
	dir := t.TempDir()
	begin := func() (*world, *embedded.Server) {
		served, err := embedded.Start(embedded.Config{Dir: dir, Port: -1, NoSync: true})
		must(t, err)
		t.Cleanup(served.Stop)
		conn := embeddedtest.Connect(t, served)
		js, err := jetstream.New(conn)
		must(t, err)
		return &world{TB: t, conn: conn, js: js, now: time.Now()}, served
	}
	w, served := begin()
	var err error
	w.stream, err = w.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"S.>"}})
	must(t, err)
	w.make(jetstream.ConsumerConfig{MaxDeliver: 2})
	reader := w.reader()
	w.known(reader)
	w.publish("S.a", 3)
	w.giveUp(3)
	w.wantPoisoned(reader, 3)
	reader.Close()
	w.conn.Close()
	served.Stop()
	w, _ = begin()
	b := w.known(w.reader())
	w.want(b, 0, 0)
	if b.Poisoned != 3 {
		t.Errorf("%d poisoned after a restart, want 3", b.Poisoned)
	}
}

func TestJ19PoisonWhileNobodyWasThere(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{MaxDeliver: 2})
	w.publish("S.a", 2)
	reader := w.reader()
	w.known(reader)
	reader.Close()
	w.giveUp(2)
	w.publish("S.a", 2)
	rows := w.take(2)
	eventually(t, "the advisories are kept", func() bool {
		kept, err := w.js.Stream(t.Context(), PoisonStream)
		return err == nil && kept.CachedInfo().State.Msgs == 2
	})
	b := w.known(w.reader())
	w.want(b, 0, 2)
	if b.Poisoned != 2 {
		t.Errorf("%d poisoned, want 2", b.Poisoned)
	}
	w.done(rows...)
}

func TestJ19PoisonFromBeforeAnybodyListened(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{MaxDeliver: 2})
	w.publish("S.a", 2)
	w.giveUp(2)
	if b := w.known(w.reader()); b.Poisoned != 2 {
		t.Errorf("%d poisoned, want the 2 that are redelivered and in flight no more", b.Poisoned)
	}
}

func TestJ19PoisonOfTheConsumerBefore(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{MaxDeliver: 2})
	w.publish("S.a", 2)
	reader := w.reader()
	w.known(reader)
	w.giveUp(2)
	w.heard(reader, 2)
	must(t, w.stream.DeleteConsumer(t.Context(), "C"))
	w.make(jetstream.ConsumerConfig{MaxDeliver: 2})
	b := w.known(reader)
	w.want(b, 2, 0)
	if b.Poisoned != 0 || !b.Oldest.Equal(w.arrival(1, "S.a")) {
		t.Errorf("%d poisoned, the oldest of %s, but all are handed out again", b.Poisoned, b.Oldest)
	}
	w.take(2)
	if b := w.known(w.reader()); b.Poisoned != 0 || !b.Oldest.Equal(w.arrival(1, "S.a")) {
		t.Errorf("another reader: %d poisoned, the oldest of %s, but all are in flight", b.Poisoned, b.Oldest)
	}
}

func TestJ19PoisonPutBack(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{MaxDeliver: 2})
	w.publish("S.a", 2)
	reader := w.reader()
	w.known(reader)
	w.giveUp(2)
	w.heard(reader, 2)
	_, err := w.js.ResetConsumerToSequence(t.Context(), "S", "C", 1)
	must(t, err)
	b := w.known(reader)
	info, err := w.consumer.Info(t.Context())
	must(t, err)
	// Now and then the server goes on saying that both were delivered and that two are pending behind them (2.15.2): which is the oldest is not known then.
	unknown := info.Delivered.Stream == 2 && b.Oldest.IsZero()
	if b.Pending != 2 || b.Poisoned != 0 || !unknown && !b.Oldest.Equal(w.arrival(1, "S.a")) {
		t.Errorf("%d pending, %d poisoned, the oldest of %s, want 2, none, and the first", b.Pending, b.Poisoned, b.Oldest)
	}
	w.done(w.take(2)...)
	if b := w.known(reader); b.Poisoned != 0 {
		t.Errorf("%d poisoned, but they were done", b.Poisoned)
	}
}

func TestJ19PoisonInAStreamOfTheUsers(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{MaxDeliver: 2})
	_, err := w.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "THEIRS", Subjects: []string{"$JS.EVENT.ADVISORY.CONSUMER.>"}})
	must(t, err)
	w.publish("S.a", 2)
	reader := w.reader()
	w.known(reader)
	w.giveUp(2)
	w.wantPoisoned(reader, 2)
	if _, err := w.js.Stream(t.Context(), PoisonStream); err == nil {
		t.Error("a second stream of advisories was made")
	}
}

func TestJ19PoisonNobodyMayListenTo(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{MaxDeliver: 2})
	_, err := w.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "THEIRS", Subjects: []string{"$JS.EVENT.ADVISORY.CONSUMER.>"}, Retention: jetstream.WorkQueuePolicy})
	must(t, err)
	w.publish("S.a", 2)
	reader := w.reader()
	w.noted(w.known(reader), "rows given up may be more")
	w.giveUp(2)
	if b := w.known(reader); b.Poisoned != 2 {
		t.Errorf("%d poisoned, want the 2 that are redelivered and in flight no more", b.Poisoned)
	}
	w.publish("S.a", 1)
	w.counts(1, 0)
	if b := w.known(reader); !b.Oldest.Equal(w.arrival(3, "S.a")) {
		t.Errorf("the oldest arrived %s, want that of the third row: nothing before it is in flight", b.Oldest)
	}
}
