package jetstream

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"
)

func TestJ31NextPoll(t *testing.T) {
	for _, c := range []struct {
		name string
		pace Pace
		want time.Duration
	}{
		{"work waits", Pace{}, 2 * time.Second},
		{"work waits, and a burst would ring", Pace{Rings: true}, 2 * time.Second},
		{"empty and deaf", Pace{Empty: true}, 500 * time.Millisecond},
		{"empty, a first row would ring", Pace{Empty: true, Rings: true}, 10 * time.Second},
		{"unknown", Pace{Unknown: true, Empty: true, Rings: true}, time.Second},
	} {
		if got := NextPoll(c.pace, .5); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestJ31Jitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pace := Pace{Unknown: rapid.Bool().Draw(t, "unknown"), Empty: rapid.Bool().Draw(t, "empty"), Rings: rapid.Bool().Draw(t, "rings")}
		middle := NextPoll(pace, .5)
		wait := NextPoll(pace, rapid.Float64().Draw(t, "jitter"))
		if wait < middle*9/10 || wait > middle*11/10 {
			t.Errorf("%s around %s", wait, middle)
		}
	})
	if NextPoll(Pace{}, 0) == NextPoll(Pace{}, 1) {
		t.Error("there is no jitter")
	}
}

// J31: an empty queue with a bell is read every ten seconds, and at once when something came; what is not due is not asked.
func TestJ31ReadDue(t *testing.T) {
	w := start(t, jetstream.StreamConfig{Retention: jetstream.LimitsPolicy}, jetstream.ConsumerConfig{FilterSubject: "S.a"})
	reader := w.readerOf(w.js, Options{})
	now := time.Now()
	read := func(after time.Duration, want int) time.Duration {
		t.Helper()
		now = now.Add(after)
		readings, next := reader.ReadDue(t.Context(), now)
		if len(readings) != want {
			t.Fatalf("%d readings, want %d", len(readings), want)
		}
		return next
	}
	if next := read(0, 1); next < 9*time.Second {
		t.Errorf("an empty queue with a bell is read again after %s", next)
	}
	read(8*time.Second, 0)
	if next := read(4*time.Second, 1); next < 9*time.Second {
		t.Errorf("again after %s", next)
	}
	w.publish("S.a", 3)
	w.rings(reader)
	if next := read(0, 1); next < time.Second || next > 3*time.Second {
		t.Errorf("where something waits it is read again after %s", next)
	}
	read(time.Second, 0)
	read(2*time.Second, 1)
}
