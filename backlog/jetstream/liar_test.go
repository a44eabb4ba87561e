package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// liar stands between a reader and a real server. It changes answers in ways that servers were seen to err, keeps silent, and counts.
type liar struct {
	js jetstream.JetStream

	mu     sync.Mutex
	change func(info map[string]any) // consumer infos
	silent func(subject string) bool
	asked  map[string]int // by the kind of request
	open   int            // requests without an answer
	most   int
}

// lie gives a liar in front of a world's server.
func (w *world) lie() *liar {
	w.Helper()
	js, err := jetstream.NewWithAPIPrefix(w.conn, "LIES")
	must(w, err)
	l := &liar{js: js, asked: map[string]int{}}
	listening, err := w.conn.Subscribe("LIES.>", func(request *nats.Msg) { go l.pass(w, request) })
	must(w, err)
	w.Cleanup(func() { _ = listening.Unsubscribe() })
	return l
}

func (l *liar) pass(w *world, request *nats.Msg) {
	subject := strings.TrimPrefix(request.Subject, "LIES.")
	if request.Reply == "" || !l.enter(subject) {
		return
	}
	if strings.HasPrefix(subject, "CONSUMER.MSG.NEXT.") { // answered by messages, later
		_ = w.conn.PublishRequest("$JS.API."+subject, request.Reply, request.Data)
		l.mu.Lock()
		l.open--
		l.mu.Unlock()
		return
	}
	answer, err := w.conn.Request("$JS.API."+subject, request.Data, 5*time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if err != nil {
		return
	}
	if l.change != nil && strings.HasPrefix(subject, "CONSUMER.INFO.") {
		var info map[string]any
		if json.Unmarshal(answer.Data, &info) == nil && info["error"] == nil {
			l.change(info)
			answer.Data, _ = json.Marshal(info)
		}
	}
	_ = request.RespondMsg(&nats.Msg{Data: answer.Data, Header: answer.Header})
}

func (l *liar) enter(subject string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	tokens := strings.SplitN(subject, ".", 3)
	l.asked[tokens[0]+"."+tokens[1]]++
	if l.silent != nil && l.silent(subject) {
		return false
	}
	l.open++
	l.most = max(l.most, l.open)
	return true
}

func (l *liar) says(change func(info map[string]any)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.change = change
}

func (l *liar) keepsSilentOn(part string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = func(subject string) bool { return part != "" && strings.Contains(subject, part) }
}

// counted gives the requests since the last count.
func (l *liar) counted() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := l.asked
	l.asked = map[string]int{}
	return asked
}

func pendingIs(rows int) func(map[string]any) {
	return func(info map[string]any) { info["num_pending"] = rows }
}

func TestJ8NoLeader(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	l := w.lie()
	reader := w.readerOf(l.js, Options{Deaf: true})
	l.says(func(info map[string]any) { info["cluster"] = map[string]any{"name": "c", "replicas": []any{}} })
	w.unknown(reader, "no leader")
	l.says(func(info map[string]any) { info["cluster"] = map[string]any{"name": "c", "leader": "n1"} })
	w.known(reader)
	l.says(nil)
	w.unknown(reader, "names no leader")
}

func TestJ9OldAnswers(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	l := w.lie()
	reader := w.readerOf(l.js, Options{Deaf: true})
	w.known(reader)
	l.says(func(info map[string]any) { info["ts"] = time.Now().Add(-time.Hour).UTC() })
	w.unknown(reader, "older than the one before")
	l.says(func(info map[string]any) { delete(info, "ts") })
	w.unknown(reader, "not when it was given")
	l.says(nil)
	w.known(reader)
}

