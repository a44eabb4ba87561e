package schedules

import (
	"archive/zip"
	"fmt"
	"io"
	"iter"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// zones are all time zones of the IANA database as Go carries it; of those that show the same from the first to the last day, one.
func zones(t *testing.T) (all []*time.Location, names int) {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	seen := map[string]bool{}
	for _, file := range archive.File {
		if strings.HasSuffix(file.Name, "/") {
			continue
		}
		if names++; len(file.Name) > 128-len("NAME/2006-01-02T15:04+00:00[]")-36 { // the most that an idempotency key and a name have
			t.Errorf("identities in %s are no idempotency keys", file.Name)
		}
		reader, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		rules, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocationFromTZData(file.Name, rules)
		if err != nil {
			t.Fatal(file.Name, err)
		}
		if shows := shows(zone); !seen[shows] {
			seen[shows] = true
			all = append(all, zone)
		}
	}
	return all, names
}

// shows tells zones apart.
func shows(zone *time.Location) string {
	var text strings.Builder
	for at := firstDay.AddDate(0, 0, -3); !at.IsZero() && at.Before(lastDay.AddDate(0, 0, 3)); at = orchestrator.SteadyUntil(at, zone) {
		_, offset := at.In(zone).Zone()
		fmt.Fprintln(&text, at.Unix(), offset)
	}
	return text.String()
}

var (
	firstDay = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	lastDay  = time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
)

// SC3 to SC6: in all zones, for fifty years: a schedule of every day comes once on each day that the calendar has, never before an earlier one, with identities of its own, and at the
// time that clocks show or, where they pass over it, when they are set. Around each setting of a clock, every quarter of an hour is looked at by itself.
func TestEveryZone(t *testing.T) {
	t.Parallel()
	all, names := zones(t)
	if names < 590 || len(all) < 200 {
		t.Fatalf("%d zones, %d of them different", names, len(all))
	}
	days := slices.Collect(untilLast(Timetable{Cron: parsed(t, "30 2 * * *")}.walls(firstDay.Add(-time.Second))))
	around := [3]Cron{parsed(t, "*/15 * * * *"), parsed(t, "0 */2 * * *"), parsed(t, "*/15 0-23 * * *")}
	var settings atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d names, %d zones, %d occurrences, %d times that clocks were set", names, len(all), len(all)*len(days), settings.Load())
	})
	for _, zone := range all {
		t.Run(zone.String(), func(t *testing.T) {
			t.Parallel()
			checkDays(t, Timetable{Name: "n", Zone: zone}, days)
			for end := orchestrator.SteadyUntil(firstDay, zone); !end.IsZero() && !end.After(lastDay); end = orchestrator.SteadyUntil(end, zone) {
				checkSetting(t, Timetable{Name: "n", Zone: zone}, end, around)
				settings.Add(1)
			}
		})
	}
}

func parsed(t *testing.T, expression string) Cron {
	read, err := ParseCron(expression)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func untilLast(walls iter.Seq[time.Time]) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for wall := range walls {
			if !wall.Before(lastDay) || !yield(wall) {
				return
			}
		}
	}
}

// checkDays walks through the days of a schedule at 02:30.
func checkDays(t *testing.T, table Timetable, walls []time.Time) {
	day, last := firstDay, Occurrence{At: firstDay.AddDate(0, 0, -2)}
	for one := range table.shown(slices.Values(walls), last.At) {
		right := table.wallAt(one.At).Equal(one.Wall) || table.wallAt(one.At.Add(-time.Second)).Before(one.Wall) && table.wallAt(one.At).After(one.Wall)
		if !one.Wall.Equal(day.Add(150*time.Minute)) || one.ID <= last.ID || one.At.Before(last.At) || !right {
			t.Fatalf("%s: after %+v comes %+v", table.Zone, last, one)
		}
		day, last = day.Add(24*time.Hour), one
	}
	if !day.Equal(lastDay) {
		t.Fatalf("%s: nothing after %s", table.Zone, day)
	}
}

// checkSetting compares the quarters of an hour around a setting of the clock with a clock that is looked at in each.
func checkSetting(t *testing.T, table Timetable, set time.Time, expressions [3]Cron) {
	const quarter = 15 * time.Minute
	around := 4 * time.Hour
	if step := table.wallAt(set).Sub(table.wallAt(set.Add(-time.Second))).Abs(); step > 3*time.Hour {
		around += step
	}
	from, until := set.Add(-around).Truncate(quarter), set.Add(around)
	var passing, even []time.Time
	first := map[time.Time]time.Time{} // time on the wall -> when it or a later one is shown
	latest := table.wallAt(from)
	look := func(at time.Time) time.Time {
		shown := table.wallAt(at)
		for next := latest.Add(quarter); !next.After(shown); next = next.Add(quarter) {
			first[next], latest = at, next
		}
		return shown
	}
	for at := from.Add(quarter); !at.After(until); at = at.Add(quarter) {
		if at.After(set) && at.Before(set.Add(quarter)) { // clocks may be set at any minute
			look(set)
		}
		shown := look(at)
		passing = append(passing, at)
		if shown.Hour()%2 == 0 && shown.Minute() == 0 {
			even = append(even, at)
		}
	}
	compare := func(expression Cron, want []time.Time) {
		table.Cron = expression
		got := table.Between(from, until, 1000)
		if len(got) != len(want) {
			t.Fatalf("%s around %s: %s comes %d times, want %d", table.Zone, set, expression, len(got), len(want))
		}
		seen := map[string]bool{}
		for i, one := range got {
			if !one.At.Equal(want[i]) || seen[one.ID] {
				t.Fatalf("%s around %s: %s %d is %+v, want %s", table.Zone, set, expression, i, one, want[i])
			}
			seen[one.ID] = true
		}
	}
	compare(expressions[0], passing)
	compare(expressions[1], even)
	table.Cron = expressions[2]
	got := table.Between(from, until, 1000)
	for _, one := range got {
		if want := first[one.Wall]; !one.At.Equal(want) {
			t.Fatalf("%s around %s: %+v, want %s", table.Zone, set, one, want)
		}
	}
	if len(got) != len(first) {
		t.Fatalf("%s around %s: %d quarters of an hour, want %d", table.Zone, set, len(got), len(first))
	}
}
