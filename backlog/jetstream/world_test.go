package jetstream

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

// world is a server with one stream S of subjects S.> and one consumer C on it.
type world struct {
	testing.TB
	conn     *nats.Conn
	js       jetstream.JetStream
	stream   jetstream.Stream
	consumer jetstream.Consumer
	now      time.Time
}

var source = Source{Queue: "fraud", Stream: "S", Consumer: "C"}

// start gives a world whose stream and consumer are as said; names and subjects are set here.
func start(t testing.TB, stream jetstream.StreamConfig, consumer jetstream.ConsumerConfig) *world {
	t.Helper()
	conn := embeddedtest.Connect(t, embeddedtest.Start(t))
	js, err := jetstream.New(conn)
	must(t, err)
	w := &world{TB: t, conn: conn, js: js, now: time.Now()}
	stream.Name, stream.Subjects = "S", []string{"S.>"}
	w.stream, err = js.CreateStream(t.Context(), stream)
	must(t, err)
	w.make(consumer)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) make(config jetstream.ConsumerConfig) {
	w.Helper()
	config.Durable = "C"
	var err error
	w.consumer, err = w.stream.CreateConsumer(w.Context(), config)
	must(w, err)
}

// publish stores rows on a subject.
func (w *world) publish(subject string, rows int) {
	w.Helper()
	for range rows {
		_, err := w.js.Publish(w.Context(), subject, []byte("row"))
		must(w, err)
	}
}

// counts waits until the server's counters stand: it counts arrivals a moment after it has acknowledged them.
func (w *world) counts(pending, inFlight int) {
	w.Helper()
	eventually(w, fmt.Sprintf("%d pending and %d in flight", pending, inFlight), func() bool {
		info, err := w.consumer.Info(w.Context())
		return err == nil && info.NumPending == uint64(pending) && info.NumAckPending == inFlight
	})
}

func (w *world) take(rows int) []jetstream.Msg {
	w.Helper()
	batch, err := w.consumer.Fetch(rows, jetstream.FetchMaxWait(2*time.Second))
	must(w, err)
	var taken []jetstream.Msg
	for row := range batch.Messages() {
		taken = append(taken, row)
	}
	if len(taken) != rows {
		w.Fatalf("took %d rows, want %d (%v)", len(taken), rows, batch.Error())
	}
	return taken
}

func (w *world) done(rows ...jetstream.Msg) {
	w.Helper()
	for _, row := range rows {
		must(w, row.DoubleAck(w.Context()))
	}
}

func (w *world) reader(sources ...Source) *Reader {
	w.Helper()
	return w.readerOf(w.js, Options{Deaf: true}, sources...)
}

func (w *world) readerOf(js jetstream.JetStream, options Options, sources ...Source) *Reader {
	w.Helper()
	if len(sources) == 0 {
		sources = []Source{source}
	}
	reader, err := New(js, sources, options)
	must(w, err)
	w.Cleanup(reader.Close)
	return reader
}

// read reads one source, a second after the reading before.
func (w *world) read(reader *Reader) orchestrator.Backlog {
	w.Helper()
	w.now = w.now.Add(time.Second)
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	backlogs := reader.Read(ctx, w.now)
	if !backlogs[0].At.Equal(w.now) || backlogs[0].Source != reader.sources[0].source.String() {
		w.Fatalf("the reading says %+v", backlogs[0].Reading)
	}
	return backlogs[0]
}

// known is a reading that has to be good.
func (w *world) known(reader *Reader) orchestrator.Backlog {
	w.Helper()
	b := w.read(reader)
	if b.Err != "" {
		w.Fatalf("the reading has an error: %s", b.Err)
	}
	return b
}

// unknown is a reading that has to have an error that says all of this.
func (w *world) unknown(reader *Reader, says ...string) {
	w.Helper()
	b := w.read(reader)
	if b.Err == "" || b.Pending != -1 || b.InFlight != -1 || b.Redelivered != -1 || b.Poisoned != -1 || b.Arrived != -1 || b.Settled != -1 {
		w.Fatalf("want an error and nothing known, got %+v", b)
	}
	for _, part := range says {
		if !strings.Contains(b.Err, part) {
			w.Errorf("the error says %q, not %q", b.Err, part)
		}
	}
}

func (w *world) want(b orchestrator.Backlog, pending, inFlight int64) {
	w.Helper()
	if b.Pending != pending || b.InFlight != inFlight {
		w.Errorf("%d pending, %d in flight, want %d and %d (%q)", b.Pending, b.InFlight, pending, inFlight, b.Notes)
	}
}

// noted wants a note that says all of this.
func (w *world) noted(b orchestrator.Backlog, says ...string) {
	w.Helper()
	for _, note := range b.Notes {
		missing := 0
		for _, part := range says {
			if !strings.Contains(note, part) {
				missing++
			}
		}
		if missing == 0 {
			return
		}
	}
	w.Errorf("no note says %q: %q", says, b.Notes)
}

func (w *world) silent(b orchestrator.Backlog) {
	w.Helper()
	if len(b.Notes) > 0 {
		w.Errorf("notes where nothing is odd: %q", b.Notes)
	}
}

// eventually waits for something that a server does by itself.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 15 s: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
