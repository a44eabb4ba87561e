package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/e2e/kafkatest"
	"nightshift.dev/nightshift/orchestrator"
)

const dueWithin = 15 * time.Minute

// checked waits until a check says this, in this order, and nothing else; rights take a moment to reach a broker.
func (w *world) checked(connection Connection, source Source, want ...string) {
	w.t.Helper()
	source.Queue = "q"
	must(w.t, eventuallyNil(w.t, func() error {
		found := Check(w.t.Context(), connection, source, dueWithin)
		for i, one := range found {
			if i >= len(want) || !strings.HasPrefix(fmt.Sprintf("%t %s", one.Refused, one.Found), want[i]) {
				return fmt.Errorf("got %+v, want %q", found, want)
			}
		}
		if len(found) != len(want) {
			return fmt.Errorf("got %+v, want %q", found, want)
		}
		return nil
	}))
}

// checkRights gives a user one right after the other, and finds that nothing was changed for it.
func checkRights(t *testing.T, w *world) {
	w.topic("k30", 1)
	w.produce("k30", 0, 3)
	w.commit("g30", "k30", 1)
	w.scramUser("checker", kadm.ScramSha256)
	by := w.protected(Scram256, "checker", kafkatest.Password)
	source := Source{Topic: "k30", Group: "g30"}
	w.checked(by, source, "true ask for topic k30: not allowed; the user needs DESCRIBE on the topic")
	w.allow("checker", kadm.NewACLs().Topics("k30").Operations(kadm.OpDescribe, kadm.OpDescribeConfigs))
	w.allow("checker", kadm.NewACLs().Groups("g30").Operations(kadm.OpDescribe))
	w.checked(by, source, "true the user may not read topic k30", "true the user may not commit offsets for group g30")
	w.allow("checker", kadm.NewACLs().Topics("k30").Operations(kadm.OpRead))
	w.checked(by, source, "true the user may not commit offsets for group g30")
	w.allow("checker", kadm.NewACLs().Groups("g30").Operations(kadm.OpRead))
	w.checked(by, source)
	by.SASL.Password = "hunter2"
	if found := Check(t.Context(), by, Source{Queue: "q", Topic: "k30", Group: "g30"}, 0); len(found) != 1 || !found[0].Refused || strings.Contains(found[0].Found, "hunter2") {
		t.Errorf("with a wrong password: %+v", found)
	}
	if b := w.right(w.reader(source)); b.Parts[0].Settled != 1 {
		t.Errorf("the checks have moved the group: %+v", b.Parts)
	}
}

func checkSettings(t *testing.T, w *world) {
	plain := Connection{Brokers: w.brokers}
	w.checked(plain, Source{Topic: "none", Group: "g31"}, "true topic none does not exist")
	w.topic("k31", 1, "retention.ms=60000")
	w.checked(plain, Source{Topic: "k31", Group: "g31"}, "false topic k31 deletes records after 1m0s, and they are due within 15m0s: what is late is lost")
	w.topic("k31c", 1, "cleanup.policy=compact")
	w.checked(plain, Source{Topic: "k31c", Group: "g31"}, "false topic k31c is compacted: its lag is an upper bound")
}

// checkMembers finds who consumes with the group, by either protocol.
func checkMembers(t *testing.T, w *world) {
	plain := Connection{Brokers: w.brokers}
	w.topic("k32", 1)
	for group, newer := range map[string]bool{"g32": false, "g32n": true} {
		ctx, leave := context.WithCancel(t.Context())
		if newer {
			ctx = context.WithValue(ctx, "opt_in_kafka_next_gen_balancer_beta", true) //nolint:staticcheck // the key is the library's
		}
		member, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics("k32"), kgo.DisableAutoCommit(), kgo.ClientID("somebody"), kgo.WithContext(ctx))
		must(t, err)
		polled := make(chan struct{})
		go func() {
			defer close(polled)
			for ctx.Err() == nil {
				member.PollFetches(ctx)
			}
		}()
		w.checked(plain, Source{Topic: "k32", Group: group}, "true group "+group+" has 1 members (somebody/127.0.0.1)")
		leave()
		<-polled
		member.Close()
	}
}

func checkUnreachable(t *testing.T, _ *world) {
	found := Check(t.Context(), Connection{Brokers: []string{"127.0.0.1:1"}, Timeout: time.Second}, Source{Queue: "q", Topic: "k", Group: "g"}, 0)
	if len(found) != 1 || !found[0].Refused || !strings.Contains(found[0].Found, "connection refused") {
		t.Errorf("%+v", found)
	}
}

// tombstones gives a record without a value and one that is empty.
func tombstones(t *testing.T, w *world) {
	w.topic("k34", 1)
	for _, value := range [][]byte{nil, {}, []byte(`{"id":1}`)} {
		must(t, w.client.ProduceSync(t.Context(), &kgo.Record{Topic: "k34", Key: []byte("k"), Value: value}).FirstErr())
	}
	pending(t, w.right(w.reader(Source{Topic: "k34", Group: "g34"})), 3, false, 1)
	part, err := OpenRange(t.Context(), w.client, Source{Topic: "k34", Group: "g34"}, w.identity("k34"), 0, orchestrator.Range{End: 3})
	must(t, err)
	for at, want := range []string{"", "", `{"id":1}`} {
		message, err := part.Next()
		must(t, err)
		if message.Position != int64(at) || string(message.Payload) != want {
			t.Errorf("record %d: got %+v", at, message)
		}
	}
	if _, err := part.Next(); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("behind the last: %v", err)
	}
}
