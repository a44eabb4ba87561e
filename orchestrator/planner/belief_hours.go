package planner

import (
	"fmt"

	"nightshift.dev/nightshift/orchestrator/capacity"
)

// hoursOfSpot says in words when a spot pool's capacity usually comes and goes; nothing where that is not known or there is no difference.
func hoursOfSpot(p *pool) string {
	memory := &p.memory.Spot.Grants
	most, least, lost, ok := capacity.Hours(memory)
	if !ok {
		return ""
	}
	said := fmt.Sprintf("; by the hour most is there %s (%.1f on average) and least %s (%.1f)",
		piece(most), memory.Hours[most].Mean, piece(least), memory.Hours[least].Mean)
	if losses := memory.Hours[lost].Losses; losses >= .005 {
		said += fmt.Sprintf(", and some is lost most often %s (in %.0f %% of the looks)", piece(lost), 100*losses)
	}
	return said
}

// piece is a piece of the day in words.
func piece(i int) string {
	from, to := capacity.HoursOfPiece(i)
	return fmt.Sprintf("from %02d:00 to %02d:00 UTC", from, to)
}
