package jetstream

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// restricted gives a world, and a second connection to it whose user may publish what is allowed only.
func restricted(t *testing.T, allowed *server.Permissions) (*world, jetstream.JetStream) {
	t.Helper()
	started, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		Users: []*server.User{{Username: "all", Password: "x"}, {Username: "few", Password: "x", Permissions: allowed}},
	})
	must(t, err)
	started.Start()
	t.Cleanup(func() { started.Shutdown(); started.WaitForShutdown() })
	if !started.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server is not ready")
	}
	connect := func(user string) jetstream.JetStream {
		conn, err := nats.Connect("", nats.InProcessServer(started), nats.UserInfo(user, "x"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		must(t, err)
		t.Cleanup(conn.Close)
		js, err := jetstream.New(conn)
		must(t, err)
		return js
	}
	w := &world{TB: t, js: connect("all"), now: time.Now()}
	w.conn = w.js.Conn()
	w.stream, err = w.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"S.>"}})
	must(t, err)
	w.make(jetstream.ConsumerConfig{MaxDeliver: 2})
	return w, connect("few")
}

func publishing(subjects ...string) *server.Permissions {
	return &server.Permissions{Publish: &server.SubjectPermission{Allow: subjects}}
}

func TestJ6RightsMissing(t *testing.T) {
	w, few := restricted(t, publishing("$JS.API.INFO"))
	reader := w.readerOf(few, Options{Timeout: 300 * time.Millisecond})
	w.unknown(reader, "the right to publish to $JS.API.CONSUMER.INFO.S.C is missing: grant it")
	begun := time.Now()
	w.unknown(reader, "is missing") // and is not waited for at every reading
	if took := time.Since(begun); took > 200*time.Millisecond {
		t.Errorf("the second reading took %s", took)
	}
}

func TestJ6AnswersCannotBeReceived(t *testing.T) {
	w, few := restricted(t, &server.Permissions{Subscribe: &server.SubjectPermission{Allow: []string{"other.>"}}})
	w.unknown(w.readerOf(few, Options{Timeout: 300 * time.Millisecond}), "answers cannot be received", "_INBOX")
}

func TestJ6OneRightIsEnough(t *testing.T) {
	w, few := restricted(t, publishing("$JS.API.CONSUMER.INFO.S.C"))
	w.publish("S.a", 3)
	w.counts(3, 0)
	reader := w.readerOf(few, Options{Timeout: 300 * time.Millisecond})
	b := w.known(reader)
	w.want(b, 3, 0)
	w.noted(b, "losses cannot be seen, nor the oldest row", "$JS.API.STREAM.INFO.S is missing")
	w.noted(b, "rows given up may be more", "$JS.API.STREAM.NAMES is missing")
	if !b.Oldest.IsZero() || reader.Rings("fraud") {
		t.Error("neither the oldest row nor a burst can be seen")
	}
}

func TestJ6RightsOfTheRest(t *testing.T) {
	w, few := restricted(t, publishing("$JS.API.CONSUMER.INFO.S.C", "$JS.API.STREAM.INFO.S", "$JS.API.STREAM.NAMES"))
	w.publish("S.a", 3)
	w.counts(3, 0)
	reader := w.readerOf(few, Options{Timeout: 300 * time.Millisecond})
	b := w.known(reader)
	w.noted(b, "the oldest row is unknown", "$JS.API.STREAM.MSG.GET.S is missing")
	w.noted(b, "rows given up may be more", "$JS.API.STREAM.CREATE."+PoisonStream+" is missing")
	if reader.Rings("fraud") {
		t.Error("a consumer could be made")
	}
}

func TestJ6RightsOfAPullAreMissing(t *testing.T) {
	w, few := restricted(t, publishing("$JS.API.CONSUMER.INFO.S.C", "$JS.API.STREAM.INFO.S", "$JS.API.STREAM.MSG.GET.S", "$JS.API.CONSUMER.CREATE.S.*", "$JS.API.CONSUMER.DELETE.S.*"))
	reader := w.readerOf(few, Options{Timeout: 300 * time.Millisecond})
	w.known(reader)
	if reader.Rings("fraud") {
		t.Error("a bell that cannot pull is armed")
	}
}

func TestJ6AllRights(t *testing.T) {
	w, few := restricted(t, publishing(Rights(source)...))
	w.publish("S.a", 3)
	w.counts(3, 0)
	reader := w.readerOf(few, Options{Timeout: time.Second})
	b := w.known(reader)
	w.silentButPulls(b.Notes)
	if b.Oldest.IsZero() || !reader.Rings("fraud") {
		t.Error("something is unknown, or deaf")
	}
	w.giveUp(3)
	w.wantPoisoned(reader, 3)
}

func (w *world) silentButPulls(notes []string) {
	w.Helper()
	for _, note := range notes {
		if !strings.Contains(note, "nobody pulls") {
			w.Errorf("note: %s", note)
		}
	}
}

func TestJ7JetStreamIsNotThere(t *testing.T) {
	started, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	must(t, err)
	started.Start()
	t.Cleanup(started.Shutdown)
	conn, err := nats.Connect("", nats.InProcessServer(started))
	must(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	must(t, err)
	w := &world{TB: t, now: time.Now()}
	w.unknown(w.readerOf(js, Options{}), "nobody answers for JetStream")
}

func TestJ7TheConnectionIsLost(t *testing.T) {
	w, few := restricted(t, publishing(">"))
	reader := w.readerOf(few, Options{Timeout: 300 * time.Millisecond})
	w.known(reader)
	few.Conn().Close()
	w.unknown(reader, "connection closed")
}
