package schedules

import (
	"strings"
	"testing"
	"time"
)

// SC1, SC2: expressions that are refused, each with a sentence that says what is allowed, and the times of those that are not.
func TestParseCron(t *testing.T) {
	t.Parallel()
	for _, one := range []struct{ text, want string }{ // an error, or the first times of 2026
		{"30 2 * * *", "01-01 02:30, 01-02 02:30"},
		{"  30\t2 * * * ", "01-01 02:30, 01-02 02:30"},
		{"0,30 2 * * mon-fri", "01-01 02:00, 01-01 02:30, 01-02 02:00"},
		{"0 22 L * *", `day of the month "L"; allowed: 1 to 31`},
		{"*/20 1 1 JAN ?", "01-01 01:00, 01-01 01:20, 01-01 01:40"},
		{"0 0 13 * 5", "01-02 00:00, 01-09 00:00, 01-13 00:00"}, // either of both days
		{"@daily", "01-01 00:00, 01-02 00:00"},
		{"@hourly", "01-01 00:00, 01-01 01:00"},
		{"@monthly", "01-01 00:00, 02-01 00:00"},
		{"", `"": is empty; allowed: five fields`},
		{"* * * *", "has 4 of five fields"},
		{"0 30 2 * * *", "has 6 fields, as with seconds; seconds and years cannot be given"},
		{"TZ=UTC", "names a time zone; it is given apart"}, // the parser panics on it
		{"CRON_TZ=", "names a time zone"},
		{"TZ=Europe/Berlin 30 2 * * *", "names a time zone"},
		{"cron_tz=UTC 30 2 * * *", "names a time zone"},
		{"@every 1h", "an interval has no place on the clock; allowed: steps such as */15"},
		{"@reboot", "is none of the words; allowed: @yearly"},
		{"60 24 * * *", `minute "60"; allowed: 0 to 59, as a number, *, a list 1,3, a range 1-5 from the smaller to the larger, or with a step */2; hour "24"; allowed: 0 to 23`},
		{", * * * *", `minute ","`}, // nothing to the parser, and never
		{"*-5 * * * *", `minute "*-5"`},
		{"+5 * * * *", `minute "+5"`},
		{"*/0 * * * *", `minute "*/0"`},
		{"0 0 * * 7", `day of the week "7"; allowed: 0 to 6 or sun to sat, where 0 is Sunday`},
		{"0 0 * * fri-mon", `day of the week "fri-mon"`},
		{"0 0 30 2 *", "is never: no month that it names has such a day"},
		{"0 0 31 4,6,9,11 *", "is never"},
		{strings.Repeat("1,", 200) + "1 * * * *", "409 bytes; allowed: at most 256"},
	} {
		read, err := ParseCron(one.text)
		if err != nil {
			if !strings.Contains(err.Error(), one.want) {
				t.Errorf("%q: %v, want %s", one.text, err, one.want)
			}
			continue
		}
		var times []string
		for at := time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC); len(times) <= strings.Count(one.want, ","); {
			at = read.next(at)
			times = append(times, at.Format("01-02 15:04"))
		}
		if got := strings.Join(times, ", "); got != one.want {
			t.Errorf("%q is at %s, want %s", one.text, got, one.want)
		}
	}
}

// SC2: the 29th of February comes, also over the eight years around 2100, which has none.
func TestLeapDay(t *testing.T) {
	t.Parallel()
	read, err := ParseCron("0 4 29 2 *")
	if err != nil {
		t.Fatal(err)
	}
	if got := read.next(time.Date(2096, 3, 1, 0, 0, 0, 0, time.UTC)); !got.Equal(time.Date(2104, 2, 29, 4, 0, 0, 0, time.UTC)) {
		t.Errorf("after that of 2096 comes that of %s", got)
	}
	if got := (Cron{}).next(time.Time{}); !got.IsZero() {
		t.Errorf("no expression is at %s", got)
	}
}

// SC1: no text makes the parser panic, and what is read has a next time that is a full minute, later, and found again from its own text.
func FuzzParseCron(f *testing.F) {
	for _, seed := range []string{"30 2 * * *", "TZ=", "CRON_TZ=UTC", "@every -1s", "*/5,1-3/2 0-23/2 ? jan-DEC sun", ", , , , ,", "0 0 29 2 *", "1-1/9999 * * * *", "@hourly"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, err := ParseCron(text)
		if err != nil {
			if len(err.Error()) > 4096 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		from := time.Date(2026, 11, 23, 12, 0, 0, 1, time.UTC)
		next := read.next(from)
		again, err := ParseCron(read.String())
		if err != nil || !again.next(from).Equal(next) || again.everyHour != read.everyHour {
			t.Errorf("%q is %q, which is %v, %v", text, read, again, err)
		}
		if !next.After(from) || !next.Equal(next.Truncate(time.Minute)) || next.After(from.AddDate(8, 0, 1)) {
			t.Errorf("%q comes at %s", text, next)
		}
	})
}
