package jetstream

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestBetweenTwoAnswers(t *testing.T) {
	before := counts{created: time.Unix(1, 0), leader: "n1", pending: 100, inFlight: 10, deliveries: 50, delivered: 50, floor: 40}
	after := func(change func(*counts)) counts { now := before; change(&now); return now }
	for _, c := range []struct {
		name      string
		now       counts
		event     event
		handedOut int64
		missing   int64
	}{
		{"nothing happened", before, nothing, 0, 0},
		{"arrivals", after(func(c *counts) { c.pending = 300 }), nothing, 0, 0},
		{"deliveries", after(func(c *counts) { c.pending, c.inFlight, c.deliveries, c.delivered = 80, 30, 70, 70 }), nothing, 20, 0},
		{"deliveries, settled at once", after(func(c *counts) { c.pending, c.inFlight, c.deliveries, c.delivered, c.floor = 80, 0, 70, 70, 70 }), nothing, 20, 0},
		{"a filter passes over others' rows", after(func(c *counts) { c.pending, c.deliveries, c.delivered = 98, 52, 500 }), nothing, 2, 0},
		{"the same rows again", after(func(c *counts) { c.deliveries = 70 }), nothing, 0, 0},
		{"rows are gone", after(func(c *counts) { c.pending = 30 }), nothing, 0, 70},
		{"purged: the position moves, nothing is delivered", after(func(c *counts) { c.pending, c.inFlight, c.delivered, c.floor = 0, 0, 150, 150 }), nothing, 0, 100},
		{"rows are gone, some were delivered", after(func(c *counts) { c.pending, c.deliveries, c.delivered = 30, 60, 60 }), nothing, 10, 60},
		{"followers have not stored the deliveries", after(func(c *counts) { c.pending, c.inFlight, c.replicated = 90, 20, true }), nothing, 0, 0},
		{"more are gone than may be in flight", after(func(c *counts) { c.pending, c.inFlight, c.replicated = 50, 20, true }), nothing, 0, 30},
		{"made again", after(func(c *counts) { c.created = time.Unix(2, 0); c.deliveries = 0 }), recreated, 0, 0},
		{"another filter", after(func(c *counts) { c.filters = []string{"a"} }), refiltered, 0, 0},
		{"put back", after(func(c *counts) { c.delivered = 20; c.floor = 20 }), putBack, 0, 0},
		{"a floor below rows that were given up", after(func(c *counts) { c.floor = 0 }), nothing, 0, 0},
		{"another leader, which knows less", after(func(c *counts) { c.leader = "n2"; c.pending, c.inFlight, c.deliveries, c.delivered = 105, 5, 45, 45 }), moved, 0, 0},
		{"another leader, which knows all", after(func(c *counts) { c.leader = "n2" }), nothing, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := between(before, c.now); got != c.event {
				t.Errorf("event %d, want %d", got, c.event)
			}
			if got := handedOut(before, c.now); got != c.handedOut {
				t.Errorf("%d handed out, want %d", got, c.handedOut)
			}
			if got := missing(before, c.now); got != c.missing {
				t.Errorf("%d missing, want %d", got, c.missing)
			}
		})
	}
}

func TestRangeOfLoss(t *testing.T) {
	for _, c := range []struct {
		name                           string
		before, now, first, gone       uint64
		deliveries, from, to, wantRows int
	}{
		{"nothing is removed", 10, 20, 1, 0, 10, 0, 0, 0},
		{"settled rows are removed", 10, 20, 15, 0, 10, 0, 0, 0},
		{"all up to the first", 10, 10, 21, 0, 0, 11, 20, 10},
		{"some were delivered before", 10, 15, 21, 0, 5, 11, 20, 5},
		{"a part was told already", 10, 10, 31, 20, 0, 21, 30, 10},
		{"all of it was", 10, 10, 21, 20, 0, 0, 0, 0},
		{"passed over after it was told", 10, 25, 21, 20, 5, 0, 0, 0},
		{"taken from the middle", 10, 20, 1, 0, 7, 11, 20, 3},
		{"an empty stream", 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to, rows := rangeOfLoss(counts{delivered: c.before, deliveries: 100}, counts{delivered: c.now, deliveries: 100 + int64(c.deliveries)}, c.first, c.gone)
			if from != uint64(c.from) || to != uint64(c.to) || rows != int64(c.wantRows) {
				t.Errorf("%d rows from %d to %d, want %d from %d to %d", rows, from, to, c.wantRows, c.from, c.to)
			}
		})
	}
}

// TestJ11RowsFromTheMiddleAreToldOnce has rows removed before the stream's first and from its middle at once, and passes over the latter later.
func TestJ11RowsFromTheMiddleAreToldOnce(t *testing.T) {
	sum := tally{arrived: 10}
	before := counts{pending: 10}
	removed := counts{pending: 3}
	sum, note := sum.next(before, removed, held{first: 3, last: 10})
	if want := loss("2", 1, 2); note != want || sum.arrived != 10 {
		t.Errorf("%q, %d arrived, want %q and 10", note, sum.arrived, want)
	}
	passed := counts{deliveries: 3, delivered: 10, inFlight: 3, floor: 2}
	sum, note = sum.next(removed, passed, held{first: 3, last: 10})
	if note != "" || sum.arrived != 10 {
		t.Errorf("%q, %d arrived, want nothing and 10", note, sum.arrived)
	}
}

func TestJ14LossesAreSeenAnew(t *testing.T) {
	sum, note := tally{arrived: 60, gone: 50}.next(counts{delivered: 60}, counts{created: time.Unix(2, 0), pending: 60}, held{first: 1, last: 60})
	if note != "" || sum.arrived != 120 {
		t.Errorf("%q, %d arrived, want nothing and 120", note, sum.arrived)
	}
	sum, note = sum.next(counts{pending: 60}, counts{pending: 50}, held{first: 11, last: 60})
	if want := loss("10", 1, 10); note != want || sum.arrived != 120 {
		t.Errorf("%q, %d arrived, want %q and 120", note, sum.arrived, want)
	}
}

func TestStreamsThatRemoveUnreadRows(t *testing.T) {
	for name, config := range map[string]jetstream.StreamConfig{
		"age": {MaxAge: time.Hour}, "rows": {MaxMsgs: 1}, "bytes": {MaxBytes: 1}, "rows of a subject": {MaxMsgsPerSubject: 1}, "times of their own": {AllowMsgTTL: true},
	} {
		if !removesUnread(config) {
			t.Errorf("a limit by %s removes unread rows", name)
		}
	}
	if removesUnread(jetstream.StreamConfig{MaxAge: 0, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1}) {
		t.Error("no limit removes unread rows")
	}
}