func TestJ7NobodyAnswers(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	_, err := w.stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "D"})
	must(t, err)
	l := w.lie()
	reader := w.readerOf(l.js, Options{Deaf: true, Timeout: 300 * time.Millisecond}, source, Source{Queue: "other", Stream: "S", Consumer: "D"})
	l.keepsSilentOn("CONSUMER.INFO.S.C")
	begun := time.Now()
	w.unknown(reader, "no answer within 300ms on LIES.CONSUMER.INFO.S.C")
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("the reading took %s", took)
	}
	if b := reader.Read(t.Context(), w.now, "other"); len(b) != 1 || b[0].Err != "" {
		t.Errorf("the other queue's reading is %+v", b)
	}
	l.keepsSilentOn("")
	w.known(reader)
}

func TestJ16CounterTooLow(t *testing.T) {
	for _, c := range []struct {
		name     string
		stream   jetstream.StreamConfig
		consumer jetstream.ConsumerConfig
	}{
		{"limits", jetstream.StreamConfig{}, jetstream.ConsumerConfig{}},
		{"limits, filter", jetstream.StreamConfig{}, jetstream.ConsumerConfig{FilterSubject: "S.a"}},
		{"interest, filters", jetstream.StreamConfig{Retention: jetstream.InterestPolicy}, jetstream.ConsumerConfig{FilterSubjects: []string{"S.a", "S.c"}}},
		{"work queue", jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}, jetstream.ConsumerConfig{}},
		{"work queue, filters", jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}, jetstream.ConsumerConfig{FilterSubjects: []string{"S.a", "S.c"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, c.stream, c.consumer)
			l := w.lie()
			reader := w.readerOf(l.js, Options{Deaf: true})
			w.publish("S.a", 12)
			w.take(2)
			w.counts(10, 2)
			before := w.known(reader)
			l.says(pendingIs(0))
			b := w.known(reader)
			w.want(b, 10, 2)
			w.noted(b, "the server says that 0 rows are pending, a new count says 10")
			if b.Arrived != before.Arrived || b.Settled != before.Settled {
				t.Errorf("arrived and settled went from %d and %d to %d and %d", before.Arrived, before.Settled, b.Arrived, b.Settled)
			}
			w.want(w.known(reader), 10, 2) // as long as it errs
			l.says(nil)
			b = w.known(reader)
			w.want(b, 10, 2)
			w.noCounters(t)
		})
	}
}

// noCounters checks that no consumer of ours is left behind.
func (w *world) noCounters(t *testing.T) {
	t.Helper()
	info, err := w.stream.Info(t.Context())
	must(t, err)
	if info.State.Consumers != 1 {
		t.Errorf("%d consumers are left, want the user's alone", info.State.Consumers)
	}
}

func TestJ16ASecondAnswerIsEnough(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{FilterSubject: "S.a"})
	l := w.lie()
	reader := w.readerOf(l.js, Options{Deaf: true})
	w.publish("S.a", 5)
	w.counts(5, 0)
	w.known(reader)
	l.counted()
	times := 0
	l.says(func(info map[string]any) { // once only
		if times++; times == 1 {
			info["num_pending"] = 1
		}
	})
	b := w.known(reader)
	w.want(b, 5, 0)
	w.silent(b)
	if asked := l.counted(); asked["CONSUMER.CREATE"] != 0 || asked["CONSUMER.INFO"] != 2 {
		t.Errorf("asked %v", asked)
	}
}

func TestJ17CounterTooHigh(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	l := w.lie()
	w.publish("S.a", 5)
	w.counts(5, 0)
	l.says(pendingIs(1_000_000))
	b := w.known(w.readerOf(l.js, Options{Deaf: true})) // at the first reading
	w.want(b, 5, 0)
	w.noted(b, "a new count says 5")
	reader := w.readerOf(l.js, Options{Deaf: true})
	l.says(nil)
	w.known(reader)
	l.says(pendingIs(1_000_000)) // and at a later one
	b = w.known(reader)
	w.want(b, 5, 0)
	if b.UpperBound {
		t.Error("a count is no upper bound")
	}
}

