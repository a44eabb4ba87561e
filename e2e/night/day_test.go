package night

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// day says how busy it is at a time of the night, as a share of the busiest.
type day func(night time.Duration) float64

// made is a day that nobody has recorded: all of the traffic at 20:00, a tenth of it at 03:00.
func made(night time.Duration) float64 {
	return .55 + .45*math.Cos(math.Pi*(night+2*time.Hour).Hours()/7)
}

// recorded reads a series as bench forecast takes it, a CSV file with a header and the columns timestamp and value, and gives the first night that it has from one time to
// another.
func recorded(path string, from, to time.Duration) (day, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, err
	}
	var at []time.Time
	var values []float64
	for i, row := range rows[min(1, len(rows)):] {
		when, err := time.Parse(time.DateTime, row[0])
		if err != nil {
			return nil, fmt.Errorf("%s: row %d: timestamp %q; allowed: a time like %q", path, i+2, row[0], time.DateTime)
		}
		value, err := strconv.ParseFloat(row[len(row)-1], 64)
		if err != nil || !(value >= 0) || math.IsInf(value, 1) {
			return nil, fmt.Errorf("%s: row %d: value %q; allowed: a number, 0 or more", path, i+2, row[len(row)-1])
		}
		if len(at) > 0 && !when.After(at[len(at)-1]) {
			return nil, fmt.Errorf("%s: row %d: timestamp %q; allowed: one after that of the row before", path, i+2, row[0])
		}
		at, values = append(at, when), append(values, value)
	}
	if len(at) == 0 {
		return nil, fmt.Errorf("%s: there are no rows", path)
	}
	first := at[0].Truncate(24 * time.Hour).Add(evening)
	if first.Add(from).Before(at[0]) {
		first = first.Add(24 * time.Hour)
	}
	if last := at[len(at)-1]; first.Add(to).After(last) {
		return nil, fmt.Errorf("%s: from %s to %s; allowed: one whole night, until %s", path, at[0], last, first.Add(to))
	}
	return shapeOf(at, values, first, from, to)
}

// shapeOf divides what was recorded of a night by the most of it. A value counts until the next one.
func shapeOf(at []time.Time, values []float64, evening time.Time, from, to time.Duration) (day, error) {
	value := func(night time.Duration) float64 {
		last := 0
		for last+1 < len(at) && !at[last+1].After(evening.Add(night)) {
			last++
		}
		return values[last]
	}
	most := 0.0
	for night := from; night < to; night += time.Minute {
		most = max(most, value(night))
	}
	if most == 0 {
		return nil, fmt.Errorf("nothing came in the night of %s", evening.Format(time.DateOnly))
	}
	return func(night time.Duration) float64 { return value(night) / most }, nil
}

func TestRecordedDay(t *testing.T) {
	write := func(lines ...string) string {
		path := filepath.Join(t.TempDir(), "day.csv")
		if err := os.WriteFile(path, []byte(strings.Join(append([]string{"timestamp,value"}, lines...), "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	read, err := recorded(write("2026-11-19 23:00:00,9", "2026-11-20 21:30:00,8", "2026-11-20 22:30:00,4", "2026-11-21 02:00:00,2", "2026-11-21 05:00:00,1"), hour("22:00"), hour("05:00"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]float64{"22:00": 1, "22:29": 1, "22:30": .5, "01:59": .5, "02:00": .25, "04:59": .25} {
		if got := read(hour(text)); got != want {
			t.Errorf("at %s it is %g, want %g", text, got, want)
		}
	}
	for want, lines := range map[string][]string{
		"row 2: timestamp": {"tomorrow,1"}, "row 3: timestamp": {"2026-11-20 22:00:00,1", "2026-11-20 22:00:00,1"}, "row 2: value": {"2026-11-20 22:00:00,-1"}, "no rows": nil,
		"one whole night": {"2026-11-20 22:00:00,1", "2026-11-21 04:00:00,1"}, "nothing came": {"2026-11-20 22:00:00,0", "2026-11-21 06:00:00,0"},
	} {
		if _, err := recorded(write(lines...), hour("22:00"), hour("05:00")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", lines, err, want)
		}
	}
}

// TestArrivals: the same seed gives the same traffic, another one other traffic, and evenings have more of it than nights.
func TestArrivals(t *testing.T) {
	s := full()
	first, again := s.arrivals(100, 1), s.arrivals(100, 1)
	s.seed++
	other := s.arrivals(100, 1)
	if fmt.Sprint(first) != fmt.Sprint(again) || fmt.Sprint(first) == fmt.Sprint(other) {
		t.Error("the seed does not say what comes")
	}
	if evening, night := total(first[:60]), total(first[5*60:6*60]); len(first) != 7*60 || evening < 3*night || night == 0 {
		t.Errorf("%d rows come in the first hour and %d in the sixth, of %d minutes; want far fewer, and some", evening, night, len(first))
	}
}
