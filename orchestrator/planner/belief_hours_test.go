package planner

import (
	"testing"

	"nightshift.dev/nightshift/orchestrator"
)

// The hours of a pool are said once they are known and differ.
func TestHoursOfSpot(t *testing.T) {
	t.Parallel()
	p := &pool{}
	if said := hoursOfSpot(p); said != "" {
		t.Errorf("of nothing: %q", said)
	}
	hours := &p.memory.Spot.Grants.Hours
	for i := range hours {
		hours[i] = orchestrator.HourMemory{Mean: 8, Looks: 40}
	}
	if said := hoursOfSpot(p); said != "" {
		t.Errorf("of no difference: %q", said)
	}
	hours[1].Mean, hours[7].Mean = 14.25, 2
	want := "; by the hour most is there from 02:00 to 04:00 UTC (14.2 on average) and least from 14:00 to 16:00 UTC (2.0)"
	if said := hoursOfSpot(p); said != want {
		t.Errorf("%q instead of %q", said, want)
	}
	hours[6].Losses = .12
	if said := hoursOfSpot(p); said != want+", and some is lost most often from 12:00 to 14:00 UTC (in 12 % of the looks)" {
		t.Errorf("with losses: %q", said)
	}
}
