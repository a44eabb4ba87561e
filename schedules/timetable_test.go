package schedules

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the machine may have no zones

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

func timetable(t interface{ Fatal(...any) }, expression, zone string, except ...time.Time) Timetable {
	read, err := ParseCron(expression)
	if err != nil {
		t.Fatal(err)
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return Timetable{Name: "nightly", Cron: read, Zone: location, Except: except}
}

func at(t interface{ Fatal(...any) }, text string) time.Time {
	read, err := time.Parse("2006-01-02T15:04Z07:00", text)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// SC3 to SC8: where clocks are set, by hours, half an hour and days, for schedules that name their hours and for those that do not; and exceptions.
func TestOccurrences(t *testing.T) {
	t.Parallel()
	for _, one := range []struct{ cron, zone, after, want string }{ // what clocks show as the expression means it, and when it is
		{"30 2 * * *", "UTC", "2026-03-28T00:00Z", "03-28T02:30[UTC] 03-28 02:30, 03-29T02:30[UTC] 03-29 02:30"},
		// The gap: when clocks are set.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T00:00Z", "03-28T02:30[Europe/Berlin] 03-28 01:30, 03-29T02:30[Europe/Berlin] 03-29 01:00, 03-30T02:30[Europe/Berlin] 03-30 00:30"},
		{"0,30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00Z",
			"03-29T02:00[Europe/Berlin] 03-29 01:00, 03-29T02:30[Europe/Berlin] 03-29 01:00, 03-29T03:00[Europe/Berlin] 03-29 01:00, 03-29T03:30[Europe/Berlin] 03-29 01:30"},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00Z", "10-04T02:15[Australia/Lord_Howe] 10-03 15:30"},
		{"30 2 * * *", "Pacific/Apia", "2011-12-29T20:00Z", "12-30T02:30[Pacific/Apia] 12-30 10:00, 12-31T02:30[Pacific/Apia] 12-30 12:30"},
		// The overlap: the first of both, and after it not again.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", "10-25T02:30[Europe/Berlin] 10-25 00:30, 10-26T02:30[Europe/Berlin] 10-26 01:30"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T00:45Z", "10-26T02:30[Europe/Berlin] 10-26 01:30"},
		{"30 2,3 * * *", "Europe/Berlin", "2026-10-25T01:15Z", "10-25T03:30[Europe/Berlin] 10-25 02:30"},
		// Hours that are not named: the time that passes.
		{"30 * * * *", "Europe/Berlin", "2026-03-29T00:00Z", "03-29T01:30+01:00[Europe/Berlin] 03-29 00:30, 03-29T03:30+02:00[Europe/Berlin] 03-29 01:30"},
		{"30 * * * *", "Europe/Berlin", "2026-10-24T23:45Z",
			"10-25T02:30+02:00[Europe/Berlin] 10-25 00:30, 10-25T02:30+01:00[Europe/Berlin] 10-25 01:30, 10-25T03:30+01:00[Europe/Berlin] 10-25 02:30"},
		{"0 */2 * * *", "Europe/Berlin", "2026-03-28T23:00Z", "03-29T04:00+02:00[Europe/Berlin] 03-29 02:00"},
		{"0 0-23/2 * * *", "Europe/Berlin", "2026-03-28T23:00Z", "03-29T02:00[Europe/Berlin] 03-29 01:00, 03-29T04:00[Europe/Berlin] 03-29 02:00"},
		{"0 * * * *", "Pacific/Apia", "2011-12-30T09:30Z", "12-31T00:00+14:00[Pacific/Apia] 12-30 10:00"},
		// A time between two minutes.
		{"* * * * *", "UTC", "2026-01-01T00:00Z", "01-01T00:01+00:00[UTC] 01-01 00:01"},
		// The 5th and the 6th of January are exceptions.
		{"30 2 * * *", "UTC", "2026-01-04T02:00Z", "01-04T02:30[UTC] 01-04 02:30, 01-07T02:30[UTC] 01-07 02:30"},
		{"0 * * * *", "America/New_York", "2026-01-05T04:30Z", "01-07T00:00-05:00[America/New_York] 01-07 05:00"},
	} {
		table := timetable(t, one.cron, one.zone, time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 6, 0, 0, 0, 0, time.UTC))
		var got []string
		for _, next := range table.Between(at(t, one.after), at(t, one.after).AddDate(1, 0, 0), strings.Count(one.want, ",")+1) {
			name, shown, _ := strings.Cut(next.ID, "/")
			if name != table.Name || next.At.Location() != time.UTC {
				t.Errorf("%s in %s: %+v", one.cron, one.zone, next)
			}
			got = append(got, shown[len("2026-"):]+" "+next.At.Format("01-02 15:04"))
		}
		if got := strings.Join(got, ", "); got != one.want {
			t.Errorf("%s in %s after %s:\n%s, want\n%s", one.cron, one.zone, one.after, got, one.want)
		}
	}
}

// SC9: a search ends: at its bounds, and where there is nothing to find.
func TestOccurrencesEnd(t *testing.T) {
	t.Parallel()
	table := timetable(t, "* * * * *", "Europe/Berlin")
	from := at(t, "2026-01-01T00:00Z")
	if got := table.Between(from, from.Add(time.Hour), 1000); len(got) != 60 || !got[59].At.Equal(from.Add(time.Hour)) {
		t.Errorf("%d occurrences in an hour", len(got))
	}
	if got := table.Between(from, from.AddDate(1, 0, 0), 7); len(got) != 7 {
		t.Errorf("%d occurrences, want 7", len(got))
	}
	for _, hours := range []string{"*", "4"} {
		table = timetable(t, "0 "+hours+" 29 2 *", "Europe/Berlin")
		if got, found := table.Next(at(t, "2096-03-01T00:00Z")); !found || got.Wall.Year() != 2104 {
			t.Errorf("after 2096: %v, %v", got, found)
		}
		table.Cron = Cron{}
		if got, found := table.Next(from); found {
			t.Errorf("no expression occurs at %v", got)
		}
	}
}

// SC9: from any time, far in the past and in the future too, in any zone, a search ends with an occurrence that is later, and the same one from the moment before it.
func TestSearchEnds(t *testing.T) {
	t.Parallel()
	all, _ := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		table := timetable(t, rapid.SampledFrom([]string{"* * * * *", "*/7 */5 * * *", "59 23 31 12 *", "0 0 29 2 *", "0 * 29 2 *", "30 2 * * sun", "0 0 1 1 *"}).Draw(t, "cron"), "UTC")
		table.Zone = rapid.SampledFrom(all).Draw(t, "zone")
		from := time.Unix(rapid.Int64Range(-62_135_596_800, 253_402_300_799).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")) // the years 1 to 9999
		next, found := table.Next(from)
		if !found || !next.At.After(from) || next.At.Sub(from) > 9*366*24*time.Hour {
			t.Fatalf("after %s: %+v, %v", from.UTC(), next, found)
		}
		if again, _ := table.Next(next.At.Add(-1)); again.ID != next.ID && again.At != next.At {
			t.Fatalf("before %+v: %+v", next, again)
		}
	})
}

// SC3, SC4: a schedule of every day is when a time of the day of a queue's objective is.
func TestAsTimesOfTheDay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		of := orchestrator.TimeOfDay(rapid.IntRange(0, 24*60-1).Draw(t, "time"))
		table := timetable(t, of.String()[3:]+" "+of.String()[:2]+" * * *", rapid.SampledFrom([]string{"Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe"}).Draw(t, "zone"))
		from := time.Unix(rapid.Int64Range(1_000_000_000, 1_800_000_000).Draw(t, "from"), 0)
		next, _ := table.Next(from)
		if want := of.After(from, table.Zone); !next.At.Equal(want) {
			t.Fatalf("after %s at %s, want %s", from.UTC(), next.At, want)
		}
	})
}
