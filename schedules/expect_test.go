package schedules

import (
	"fmt"
	"testing"
	"time"
)

// SC23: what is expected of an occurrence, from what came with earlier ones.
func TestExpect(t *testing.T) {
	t.Parallel()
	day := func(day, hour int) time.Time { return time.Date(2026, 1, day, hour, 0, 0, 0, time.UTC) } // the 1st is a Thursday
	var nights, weeks, hours []Ran
	for i := range 20 { // 1001 to 1020, every night
		nights = append(nights, Ran{day(1+i, 2), int64(1001 + i)})
	}
	for i := range 28 { // tenfold on Mondays
		rows := int64(100)
		if day(1+i, 2).Weekday() == time.Monday {
			rows = int64(1000 + i)
		}
		weeks = append(weeks, Ran{day(1+i, 2), rows})
	}
	for i := range 60 { // in each hour as many as its number
		hours = append(hours, Ran{day(1, i), int64(100 * (i % 24))})
	}
	for _, one := range []struct {
		name string
		ran  []Ran
		wall time.Time
		want string
	}{
		{"nothing is known", nil, day(9, 2), "-1 -1"},
		{"one: a fifth more may come", []Ran{{day(1, 2), 1000}}, day(2, 2), "1000 1200"},
		{"two, of other times", []Ran{{day(1, 2), 1000}, {day(1, 3), 2001}}, day(2, 4), "1501 2001"},
		{"an outlier moves the upper bound only", []Ran{{day(1, 2), 10}, {day(2, 2), 12}, {day(3, 2), 500}}, day(4, 2), "12 500"},
		{"the last twelve", nights, day(21, 2), "1015 1218"},
		{"a Monday is as Mondays are", weeks, day(30+3, 2), "1015 1218"}, // 1004, 1011, 1018, 1025
		{"another day is as all days are", weeks[:20], day(21, 2), "100 1011"},
		{"an hour is as that hour was", hours, day(4, 3), "300 360"},
		{"nothing came", []Ran{{day(1, 2), 0}}, day(2, 2), "0 0"},
	} {
		rows, high := Expect(one.ran, one.wall)
		if got := fmt.Sprint(rows, " ", high); got != one.want {
			t.Errorf("%s: %s, want %s", one.name, got, one.want)
		}
	}
}
