package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"nightshift.dev/nightshift/orchestrator"
)

// identity is the one a reading gives for the topic.
func (w *world) identity(topic string) string {
	w.t.Helper()
	return w.right(w.reader(Source{Topic: topic, Group: "identity"})).Identity
}

// rangeOf gives the offsets of a range's records, those that are lost as negative numbers.
func (w *world) rangeOf(source Source, from, to int64) (offsets []int64) {
	w.t.Helper()
	part, err := OpenRange(w.t.Context(), w.client, source, w.identity(source.Topic), 0, orchestrator.Range{Start: from, End: to})
	must(w.t, err)
	defer part.Close()
	for {
		message, err := part.Next()
		if errors.Is(err, io.EOF) {
			return offsets
		}
		must(w.t, err)
		if message.LostTo > 0 {
			offsets = append(offsets, -message.Position, -message.LostTo)
			continue
		}
		offsets = append(offsets, message.Position)
	}
}

func span(from, to int64) (list []int64) {
	for at := from; at < to; at++ {
		list = append(list, at)
	}
	return list
}

func rangesTile(t *testing.T, w *world) {
	w.topic("k25", 1)
	w.produce("k25", 0, 300)
	source := Source{Topic: "k25", Group: "g"}
	var all []int64
	for _, cut := range [][2]int64{{0, 1}, {1, 200}, {200, 300}} {
		all = append(all, w.rangeOf(source, cut[0], cut[1])...)
	}
	if !slices.Equal(all, span(0, 300)) {
		t.Errorf("the ranges give %d offsets: %v", len(all), all)
	}
}

func rangeEndsByPosition(t *testing.T, w *world) {
	w.topic("k26", 1)
	w.produce("k26", 0, 10)
	w.transaction("k26", "k26", 0, 5)(false) // 10 to 14, and a marker at 15
	w.transaction("k26", "k26", 0, 5)(true)  // 16 to 20, and a marker at 21
	w.transaction("k26", "k26", 0, 5)(false) // 22 to 26, and a marker at 27
	source := Source{Topic: "k26", Group: "g"}
	if got, want := w.rangeOf(source, 0, 28), append(span(0, 10), span(16, 21)...); !slices.Equal(got, want) {
		t.Errorf("committed: %v, want %v", got, want)
	}
	if got := w.rangeOf(source, 22, 28); len(got) > 0 {
		t.Errorf("a range of aborted records gives %v", got)
	}
	source.Isolation = ReadUncommitted
	if got, want := w.rangeOf(source, 9, 18), append(span(9, 15), 16, 17); !slices.Equal(got, want) {
		t.Errorf("uncommitted: %v, want %v", got, want)
	}
}

func deletedRangeIsLost(t *testing.T, w *world) {
	w.topic("k27", 1)
	w.produce("k27", 0, 50)
	source, identity := Source{Topic: "k27", Group: "g"}, w.identity("k27")
	before := kadm.Offsets{}
	before.Add(kadm.Offset{Topic: "k27", Partition: 0, At: 30})
	_, err := w.admin.DeleteRecords(t.Context(), before)
	must(t, err)
	if got, want := w.rangeOf(source, 10, 50), append([]int64{-10, -30}, span(30, 50)...); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := w.rangeOf(source, 10, 20), []int64{-10, -20}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	_, err = w.admin.DeleteTopic(t.Context(), "k27")
	must(t, err)
	w.refused(source, identity, orchestrator.SourceChanged)
	w.topic("k27", 1)
	w.refused(source, identity, orchestrator.SourceChanged)
}

// refused waits until the range cannot be opened for this reason; brokers forget topics a moment later.
func (w *world) refused(source Source, identity, code string) {
	w.t.Helper()
	must(w.t, eventuallyNil(w.t, func() error {
		_, err := OpenRange(w.t.Context(), w.client, source, identity, 0, orchestrator.Range{Start: 0, End: 10})
		var said *orchestrator.SourceError
		if !errors.As(err, &said) || said.Code != code {
			return fmt.Errorf("%v, want code %s", err, code)
		}
		return nil
	}))
}

func groupFollows(t *testing.T, w *world) {
	w.topic("k28", 2)
	w.produce("k28", 0, 10)
	w.produce("k28", 1, 10)
	source := Source{Topic: "k28", Group: "k28"}
	identity := w.identity("k28")
	settle := func(settled map[int32]int64) error { return Settle(t.Context(), w.client, source, identity, settled) }
	must(t, eventuallyNil(t, func() error { return settle(map[int32]int64{0: 4}) }))
	must(t, settle(map[int32]int64{0: 3, 1: 10}))
	b := w.right(w.reader(source))
	if b.Pending != 6 || b.Parts[0].Settled != 4 || b.Parts[1].Settled != 10 {
		t.Errorf("after 4 and 10: %+v", b)
	}
	ctx, leave := context.WithCancel(t.Context())
	member, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ConsumerGroup("k28"), kgo.ConsumeTopics("k28"), kgo.DisableAutoCommit())
	must(t, err)
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		for ctx.Err() == nil {
			member.PollFetches(ctx)
		}
	}()
	t.Cleanup(func() { leave(); <-polled; member.Close() })
	next := int64(4)
	must(t, eventuallyNil(t, func() error { // until it has joined, commits go through
		next++
		err := settle(map[int32]int64{0: next})
		var said *orchestrator.SourceError
		if !errors.As(err, &said) || said.Code != orchestrator.SourceRefused || !strings.Contains(said.Message, "group k28 has members") {
			return fmt.Errorf("with a member: %v", err)
		}
		return nil
	}))
}

func deadBroker(t *testing.T, w *world) {
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"), kgo.RequestRetries(0), kgo.DialTimeout(time.Second))
	must(t, err)
	t.Cleanup(client.Close)
	_, err = OpenRange(t.Context(), client, Source{Topic: "k29", Group: "g"}, "", 0, orchestrator.Range{End: 1})
	var said *orchestrator.SourceError
	if !errors.As(err, &said) || said.Code != orchestrator.SourceUnavailable {
		t.Errorf("%v", err)
	}
}
