package jetstream

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestJ31NextPoll(t *testing.T) {
	for _, c := range []struct {
		name string
		pace Pace
		want time.Duration
	}{
		{"work waits, in time", Pace{}, 5 * time.Second},
		{"work waits, and a burst would ring", Pace{Rings: true}, 5 * time.Second},
		{"empty and deaf", Pace{Empty: true}, 500 * time.Millisecond},
		{"empty, a first row would ring", Pace{Empty: true, Rings: true}, 5 * time.Second},
		{"urgent", Pace{Urgent: true, Rings: true}, 500 * time.Millisecond},
		{"unknown", Pace{Unknown: true, Empty: true}, time.Second},
		{"unknown and urgent", Pace{Unknown: true, Urgent: true}, 500 * time.Millisecond},
	} {
		if got := NextPoll(c.pace, .5); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestJ31Jitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pace := Pace{Unknown: rapid.Bool().Draw(t, "unknown"), Urgent: rapid.Bool().Draw(t, "urgent"), Empty: rapid.Bool().Draw(t, "empty"), Rings: rapid.Bool().Draw(t, "rings")}
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
