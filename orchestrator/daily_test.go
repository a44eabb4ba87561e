package orchestrator

import (
	"testing"
	"time"
	_ "time/tzdata" // the machine may have no zones

	"pgregory.net/rapid"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func minuteOf(t *testing.T, text string) TimeOfDay {
	t.Helper()
	of, err := ParseTimeOfDay(text)
	if err != nil || of.String() != text {
		t.Fatalf("%q: %v, %v", text, of, err)
	}
	return of
}

func TestParseTimeOfDay(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"", "6:00", "24:00", "06:60", "06:00:00", "0600", "-1:00"} {
		if got, err := ParseTimeOfDay(wrong); err == nil {
			t.Errorf("%q is read as %s", wrong, got)
		}
	}
}

// When what arrives is due, in two zones, and around the days on which clocks are set.
func TestDailyDeadline(t *testing.T) {
	t.Parallel()
	for _, one := range []struct{ zone, by, finish, arrived, due string }{
		{"UTC", "22:00", "06:00", "2026-01-01T00:00:00Z", "2026-01-02T06:00:00Z"},
		{"UTC", "22:00", "06:00", "2026-01-01T21:59:59Z", "2026-01-02T06:00:00Z"},
		{"UTC", "22:00", "06:00", "2026-01-01T22:00:00Z", "2026-01-03T06:00:00Z"},
		{"UTC", "22:00", "23:30", "2026-01-01T21:00:00Z", "2026-01-01T23:30:00Z"},
		{"UTC", "06:00", "06:00", "2026-01-01T05:00:00Z", "2026-01-02T06:00:00Z"},
		{"Europe/Berlin", "22:00", "06:00", "2026-01-01T20:59:00Z", "2026-01-02T05:00:00Z"},
		{"Europe/Berlin", "22:00", "06:00", "2026-01-01T21:00:00Z", "2026-01-03T05:00:00Z"},
		{"Europe/Berlin", "22:00", "06:00", "2026-03-28T20:59:00Z", "2026-03-29T04:00:00Z"}, // a night of seven hours
		{"Europe/Berlin", "22:00", "06:00", "2026-10-24T19:59:00Z", "2026-10-25T05:00:00Z"}, // of nine
		{"Europe/Berlin", "22:00", "02:30", "2026-03-28T20:00:00Z", "2026-03-29T01:00:00Z"}, // 02:30 does not exist: when it becomes 03:00
		{"Europe/Berlin", "22:00", "02:30", "2026-10-24T19:00:00Z", "2026-10-25T00:30:00Z"}, // exists twice: the first
		{"Europe/Berlin", "02:30", "06:00", "2026-10-25T00:45:00Z", "2026-10-26T05:00:00Z"}, // between both: too late for the first
		{"America/New_York", "22:00", "06:00", "2026-03-08T02:00:00Z", "2026-03-08T10:00:00Z"},
		{"Pacific/Apia", "22:00", "06:00", "2011-12-30T07:00:00Z", "2011-12-30T10:00:00Z"},        // the 30th was left out: when the 31st begins
		{"Australia/Lord_Howe", "22:00", "02:15", "2026-10-03T10:00:00Z", "2026-10-03T15:30:00Z"}, // clocks are set by half an hour
	} {
		daily := DailyDeadline{ArrivedBy: minuteOf(t, one.by), FinishBy: minuteOf(t, one.finish), Zone: zone(t, one.zone)}
		if got := daily.Due(at(t, one.arrived)); !got.Equal(at(t, one.due)) {
			t.Errorf("%s to %s in %s: what arrives at %s is due at %s, want %s", one.by, one.finish, one.zone, one.arrived, got.UTC().Format(time.RFC3339), one.due)
		}
	}
}

// A time of the day comes after any time within some 25 hours, shows what it says unless the clock passes over it, and never comes later for what comes earlier.
func TestTimeOfDayAfter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		zone := zone(t, rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"}).Draw(r, "zone"))
		of := TimeOfDay(rapid.IntRange(0, 24*60-1).Draw(r, "time"))
		from := time.Unix(rapid.Int64Range(1_700_000_000, 1_800_000_000).Draw(r, "from"), 0)
		next := of.After(from, zone)
		if wait := next.Sub(from); wait <= 0 || wait > 25*time.Hour {
			r.Fatalf("%s in %s after %s is %s", of, zone, from, next)
		}
		if begun, _ := next.In(zone).ZoneBounds(); next.In(zone).Format("15:04") != of.String() && !next.Equal(begun) {
			r.Fatalf("%s in %s after %s is %s", of, zone, from, next.In(zone))
		}
		if before := of.After(from.Add(-time.Duration(rapid.IntRange(0, 100_000).Draw(r, "earlier"))*time.Second), zone); before.After(next) {
			r.Fatalf("%s in %s: %s after %s", of, zone, before, next)
		}
	})
}

func TestPriceAt(t *testing.T) {
	t.Parallel()
	berlin, euro := zone(t, "Europe/Berlin"), func(micros int64) Money { return Money{micros, "EUR"} }
	pool := PoolPolicy{Price: euro(4), Windows: []PriceWindow{
		{minuteOf(t, "22:00"), minuteOf(t, "06:00"), berlin, euro(1)}, {minuteOf(t, "20:00"), minuteOf(t, "23:00"), berlin, euro(2)},
	}}
	for _, one := range []struct {
		at    string
		price int64
		next  string
	}{
		{"2026-01-01T18:59:59Z", 4, "2026-01-01T19:00:00Z"},
		{"2026-01-01T19:00:00Z", 2, "2026-01-01T21:00:00Z"},
		{"2026-01-01T21:00:00Z", 1, "2026-01-01T22:00:00Z"},
		{"2026-01-02T04:59:59Z", 1, "2026-01-02T05:00:00Z"},
		{"2026-01-02T05:00:00Z", 4, "2026-01-02T19:00:00Z"},
	} {
		if price, next := pool.PriceAt(at(t, one.at)), pool.NextWindow(at(t, one.at)); price != euro(one.price) || !next.Equal(at(t, one.next)) {
			t.Errorf("%s: %s until %s, want %d until %s", one.at, price, next, one.price, one.next)
		}
	}
	if plain := (PoolPolicy{Price: euro(4)}); plain.PriceAt(time.Now()) != euro(4) || !plain.NextWindow(time.Now()).IsZero() {
		t.Error("a pool without windows has some")
	}
}
