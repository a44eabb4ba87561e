package capacity

import (
	"math"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// A pool that has 12 workers by night and 4 by day is remembered so, by the hours of UTC, and forgets it when that ends.
func TestHours(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("seven behind", -7*3600)
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).In(zone)
	night := func(at time.Time) int {
		if at.UTC().Hour() < 8 {
			return 12
		}
		return 4
	}
	var memory orchestrator.GrantMemory
	look := func(from, days int, granted func(time.Time) int) {
		for i := range days * 144 {
			at := midnight.AddDate(0, 0, from).Add(time.Duration(i) * basis)
			memory = ObserveGrants(&DefaultPrior, memory, at, granted(at))
		}
	}
	look(0, 1, night)
	if _, _, _, ok := Hours(&memory); ok {
		t.Error("one day that begins with a first look says enough of every hour")
	}
	look(1, 13, night)
	most, least, lost, ok := Hours(&memory)
	if !ok || most > 3 || least < 4 || lost != 4 {
		t.Errorf("most %d, least %d, lost %d, %v: %+v", most, least, lost, ok, memory.Hours)
	}
	if from, to := HoursOfPiece(lost); from != 8 || to != 10 {
		t.Errorf("lost from %d to %d", from, to)
	}
	if hour := memory.Hours[1]; math.Abs(hour.Mean-12) > .5 || hour.Looks != mostHourLooks {
		t.Errorf("at three: %+v", hour)
	}
	if hour := memory.Hours[4]; math.Abs(hour.Losses-1./12) > .02 {
		t.Errorf("at eight: %+v", hour)
	}
	look(14, 60, func(time.Time) int { return 4 })
	if _, _, _, ok := Hours(&memory); ok {
		t.Errorf("after two months without a difference: %+v", memory.Hours)
	}
}

// A replay's hours are not those of its trace.
func TestHoursOfReplay(t *testing.T) {
	t.Parallel()
	prior := Scaled(DefaultPrior, 200)
	memory := ObserveGrants(&prior, orchestrator.GrantMemory{}, dawn, 4)
	if memory = ObserveGrants(&prior, memory, dawn.Add(basis), 8); memory.Looks != 1 || memory.Hours != (orchestrator.GrantHours{}) {
		t.Errorf("%+v", memory)
	}
}