func TestJ17TooHighAndNoCount(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{FilterSubject: "S.a"})
	l := w.lie()
	w.publish("S.a", 5)
	w.publish("S.b", 5)
	w.counts(5, 0)
	l.says(pendingIs(1_000_000))
	l.keepsSilentOn("CONSUMER.CREATE")
	b := w.known(w.readerOf(l.js, Options{Deaf: true, Timeout: 300 * time.Millisecond}))
	w.want(b, 10, 0)
	w.noted(b, "the stream holds 10 at most")
	if !b.UpperBound {
		t.Error("it is an upper bound")
	}
}

func TestJ18HeldWhileItCannotBeCounted(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{FilterSubject: "S.a"})
	l := w.lie()
	reader := w.readerOf(l.js, Options{Deaf: true, Timeout: 200 * time.Millisecond})
	w.publish("S.a", 5)
	w.counts(5, 0)
	w.known(reader)
	l.says(pendingIs(0))
	l.keepsSilentOn("CONSUMER.CREATE")
	w.unknown(reader, "5 rows are pending no more but were not delivered", "held until")
	w.now = w.now.Add(doubtFor - 5*time.Second)
	w.unknown(reader, "held until")
	w.now = w.now.Add(5 * time.Second)
	b := w.known(reader)
	w.want(b, 0, 0)
	w.noted(b, "what became of them could not be found out")
	l.says(nil)
	w.want(w.known(reader), 5, 0)
	l.says(pendingIs(0))
	w.unknown(reader, "held until") // a new doubt has its own time
}

// TestJ1DeliveriesThatFollowersHaveNotStored is a leader of three that has handed out rows, and counts the deliveries once the others have stored them.
func TestJ1DeliveriesThatFollowersHaveNotStored(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{FilterSubject: "S.a"})
	l := w.lie()
	three := map[string]any{"name": "c", "leader": "n1", "replicas": []any{map[string]any{"name": "n2", "current": true}, map[string]any{"name": "n3", "current": true}}}
	l.says(func(info map[string]any) { info["cluster"] = three })
	reader := w.readerOf(l.js, Options{Deaf: true})
	w.publish("S.a", 10)
	w.counts(10, 0)
	before := w.known(reader)
	w.take(4)
	w.counts(6, 4)
	l.says(func(info map[string]any) {
		info["cluster"], info["delivered"] = three, map[string]any{"consumer_seq": 1, "stream_seq": 1}
	})
	l.counted()
	b := w.known(reader)
	w.want(b, 6, 4)
	if asked := l.counted(); asked["CONSUMER.INFO"] != 1 {
		t.Errorf("asked %v, but nothing is odd", asked)
	}
	if b.Arrived != before.Arrived || b.Settled != before.Settled {
		t.Errorf("arrived and settled went from %d and %d to %d and %d", before.Arrived, before.Settled, b.Arrived, b.Settled)
	}
	l.says(func(info map[string]any) { info["cluster"] = three })
	if b := w.known(reader); b.Arrived != before.Arrived || b.Settled != before.Settled {
		t.Errorf("afterwards %d arrived, %d settled, want %d and %d", b.Arrived, b.Settled, before.Arrived, before.Settled)
	}
}

func TestJ9AnotherLeadersClock(t *testing.T) {
	before := &known{counts: counts{clustered: true, leader: "n1", at: time.Unix(100, 0), created: time.Unix(1, 0)}}
	other := before.counts
	other.leader, other.at = "n2", time.Unix(99, 0)
	again := before.counts
	again.created, again.at = time.Unix(2, 0), time.Unix(99, 0)
	if err := errors.Join(refuse(before, other), refuse(before, again)); err != nil {
		t.Errorf("the clock of another leader, or another consumer, is not that of the one before: %v", err)
	}
}

