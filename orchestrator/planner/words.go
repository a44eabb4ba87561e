package planner

import (
	"math"
	"strconv"
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
	return strconv.Itoa(count) + " " + noun + "s"
}

// span writes seconds as a person would say them.
func span(seconds float64) string {
	switch {
	case !(seconds > 0):
		return "0 s"
	case seconds < 10:
		return strconv.FormatFloat(seconds, 'f', 1, 64) + " s"
	case seconds < 120:
		return strconv.FormatFloat(seconds, 'f', 0, 64) + " s"
	case seconds < 2*3600:
		return strconv.FormatFloat(seconds/60, 'f', 0, 64) + " min"
	}
	return strconv.FormatFloat(math.Min(seconds, 1e15)/3600, 'f', 1, 64) + " h"
}

// clock writes a time of day in UTC, with the date, since deadlines may be days away.
func clock(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05Z") }
