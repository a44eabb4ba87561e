package schedules

import (
	"slices"
	"time"
)

// Ran is how much came with an occurrence.
type Ran struct {
	Wall time.Time `json:"wall"`
	Rows int64     `json:"rows"`
}

const (
	mostAlike = 12 // of the last ones that are looked at
	// leastOfWeekday and leastOfTime are how many there have to be before only those of the same weekday, or of the same time of the day, count.
	leastOfWeekday = 4
	leastOfTime    = 3
	// Spread is how much more than expected may come at least, as a part: what is seen of a few occurrences is not the most that there can be. It is the default of documents, too.
	Spread = .2
)

// Expect says how many rows come with an occurrence and what they hardly exceed, from what came with earlier ones, oldest first. -1 is unknown.
func Expect(ran []Ran, wall time.Time) (rows, high int64) {
	alike := alike(ran, wall)
	if len(alike) == 0 {
		return -1, -1
	}
	slices.Sort(alike)
	middle := len(alike) / 2
	rows = alike[middle]
	if len(alike)%2 == 0 {
		rows = (alike[middle-1] + alike[middle] + 1) / 2
	}
	ninth := alike[(9*len(alike)+9)/10-1] // nine of ten are not above it
	return rows, max(ninth, rows+int64(Spread*float64(rows)))
}

// alike are the rows of the last occurrences that are most like one: at the same time of the day on the same weekday, or else at the same time of the day, or else all.
func alike(ran []Ran, wall time.Time) []int64 {
	ofTime := func(one Ran) bool { return one.Wall.Hour() == wall.Hour() && one.Wall.Minute() == wall.Minute() }
	ofWeekday := func(one Ran) bool { return ofTime(one) && one.Wall.Weekday() == wall.Weekday() }
	if last := lastOf(ran, ofWeekday); len(last) >= leastOfWeekday {
		return last
	}
	if last := lastOf(ran, ofTime); len(last) >= leastOfTime {
		return last
	}
	return lastOf(ran, func(Ran) bool { return true })
}

func lastOf(ran []Ran, counts func(Ran) bool) (rows []int64) {
	for _, one := range slices.Backward(ran) {
		if counts(one) && len(rows) < mostAlike {
			rows = append(rows, one.Rows)
		}
	}
	return rows
}
