package jetstream

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func (w *world) rings(reader *Reader) {
	w.Helper()
	select {
	case queue := <-reader.Ring():
		if queue != "fraud" {
			w.Errorf("rang for %q", queue)
		}
	case <-time.After(5 * time.Second):
		w.Fatal("no ring")
	}
}

// quiet wants that nothing rings soon.
func (w *world) quiet(reader *Reader) {
	w.Helper()
	select {
	case <-reader.Ring():
		w.Error("it rang")
	case <-time.After(200 * time.Millisecond):
	}
}

// alone waits until the consumers of ours are gone.
func (w *world) alone(others int) {
	w.Helper()
	eventually(w, "consumers of ours are gone", func() bool {
		info, err := w.stream.Info(w.Context())
		return err == nil && info.State.Consumers == 1+others
	})
}

func TestJ26Doorbell(t *testing.T) {
	for _, retention := range []jetstream.RetentionPolicy{jetstream.LimitsPolicy, jetstream.InterestPolicy} {
		t.Run(retention.String(), func(t *testing.T) {
			w := start(t, jetstream.StreamConfig{Retention: retention}, jetstream.ConsumerConfig{FilterSubject: "S.a"})
			reader := w.readerOf(w.js, Options{})
			w.known(reader)
			if !reader.Rings("fraud") || reader.Rings("another") {
				t.Fatal("the queue's bell is not armed")
			}
			w.publish("S.b", 1)
			w.quiet(reader)
			w.publish("S.a", 3)
			w.rings(reader)
			w.quiet(reader) // once until it is read again
			w.alone(0)
			w.counts(3, 0)
			w.want(w.known(reader), 3, 0)
			w.done(w.take(3)...)
			if b := w.known(reader); b.Pending != 0 || !reader.Rings("fraud") {
				t.Fatal("it is not armed again")
			}
			w.publish("S.a", 1)
			w.rings(reader)
			if info, err := w.consumer.Info(t.Context()); err != nil || info.NumAckPending != 0 || info.Delivered.Consumer != 3 {
				t.Errorf("the bell took a row from the consumer: %+v", info)
			}
			reader.Close()
			w.alone(0)
		})
	}
}

func TestJ26WhatCameSinceTheReadingRings(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	l := w.lie()
	reader := w.readerOf(l.js, Options{})
	l.says(func(map[string]any) { w.publish("S.a", 1) }) // after the server's answer, before the bell
	w.want(w.known(reader), 0, 0)
	w.rings(reader)
}

func TestJ26NoRowRingsTwice(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	l := w.lie()
	reader := w.readerOf(l.js, Options{})
	w.known(reader)
	w.publish("S.a", 1)
	w.rings(reader)
	w.alone(0)
	l.says(pendingIs(0)) // as if it had not been counted yet
	w.known(reader)
	w.quiet(reader)
}

func TestJ27InterestKeepsNothingForABell(t *testing.T) {
	w := start(t, jetstream.StreamConfig{Retention: jetstream.InterestPolicy}, jetstream.ConsumerConfig{})
	reader := w.readerOf(w.js, Options{})
	w.known(reader)
	w.publish("S.a", 5)
	w.rings(reader)
	w.done(w.take(5)...)
	eventually(t, "the stream is empty", func() bool {
		info, err := w.stream.Info(t.Context())
		return err == nil && info.State.Msgs == 0
	})
	w.publish("S.a", 1)
	w.counts(1, 0)
	w.known(reader)
	if reader.Rings("fraud") {
		t.Error("a bell that waits for more than the first row would keep rows")
	}
}

func TestJ27NoBellWherePublishersWouldBeRefused(t *testing.T) {
	w := start(t, jetstream.StreamConfig{Retention: jetstream.InterestPolicy, Discard: jetstream.DiscardNew}, jetstream.ConsumerConfig{})
	reader := w.readerOf(w.js, Options{})
	w.known(reader)
	if reader.Rings("fraud") {
		t.Error("it is armed")
	}
	w.alone(0)
}

func TestJ28NoBellOnAWorkQueue(t *testing.T) {
	w := start(t, jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}, jetstream.ConsumerConfig{})
	_, err := w.stream.CreateConsumer(t.Context(), bellConfig(answer{}, 0, 1))
	var refused *jetstream.APIError
	if !errors.As(err, &refused) || refused.ErrorCode != 10084 && refused.ErrorCode != 10099 {
		t.Fatalf("a server allows it: %v", err)
	}
	reader := w.readerOf(w.js, Options{})
	w.silent(w.known(reader))
	if reader.Rings("fraud") {
		t.Error("it is armed")
	}
}

func TestJ28NoBellWhereConsumersAreFew(t *testing.T) {
	w := start(t, jetstream.StreamConfig{MaxConsumers: 3}, jetstream.ConsumerConfig{})
	reader := w.readerOf(w.js, Options{})
	w.known(reader)
	if !reader.Rings("fraud") {
		t.Error("one of three is the user's: there is room for a bell")
	}
	reader.Close()
	w.alone(0)
	_, err := w.stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "D"})
	must(t, err)
	reader = w.readerOf(w.js, Options{})
	w.known(reader)
	if reader.Rings("fraud") {
		t.Error("two of three are the user's: the third is, too")
	}
}

func TestJ29ABurstBehindABacklog(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	reader := w.readerOf(w.js, Options{})
	w.publish("S.a", 50)
	w.counts(50, 0)
	w.known(reader)
	if !reader.Rings("fraud") {
		t.Fatal("it is not armed")
	}
	w.publish("S.a", 100)
	w.quiet(reader)
	w.publish("S.a", 50) // 200 pending are twice 50, and 100
	w.rings(reader)
	w.counts(200, 0)
	w.known(reader)
	w.done(w.take(200)...)
	w.known(reader) // waits for the first row again, not for 500
	w.publish("S.a", 1)
	w.rings(reader)
}

func TestJ30ADeafReader(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	reader := w.reader()
	w.known(reader)
	if reader.Rings("fraud") {
		t.Error("it is armed")
	}
	w.alone(0)
}

func TestJ30ABellThatIsGone(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	reader := w.readerOf(w.js, Options{})
	w.known(reader)
	for name := range w.stream.ConsumerNames(t.Context()).Name() {
		if name != "C" {
			eventually(t, "the bell's pull is there", func() bool {
				bell, err := w.stream.Consumer(t.Context(), name)
				return err == nil && bell.CachedInfo().NumWaiting == 1
			})
			must(t, w.stream.DeleteConsumer(t.Context(), name))
		}
	}
	eventually(t, "it is known to be gone", func() bool { return !reader.Rings("fraud") })
	w.known(reader)
	if !reader.Rings("fraud") {
		t.Error("it is not armed again")
	}
}

func TestJ30CloseEndsAReading(t *testing.T) {
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	reader := w.readerOf(w.js, Options{})
	w.known(reader)
	reader.Close()
	w.alone(0)
	w.known(reader)
	if reader.Rings("fraud") {
		t.Error("a closed reader arms a bell")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if b := reader.Read(ended, w.now); b[0].Err == "" {
		t.Error("a reading that was ended says nothing of it")
	}
}
