package orchestrator

import "time"

// FirstShown is the moment at which clocks in a zone first show a time or a later one. Where they are set forward and pass over the time, that is when they are set; where they
// show it twice, the first of both. The time is written in UTC, whatever the zone is.
func FirstShown(shown time.Time, zone *time.Location) time.Time {
	at := shown.Add(-36 * time.Hour) // a day earlier in every zone
	begun := at
	for {
		_, offset := at.In(zone).Zone()
		end := SteadyUntil(at, zone)
		if at = shown.Add(-time.Duration(offset) * time.Second); end.IsZero() || at.Before(end) {
			if at.Before(begun) {
				return begun.UTC()
			}
			return at.UTC()
		}
		at, begun = end, end // each turn is a later change of the clock, and there are few before the time
	}
}

// SteadyUntil is a time after one until which clocks in a zone are not set; zero: never again.
func SteadyUntil(at time.Time, zone *time.Location) time.Time {
	_, end := at.In(zone).ZoneBounds()
	if !end.IsZero() && !end.After(at) { // Go ends leap years, where it goes by the zone's rule, a day too early
		return time.Date(at.UTC().Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	return end
}
