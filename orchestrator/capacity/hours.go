package capacity

import (
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// What is believed of the hours of a day before a pool was looked at often in them: what its running means say, with the weight of the looks of one day.
const (
	hoursOfPiece   = 24 / len(orchestrator.GrantHours{})
	firstHourLooks = 6 * hoursOfPiece
	mostHourLooks  = 7 * firstHourLooks // counted: a week
)

// pieceOfDay is the piece of the day in UTC that a time lies in.
func pieceOfDay(t time.Time) int { return t.UTC().Hour() / hoursOfPiece }

// HoursOfPiece are the hours in UTC at which a piece of the day begins and ends.
func HoursOfPiece(i int) (from, to int) { return i * hoursOfPiece, (i + 1) * hoursOfPiece }

// observeHour is the memory of the hours after a look that counted, which the memory before it does not know yet.
func observeHour(memory *orchestrator.GrantMemory, now time.Time, granted int) {
	hour := &memory.Hours[pieceOfDay(now)]
	if hour.Looks == 0 {
		hour.Mean, hour.Losses = memory.Mean, memory.Changes/2
	}
	lost := 0.0
	if granted < memory.Granted {
		lost = 1
	}
	weight := 1 / float64(min(hour.Looks+firstHourLooks, mostHourLooks))
	hour.Mean += weight * (float64(granted) - hour.Mean)
	hour.Losses += weight * (lost - hour.Losses)
	hour.Looks = min(hour.Looks+1, mostHourLooks)
}

// Hours says in which piece of the day most was granted, in which least, and in which capacity was lost most often; not ok where a piece was not
// looked at for as long as it weighs more than what was believed before, or all are alike.
func Hours(memory *orchestrator.GrantMemory) (most, least, lost int, ok bool) {
	for i, hour := range memory.Hours {
		if hour.Looks < firstHourLooks {
			return 0, 0, 0, false
		}
		if hour.Mean > memory.Hours[most].Mean {
			most = i
		}
		if hour.Mean < memory.Hours[least].Mean {
			least = i
		}
		if hour.Losses > memory.Hours[lost].Losses {
			lost = i
		}
	}
	return most, least, lost, math.Round(10*memory.Hours[most].Mean) > math.Round(10*memory.Hours[least].Mean)
}