func TestJ16ACountWithRowsDeletedAndGivenUp(t *testing.T) {
	for _, retention := range retentions {
		t.Run(retention.String(), func(t *testing.T) {
			w := start(t, jetstream.StreamConfig{Retention: retention}, jetstream.ConsumerConfig{MaxDeliver: 2})
			l := w.lie()
			reader := w.readerOf(l.js, Options{Deaf: true})
			w.publish("S.a", 2)
			w.known(reader)
			w.giveUp(2)
			w.publish("S.a", 10)
			for _, sequence := range []uint64{5, 7, 9} {
				must(t, w.stream.DeleteMsg(t.Context(), sequence))
			}
			w.counts(7, 0)
			w.wantPoisoned(reader, 2)
			l.says(pendingIs(0))
			w.want(w.known(reader), 7, 0)
		})
	}
}

// TestJ21LastOfEachSubject is a consumer that begins with the last row of each subject: no other can begin where it is.
func TestJ21LastOfEachSubject(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	must(t, w.stream.DeleteConsumer(t.Context(), "C"))
	w.publish("S.a", 3)
	w.publish("S.b", 1)
	w.make(jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubject: "S.*"})
	l := w.lie()
	reader := w.readerOf(l.js, Options{})
	w.want(w.known(reader), 2, 0)
	if reader.Rings("fraud") {
		t.Error("a bell is armed")
	}
	l.says(pendingIs(0))
	w.unknown(reader, "the last row of each subject only", "held until")
}

func TestJ32AReadingBeginsAnywhere(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	var sources []Source
	for _, name := range []string{"a", "b", "c", "d"} {
		_, err := w.stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: name})
		must(t, err)
		sources = append(sources, Source{Queue: name, Stream: "S", Consumer: name})
	}
	reader := w.readerOf(w.js, Options{Deaf: true, AtOnce: 1, PerSecond: 20}, sources...)
	read := map[string]bool{}
	eventually(t, "every queue is read, though no reading has the time for all", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 70*time.Millisecond)
		defer cancel()
		for _, b := range reader.Read(ctx, time.Now()) {
			read[b.Queue] = read[b.Queue] || b.Err == ""
		}
		return read["a"] && read["b"] && read["c"] && read["d"]
	})
}

func TestJ32OneRequest(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	l := w.lie()
	reader := w.readerOf(l.js, Options{Deaf: true})
	w.publish("S.a", 5)
	w.counts(5, 0)
	w.known(reader)
	if asked := l.counted(); len(asked) != 3 || asked["CONSUMER.INFO"] != 1 || asked["STREAM.INFO"] != 1 || asked["STREAM.MSG"] != 1 {
		t.Errorf("the first reading asked %v, want the consumer, the stream, and the oldest row", asked)
	}
	for range 3 {
		w.known(reader)
	}
	if asked := l.counted(); len(asked) != 1 || asked["CONSUMER.INFO"] != 3 {
		t.Errorf("three readings asked %v, want the consumer thrice", asked)
	}
}

func TestJ32BoundedAtOnce(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	var sources []Source
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		_, err := w.stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: name})
		must(t, err)
		sources = append(sources, Source{Queue: name, Stream: "S", Consumer: name})
	}
	l := w.lie()
	reader := w.readerOf(l.js, Options{Deaf: true, AtOnce: 2}, sources...)
	for range 10 {
		for _, b := range reader.Read(t.Context(), time.Now()) {
			if b.Err != "" {
				t.Fatal(b.Err)
			}
		}
	}
	if l.mu.Lock(); l.most > 2 {
		t.Errorf("%d requests at once, want 2 at most", l.most)
	}
	l.mu.Unlock()
	slow := w.readerOf(l.js, Options{Deaf: true, AtOnce: 1, PerSecond: 20}, sources...)
	begun := time.Now()
	slow.Read(t.Context(), time.Now()) // 9 requests, the first of them at once
	if took := time.Since(begun); took < 350*time.Millisecond {
		t.Errorf("9 requests took %s at 20 per second", took)
	}
}
