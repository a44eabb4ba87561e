package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	backlog "nightshift.dev/nightshift/backlog/jetstream"
	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
)

// payments is a stream with so many messages of two subjects in turn, 1 to N, and the pull consumer "scoring" of the subjects.
func payments(t *testing.T, config jetstream.StreamConfig, messages int, subjects ...string) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(embeddedtest.Connect(t, embeddedtest.Start(t)))
	if err != nil {
		t.Fatal(err)
	}
	config.Name, config.Subjects = "PAYMENTS", []string{"pay.*"}
	stream, err := js.CreateStream(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "scoring", FilterSubjects: subjects, AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	publish(t, js, 1, messages)
	return js
}

func publish(t *testing.T, js jetstream.JetStream, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if _, err := js.PublishAsync([]string{"pay.even", "pay.odd"}[i%2], []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

// read gives the positions of a range, those that are lost as negative numbers.
func read(ctx context.Context, t *testing.T, js jetstream.JetStream, source orchestrator.NATSSource, from, to int64) (list []int64) {
	t.Helper()
	part, err := backlog.OpenRange(ctx, js, source, orchestrator.Range{Start: from, End: to})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = part.Close() }()
	for {
		message, err := part.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if message.LostTo > 0 {
			list = append(list, -message.Position, -message.LostTo)
			continue
		}
		if string(message.Payload) != fmt.Sprint(message.Position) {
			t.Errorf("position %d has payload %q", message.Position, message.Payload)
		}
		list = append(list, message.Position)
	}
}

func count(from, to, step int64) (list []int64) {
	for at := from; at < to; at += step {
		list = append(list, at)
	}
	return list
}

// retentions are all that a stream may have.
var retentions = map[string]jetstream.StreamConfig{
	"limits": {}, "interest": {Retention: jetstream.InterestPolicy}, "work queue": {Retention: jetstream.WorkQueuePolicy, AllowDirect: true},
}

func each(t *testing.T, test func(*testing.T, jetstream.StreamConfig)) {
	t.Parallel()
	for name, config := range retentions {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, config) })
	}
}

func TestRangesTileAStream(t *testing.T) { each(t, rangesTile) }

func rangesTile(t *testing.T, config jetstream.StreamConfig) {
	js := payments(t, config, 1200)
	source, err := backlog.Describe(t.Context(), js, "PAYMENTS", "scoring")
	if err != nil {
		t.Fatal(err)
	}
	var all []int64
	for _, cut := range [][2]int64{{1, 2}, {2, 600}, {600, 1201}} {
		all = append(all, read(t.Context(), t, js, source, cut[0], cut[1])...)
	}
	if !slices.Equal(all, count(1, 1201, 1)) {
		t.Errorf("the ranges give %d positions, want 1 to 1200 once each", len(all))
	}
}

func TestRangeOfOneSubjectEndsWithoutAMessageBehindIt(t *testing.T) { each(t, rangeOfOneSubject) }

func rangeOfOneSubject(t *testing.T, config jetstream.StreamConfig) {
	js := payments(t, config, 101, "pay.even")
	source, err := backlog.Describe(t.Context(), js, "PAYMENTS", "scoring")
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t.Context(), t, js, source, 50, 102); !slices.Equal(got, count(50, 102, 2)) {
		t.Errorf("read %v", got)
	}
	if got := read(t.Context(), t, js, source, 101, 102); len(got) > 0 {
		t.Errorf("a range without a message of the subject gives %v", got)
	}
}

