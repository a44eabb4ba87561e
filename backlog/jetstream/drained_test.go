package jetstream

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
)

// A source that is drained is moved on by us: that is neither a loss nor a row that somebody did.
func TestDrainedSource(t *testing.T) {
	for name, config := range map[string]jetstream.StreamConfig{
		"limits": {}, "interest": {Retention: jetstream.InterestPolicy}, "work queue": {Retention: jetstream.WorkQueuePolicy, AllowDirect: true},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); drainedSource(t, config) })
	}
}

func drainedSource(t *testing.T, config jetstream.StreamConfig) {
	w := start(t, config, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy})
	ours := source
	ours.Drained = true
	reader, err := New(w.js, []Source{ours}, Options{Deaf: true})
	must(t, err)
	t.Cleanup(reader.Close)
	read := func() orchestrator.Backlog {
		t.Helper()
		w.now = w.now.Add(time.Second)
		one := reader.Read(t.Context(), w.now)[0]
		if one.Err != "" || len(one.Notes) > 0 {
			t.Fatalf("%s %v", one.Err, one.Notes)
		}
		return one
	}
	w.publish("S.a", 100)
	w.counts(100, 0)
	first := read()
	if part := first.Parts[0]; part != (orchestrator.Part{URI: "nats://S", Start: 1, Settled: 1, End: 101}) || first.Pending != 100 || first.Oldest.IsZero() || first.Identity == "" {
		t.Fatalf("%+v", first)
	}
	must(t, Settle(t.Context(), w.js, orchestrator.NATSSource{Stream: "S", Consumer: "C"}, []orchestrator.Position{{Settled: 61}}))
	w.counts(40, 0)
	w.publish("S.a", 10)
	w.counts(50, 0)
	second := read()
	if part := second.Parts[0]; part.Settled != 61 || part.End != 111 || second.Pending != 50 {
		t.Fatalf("%+v", second)
	}
	if came, went := second.Arrived-first.Arrived, second.Settled-first.Settled; came != 10 || went != 60 {
		t.Errorf("%d came and %d are done, want 10 and 60", came, went)
	}
	if !second.Oldest.After(first.Oldest) {
		t.Errorf("the oldest came at %s, before %s", second.Oldest, first.Oldest)
	}
	w.take(1)
	w.counts(49, 1)
	w.now = w.now.Add(time.Second)
	if one := reader.Read(t.Context(), w.now)[0]; len(one.Notes) != 1 || !strings.Contains(one.Notes[0], "somebody pulls") {
		t.Errorf("while somebody pulls: %v", one.Notes)
	}
}

func TestDrainedSourceThatIsMadeAgain(t *testing.T) {
	t.Parallel()
	w := start(t, jetstream.StreamConfig{}, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy})
	ours := source
	ours.Drained = true
	reader, err := New(w.js, []Source{ours}, Options{Deaf: true})
	must(t, err)
	t.Cleanup(reader.Close)
	w.publish("S.a", 100)
	w.counts(100, 0)
	first := reader.Read(t.Context(), w.now)[0]
	must(t, w.js.DeleteStream(t.Context(), "S"))
	if gone := reader.Read(t.Context(), w.now.Add(time.Second))[0]; gone.Err == "" || gone.Pending != -1 {
		t.Errorf("while there is no stream: %+v", gone)
	}
	w.stream, err = w.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"S.>"}})
	must(t, err)
	w.make(jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy})
	w.publish("S.a", 7)
	w.counts(7, 0)
	again := reader.Read(t.Context(), w.now.Add(2*time.Second))[0]
	if again.Err != "" || again.Identity == first.Identity || again.Parts[0].End != 8 || again.Pending != 7 {
		t.Errorf("%+v", again)
	}
}
