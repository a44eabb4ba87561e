package jetstream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

var checked = orchestrator.NATSSource{Stream: "S", Consumer: "C"}

// sentences are findings as text.
func sentences(found []orchestrator.SourceFinding) (all []string) {
	for _, one := range found {
		all = append(all, fmt.Sprintf("%t %s", one.Refused, one.Found))
	}
	return all
}

// unchanged gives what finds that the consumer is as it is now, but for what the server has still to count.
func (w *world) unchanged() func() {
	before, err := w.consumer.Info(w.Context())
	must(w, err)
	return func() {
		after, err := w.consumer.Info(w.Context())
		must(w, err)
		before.TimeStamp, after.TimeStamp = time.Time{}, time.Time{}
		before.NumPending, after.NumPending = 0, 0
		if diff := cmp.Diff(before, after); diff != "" {
			w.Errorf("the consumer was changed (-before +after):\n%s", diff)
		}
	}
}

// Each right is missed by name, and trying one does nothing: neither is a message purged nor the consumer moved.
func TestCheckMissesRights(t *testing.T) {
	info := []string{"$JS.API.INFO", "$JS.API.STREAM.INFO.S", "$JS.API.CONSUMER.INFO.S.C"}
	missing := func(subject string) string { return "true the right to publish to $JS.API." + subject + " is missing" }
	queue := jetstream.StreamConfig{Name: "S", Subjects: []string{"S.>"}, Retention: jetstream.WorkQueuePolicy, AllowDirect: true}
	for name, test := range map[string]struct {
		queue   bool
		allowed []string
		want    []string
	}{
		"nothing": {want: []string{missing("STREAM.INFO.S"), missing("CONSUMER.INFO.S.C")}, allowed: info[:1]},
		"ranges": {allowed: info, want: []string{
			missing("CONSUMER.CREATE.S.nightshift-doctor"), missing("CONSUMER.MSG.NEXT.S.nightshift-doctor"), missing("CONSUMER.DELETE.S.nightshift-doctor"),
			missing("CONSUMER.RESET.S.C"),
		}},
		"ranges of a work queue": {queue: true, allowed: info, want: []string{missing("DIRECT.GET.S"), missing("STREAM.MSG.GET.S"), missing("STREAM.PURGE.S")}},
		"all":                    {allowed: append([]string{"$JS.API.CONSUMER.*.S.>", "$JS.API.CONSUMER.MSG.NEXT.S.*"}, info...)},
		"all of a work queue":    {queue: true, allowed: append([]string{"$JS.API.STREAM.*.S", "$JS.API.STREAM.MSG.GET.S", "$JS.API.DIRECT.GET.S"}, info...)},
	} {
		t.Run(name, func(t *testing.T) {
			w, few := restricted(t, publishing(test.allowed...))
			if test.queue {
				must(t, w.js.DeleteStream(t.Context(), "S"))
				var err error
				w.stream, err = w.js.CreateStream(t.Context(), queue)
				must(t, err)
				w.make(jetstream.ConsumerConfig{})
			}
			w.publish("S.a", 5)
			w.done(w.take(2)...)
			w.counts(3, 0)
			unchanged := w.unchanged()
			if diff := cmp.Diff(test.want, sentences(Check(t.Context(), few, checked, 0))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			unchanged()
			stream, err := w.stream.Info(t.Context())
			must(t, err)
			if left := map[bool]uint64{true: 3, false: 5}[test.queue]; stream.State.Msgs != left || stream.State.Consumers != 1 {
				t.Errorf("%d messages and %d consumers are left, want %d and one", stream.State.Msgs, stream.State.Consumers, left)
			}
		})
	}
}

func TestCheckSettings(t *testing.T) {
	explicit := jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy}
	for name, test := range map[string]struct {
		stream   jetstream.StreamConfig
		consumer jetstream.ConsumerConfig
		from     orchestrator.NATSSource
		want     string
	}{
		"well":                       {from: checked},
		"no stream":                  {from: orchestrator.NATSSource{Stream: "T", Consumer: "C"}, want: "true there is no stream T in this account"},
		"no consumer":                {from: orchestrator.NATSSource{Stream: "S", Consumer: "D"}, want: "true there is no such consumer"},
		"work queue, no direct gets": {stream: jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}, consumer: explicit, from: checked, want: "true a work queue is read by direct gets, which the stream does not allow"},
		"memory":                     {stream: jetstream.StreamConfig{Storage: jetstream.MemoryStorage}, from: checked, want: "false the stream is kept in memory"},
		"gone before it is due":      {stream: jetstream.StreamConfig{MaxAge: time.Minute}, from: checked, want: "false the stream deletes messages after 1m0s, and they are due within 15m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, test.stream, test.consumer)
			got := strings.Join(sentences(Check(t.Context(), w.js, test.from, 15*time.Minute)), "\n")
			if !strings.HasPrefix(got, test.want) || test.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	for version, fails := range map[string]bool{"2.12.3": true, "2.14.0": false, "2.15.2-RC.1": false, "3.0.0": false, "1.9.0": true} {
		if got := checkVersion(version); (len(got) == 1 && got[0].Refused) != fails {
			t.Errorf("%s: got %v", version, got)
		}
	}
}

func TestCheckReplicas(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cluster  *jetstream.ClusterInfo
		replicas int
		warned   bool
	}{{nil, 1, false}, {&jetstream.ClusterInfo{}, 1, false}, {&jetstream.ClusterInfo{Name: "three"}, 1, true}, {&jetstream.ClusterInfo{Name: "three"}, 3, false}} {
		if got := checkKept(&jetstream.StreamInfo{Config: jetstream.StreamConfig{Replicas: test.replicas}, Cluster: test.cluster}, 0); (len(got) == 1) != test.warned {
			t.Errorf("%+v: got %v", test, got)
		}
	}
}