// G9: messages that nobody has read.
func TestWhatLimitsHaveDeletedIsSaidToBeLost(t *testing.T) {
	t.Parallel()
	js := payments(t, jetstream.StreamConfig{MaxMsgs: 50}, 100)
	source := orchestrator.NATSSource{Stream: "PAYMENTS", Consumer: "scoring"}
	want := append(count(51, 101, 1), -1, -51)
	if got := read(t.Context(), t, js, source, 1, 101); !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func TestReadersLeaveNoConsumer(t *testing.T) {
	t.Parallel()
	js := payments(t, jetstream.StreamConfig{}, 10)
	read(t.Context(), t, js, orchestrator.NATSSource{Stream: "PAYMENTS", Consumer: "scoring"}, 1, 11)
	stream, err := js.Stream(t.Context(), "PAYMENTS")
	if err != nil {
		t.Fatal(err)
	}
	if consumers := stream.CachedInfo().State.Consumers; consumers != 1 {
		t.Errorf("%d consumers are left, want the user's", consumers)
	}
}

// G8: the stream of a range that was not read yet.
func TestRangeOfAStreamThatWasMadeAgainIsRefused(t *testing.T) {
	t.Parallel()
	js := payments(t, jetstream.StreamConfig{}, 10)
	source, err := backlog.Describe(t.Context(), js, "PAYMENTS", "scoring")
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "PAYMENTS"); err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		if again {
			if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "PAYMENTS", Subjects: []string{"pay.*"}}); err != nil {
				t.Fatal(err)
			}
		}
		var refused *orchestrator.SourceError
		if _, err := backlog.OpenRange(t.Context(), js, source, orchestrator.Range{Start: 1, End: 11}); !errors.As(err, &refused) || refused.Code != orchestrator.SourceChanged {
			t.Errorf("made again %t: %v, want code %s", again, err, orchestrator.SourceChanged)
		}
	}
}

func TestSettlingMovesTheConsumerAndNeverBack(t *testing.T) { each(t, settlingMoves) }

func settlingMoves(t *testing.T, config jetstream.StreamConfig) {
	js := payments(t, config, 100)
	source, err := backlog.Describe(t.Context(), js, "PAYMENTS", "scoring")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ settled, pending int64 }{{41, 60}, {11, 60}, {101, 0}} {
		if err := backlog.Settle(t.Context(), js, source, []orchestrator.Position{{Settled: step.settled}}); err != nil {
			t.Fatal(err)
		}
		user, err := js.Consumer(t.Context(), "PAYMENTS", "scoring")
		if err != nil {
			t.Fatal(err)
		}
		stream, err := js.Stream(t.Context(), "PAYMENTS")
		if err != nil {
			t.Fatal(err)
		}
		if kept := int64(stream.CachedInfo().State.Msgs); config.Retention != jetstream.LimitsPolicy && kept != step.pending {
			t.Errorf("settled before %d: the stream keeps %d messages, want %d", step.settled, kept, step.pending)
		}
		if got := int64(user.CachedInfo().NumPending); got != step.pending {
			t.Errorf("settled before %d: %d pending, want %d", step.settled, got, step.pending)
		}
	}
}

func TestSourcesThatCannotBeDrained(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		stream   jetstream.StreamConfig
		consumer string
		before   func(*testing.T, jetstream.JetStream)
		want     string
	}{
		"no consumer":    {consumer: "scorer", want: "nats PAYMENTS/scorer: there is no such consumer"},
		"no direct gets": {stream: jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}, consumer: "scoring", want: "nats stream edit PAYMENTS --allow-direct"},
		"in flight": {consumer: "scoring", want: "1 messages are in flight", before: func(t *testing.T, js jetstream.JetStream) {
			user, err := js.Consumer(t.Context(), "PAYMENTS", "scoring")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := user.Next(jetstream.FetchMaxWait(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := payments(t, one.stream, 3)
			if one.before != nil {
				one.before(t, js)
			}
			var refused *orchestrator.SourceError
			_, err := backlog.Describe(t.Context(), js, "PAYMENTS", one.consumer)
			if !errors.As(err, &refused) || refused.Code != orchestrator.SourceRefused || !strings.Contains(err.Error(), one.want) {
				t.Errorf("%v; want %s with %q", err, orchestrator.SourceRefused, one.want)
			}
		})
	}
}
