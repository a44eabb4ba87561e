package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// number is a number with its thousands apart: 1,234,567.
func number[T int | int64](n T) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

// bytesText is a number of bytes with a binary unit: 1.2 GiB.
func bytesText(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if value /= 1 << 10; value < 1000 {
			break
		}
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %s", value, unit)
	}
	return fmt.Sprintf("%.0f %s", value, unit)
}

// span is a duration with its two largest units, as kubectl shows ages: 45s, 5m10s, 3h12m, 4d2h.
func span(d time.Duration) string {
	if d = d.Round(time.Second); d < 0 {
		return "-" + span(-max(d, -math.MaxInt64))
	}
	days, hours, minutes, seconds := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case days > 0:
		return pair(days, "d", hours, "h")
	case hours > 0:
		return pair(hours, "h", minutes, "m")
	case minutes > 0:
		return pair(minutes, "m", seconds, "s")
	}
	return fmt.Sprintf("%ds", seconds)
}

func pair(large int, largeUnit string, small int, smallUnit string) string {
	if small == 0 {
		return fmt.Sprintf("%d%s", large, largeUnit)
	}
	return fmt.Sprintf("%d%s%d%s", large, largeUnit, small, smallUnit)
}

// near is how close a time must be for its seconds to matter.
const near = 10 * time.Minute

// clock is a time in the zone of now, with a day only where it is another one, and seconds only where it is near: 06:00, 06:01:30,
// tomorrow 06:00, 2026-11-25 06:00.
func clock(at, now time.Time) string {
	at = at.In(now.Location())
	if distance := at.Sub(now).Abs(); distance < near && at.Day() == now.Day() {
		return at.Format("15:04:05")
	}
	days := dayNumber(at) - dayNumber(now)
	switch days {
	case 0:
		return at.Format("15:04")
	case 1:
		return "tomorrow " + at.Format("15:04")
	case -1:
		return "yesterday " + at.Format("15:04")
	}
	return at.Format("2006-01-02 15:04")
}

// dayNumber counts calendar days, whatever hours they have.
func dayNumber(at time.Time) int {
	year, month, day := at.Date()
	return int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// ahead says how far away a time is: "in 3h12m", "5m ago".
func ahead(at, now time.Time) string {
	switch distance := at.Sub(now).Round(time.Second); {
	case distance > 0:
		return "in " + span(distance)
	case distance < 0:
		return span(-distance) + " ago"
	}
	return "now"
}

// plural is a number with its word: 1 row, 2 rows.
func plural[T int | int64](n T, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return number(n) + " " + word + "s"
}
