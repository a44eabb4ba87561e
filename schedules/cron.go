package schedules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// maxExpression bounds an expression, in bytes.
const maxExpression = 256

// Cron is a set of times that a clock on the wall can show, each a full minute. The zero value has none.
type Cron struct {
	text  string
	times *cron.SpecSchedule
	// everyHour says that the hour is not named: the schedule follows the time that passes, not the hours that clocks show.
	everyHour bool
}

// words are the expressions that have a name.
var words = []string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}

// field is one of the five of an expression.
type field struct{ name, allowed string }

var fields = []field{
	{"minute", "0 to 59"}, {"hour", "0 to 23"}, {"day of the month", "1 to 31"}, {"month", "1 to 12 or jan to dec"}, {"day of the week", "0 to 6 or sun to sat, where 0 is Sunday"},
}

var (
	fieldForm   = regexp.MustCompile(`^(?i:[*?]|[0-9]{1,4}|[a-z]{3})(?i:-(?:[0-9]{1,4}|[a-z]{3}))?(?:/[0-9]{1,4})?$`)
	unnamedHour = regexp.MustCompile(`^[*?](?:/[0-9]+)?$`)
)

var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// ParseCron reads five fields, or one of the words. An error says all that is wrong and what is allowed.
func ParseCron(text string) (Cron, error) {
	if len(text) > maxExpression {
		return Cron{}, fmt.Errorf("%d bytes; allowed: at most %d", len(text), maxExpression)
	}
	parts := strings.Fields(text)
	if problem := wrongForm(parts); problem != "" {
		return Cron{}, fmt.Errorf("%q: %s", text, problem)
	}
	clean := strings.Join(parts, " ")
	parsed, err := parser.Parse(clean)
	if err != nil {
		return Cron{}, fmt.Errorf("%q: %w; allowed: %s", text, err, form)
	}
	times := parsed.(*cron.SpecSchedule) // all but @every, which is refused
	times.Location = time.UTC            // of the clock on the wall
	read := Cron{text: clean, times: times, everyHour: clean == "@hourly" || len(parts) == 5 && unnamedHour.MatchString(parts[1])}
	if read.next(someTime).IsZero() {
		return Cron{}, fmt.Errorf("%q is never: no month that it names has such a day; allowed: a day of the month that comes within eight years", text)
	}
	return read, nil
}

// someTime is before a leap year, so that the five years after it have every day of every month.
var someTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const form = `five fields, minute hour day-of-the-month month day-of-the-week, like "30 2 * * 1-5"; or one of @yearly, @monthly, @weekly, @daily, @hourly`

// wrongForm is what is wrong with the parts of an expression; empty: nothing that can be seen without the parser.
func wrongForm(parts []string) string {
	switch {
	case len(parts) == 0:
		return "is empty; allowed: " + form
	case hasZone(parts[0]):
		return "names a time zone; it is given apart from the expression, as a name of the IANA database"
	case len(parts) == 1 && slices.Contains(words, parts[0]):
		return ""
	case strings.HasPrefix(parts[0], "@every"):
		return "an interval has no place on the clock; allowed: steps such as */15 * * * *, or " + form
	case strings.HasPrefix(parts[0], "@"):
		return "is none of the words; allowed: " + strings.Join(words, ", ") + ", or five fields"
	case len(parts) == 6 || len(parts) == 7:
		return fmt.Sprintf("has %d fields, as with seconds; seconds and years cannot be given; allowed: %s", len(parts), form)
	case len(parts) != len(fields):
		return fmt.Sprintf("has %d of five fields; allowed: %s", len(parts), form)
	}
	var wrong []string
	for i, part := range parts {
		if !fieldHolds(i, part) {
			wrong = append(wrong, fmt.Sprintf("%s %q; allowed: %s, as a number, *, a list 1,3, a range 1-5 from the smaller to the larger, or with a step */2", fields[i].name, part, fields[i].allowed))
		}
	}
	return strings.Join(wrong, "; ")
}

func hasZone(part string) bool {
	upper := strings.ToUpper(part)
	return strings.HasPrefix(upper, "TZ=") || strings.HasPrefix(upper, "CRON_TZ=")
}

// fieldHolds says whether a field is right. The parser takes an empty list, *-5 and +3 too, and names no field.
func fieldHolds(index int, part string) bool {
	for one := range strings.SplitSeq(part, ",") {
		if !fieldForm.MatchString(one) || strings.Contains(one, "-") && strings.ContainsAny(one[:1], "*?") {
			return false
		}
	}
	alone := []string{"*", "*", "*", "*", "*"}
	alone[index] = part
	_, err := parser.Parse(strings.Join(alone, " "))
	return err == nil
}

// String is the expression, with one space between its fields.
func (c Cron) String() string { return c.text }

// next is the first time after one; zero: there is none within ten years.
func (c Cron) next(wall time.Time) time.Time {
	if c.times == nil {
		return time.Time{}
	}
	wall = wall.Truncate(time.Minute).Add(59 * time.Second) // all are full minutes, and the parser's search tries each second
	for range 2 {
		if next := c.times.Next(wall); !next.IsZero() {
			return next
		}
		// The search has ended after five years.
		wall = time.Date(wall.Year()+5, time.December, 31, 23, 59, 59, 0, time.UTC)
	}
	return time.Time{}
}
