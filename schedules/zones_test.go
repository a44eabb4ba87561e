package schedules

import (
	"archive/zip"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
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
		names++
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
	daily, err := ParseCron("30 2 * * *")
	if err != nil {
		t.Fatal(err)
	}
	occurrences, settings := 0, 0
	for _, zone := range all {
		table := Timetable{Name: "n", Cron: daily, Zone: zone}
		occurrences += checkDays(t, table)
		for begun := firstDay; ; settings++ {
			end := orchestrator.SteadyUntil(begun, zone)
			if end.IsZero() || end.After(lastDay) {
				break
			}
			checkSetting(t, table, end)
			begun = end
		}
	}
	t.Logf("%d names, %d zones, %d occurrences, %d times that clocks were set", names, len(all), occurrences, settings)
}

// checkDays walks through the days of a schedule at 02:30.
func checkDays(t *testing.T, table Timetable) int {
	day, last := firstDay, Occurrence{At: firstDay.AddDate(0, 0, -2)}
	for one := range table.shown(firstDay.Add(-time.Second), last.At) {
		if !one.Wall.Before(lastDay) {
			break
		}
		right := table.wallAt(one.At).Equal(one.Wall) || table.wallAt(one.At.Add(-time.Second)).Before(one.Wall) && table.wallAt(one.At).After(one.Wall)
		if !one.Wall.Equal(day.Add(150*time.Minute)) || one.ID <= last.ID || one.At.Before(last.At) || !right {
			t.Fatalf("%s: after %+v comes %+v", table.Zone, last, one)
		}
		day, last = day.AddDate(0, 0, 1), one
	}
	if !day.Equal(lastDay) {
		t.Fatalf("%s: nothing after %s", table.Zone, day)
	}
	return int(lastDay.Sub(firstDay) / (24 * time.Hour))
}

// checkSetting compares the quarters of an hour around a setting of the clock with a clock that is looked at in each.
func checkSetting(t *testing.T, table Timetable, set time.Time) {
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
	compare := func(expression string, want []time.Time) {
		table := Timetable{Name: "n", Zone: table.Zone}
		table.Cron, _ = ParseCron(expression) // one of those below
		got := table.Between(from, until, 1000)
		for i, one := range got {
			if len(got) != len(want) || !one.At.Equal(want[i]) {
				t.Fatalf("%s around %s: %s %d is %+v, want %d", table.Zone, set, expression, i, one, len(want))
			}
		}
	}
	compare("*/15 * * * *", passing)
	compare("0 */2 * * *", even)
	table.Cron, _ = ParseCron("*/15 0-23 * * *")
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
