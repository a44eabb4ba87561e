package jetstream

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// E16: of a consumer that sizes a pool one right is needed, and each other is missed by what is not known without it. Trying them does nothing.
func TestCheckSizedMissesRights(t *testing.T) {
	info := []string{"$JS.API.INFO", "$JS.API.CONSUMER.INFO.S.C"}
	missing := func(refused, subject string) string {
		return refused + " the right to publish to $JS.API." + subject + " is missing"
	}
	const oldest, burst = ": when the oldest message came is not known", ": a burst is seen at the next reading, and doubtful counts are not counted again"
	for name, test := range map[string]struct {
		allowed []string
		want    []string
	}{
		"nothing":      {want: []string{missing("true", "CONSUMER.INFO.S.C")}, allowed: info[:1]},
		"the consumer": {want: []string{missing("false", "STREAM.INFO.S") + ": what the stream loses is not seen"}, allowed: info},
		"the stream": {allowed: append([]string{"$JS.API.STREAM.INFO.S"}, info...), want: []string{
			missing("false", "STREAM.MSG.GET.S") + oldest,
			missing("false", "CONSUMER.CREATE.S.nightshift-doctor") + burst, missing("false", "CONSUMER.MSG.NEXT.S.nightshift-doctor") + burst, missing("false", "CONSUMER.DELETE.S.nightshift-doctor") + burst,
		}},
		"all": {allowed: append([]string{"$JS.API.CONSUMER.*.S.>", "$JS.API.CONSUMER.MSG.NEXT.S.*", "$JS.API.STREAM.INFO.S", "$JS.API.STREAM.MSG.GET.S"}, info...)},
	} {
		t.Run(name, func(t *testing.T) {
			w, few := restricted(t, publishing(test.allowed...))
			w.publish("S.a", 5)
			w.take(2)
			unchanged := w.unchanged()
			if diff := cmp.Diff(test.want, sentences(CheckSized(t.Context(), few, checked, 0))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			unchanged()
		})
	}
}

// E16: what makes counts of a consumer mean nothing is refused; that somebody uses it is not.
func TestCheckSizedSettings(t *testing.T) {
	t.Parallel()
	queue := jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}
	for name, test := range map[string]struct {
		stream   jetstream.StreamConfig
		consumer jetstream.ConsumerConfig
		from     orchestrator.NATSSource
		want     []string
	}{
		"well":              {from: checked},
		"a work queue":      {stream: queue, from: checked},
		"no stream":         {from: orchestrator.NATSSource{Stream: "T", Consumer: "C"}, want: []string{"true there is no stream T in this account"}},
		"no consumer":       {from: orchestrator.NATSSource{Stream: "S", Consumer: "D"}, want: []string{"true there is no such consumer"}},
		"no acknowledgment": {consumer: jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy}, from: checked, want: []string{"true the consumer takes no acknowledgements: what is handed out counts as done, and whoever works on it may be ended"}},
		"one for all":       {consumer: jetstream.ConsumerConfig{AckPolicy: jetstream.AckAllPolicy}, from: checked, want: []string{"true an acknowledgement of the consumer is one of all messages before it, also of those that others work on"}},
		"gone while at zero": {consumer: jetstream.ConsumerConfig{InactiveThreshold: time.Hour}, from: checked, want: []string{
			"true the server deletes the consumer when nobody has pulled for 1h0m0s, as while the pool is at zero",
		}},
		"gone before it is due": {stream: jetstream.StreamConfig{MaxAge: time.Minute}, from: checked, want: []string{"false the stream deletes messages after 1m0s, and they are due within 15m0s: what is late is lost"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, test.stream, test.consumer)
			w.publish("S.a", 3)
			w.take(1)
			if diff := cmp.Diff(test.want, sentences(CheckSized(t.Context(), w.js, test.from, 15*time.Minute))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{})
	_, err := w.js.CreatePushConsumer(t.Context(), "S", jetstream.ConsumerConfig{Durable: "P", DeliverSubject: "to.somebody"})
	must(t, err)
	if diff := cmp.Diff([]string{"true the consumer pushes"}, sentences(CheckSized(t.Context(), w.js, orchestrator.NATSSource{Stream: "S", Consumer: "P"}, 0))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
