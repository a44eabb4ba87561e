package orchestrator

import (
	"testing"
	"time"
)

// Go's own bounds of a zone end before the time itself on the last day of a leap year; whoever goes on from there never arrives.
func TestLastDayOfLeapYears(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Sydney"} {
		for _, year := range []int{2024, 2040, 2044, 2096, 2104} {
			zone := zone(t, name)
			day := time.Date(year, 12, 31, 12, 0, 0, 0, zone)
			shown := time.Date(year, 12, 31, 12, 0, 0, 0, time.UTC)
			if got := FirstShown(shown, zone); !got.Equal(day) {
				t.Errorf("%s shows %s at %s, want %s", name, shown, got, day)
			}
			if got := SteadyUntil(day, zone); !got.After(day) {
				t.Errorf("clocks in %s are not set from %s until %s", name, day, got)
			}
		}
	}
	if got := SteadyUntil(time.Now(), time.UTC); !got.IsZero() {
		t.Errorf("clocks in UTC are set at %s", got)
	}
}
