package planner

import (
	"fmt"
	"math"
	"time"
)

// How numbers are written in sentences.

// counted writes a number of things.
func counted(count int, noun string) string {
	switch {
	case count == 1:
		return "1 " + noun
	case count >= endless:
		return "any number of " + noun + "s"
	}
	return fmt.Sprintf("%d %ss", count, noun)
}

// span writes seconds as a person would say them.
func span(seconds float64) string {
	switch {
	case !(seconds > 0):
		return "0 s"
	case seconds < 10:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", math.Min(seconds, 1e15)/3600)
}

// clock writes a time of day in UTC, with the date, since deadlines may be days away.
func clock(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05Z") }
