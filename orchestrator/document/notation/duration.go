package notation

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

const durationForm = "write it like 90s, 5m, 12h or 30d"

// ParseDuration reads Go's syntax of durations, which may begin with a number of days: "90s", "5m", "30d", "1d12h". A day has
// 24 hours.
func ParseDuration(text string) (time.Duration, error) {
	number, rest, found := strings.Cut(text, "d")
	if !found {
		return parseHours(text, text)
	}
	days, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.Trim(number, "0123456789.") != "" {
		return 0, notDuration(text)
	}
	if days >= float64(math.MaxInt64)/float64(day) {
		return 0, tooLong(text)
	}
	duration := time.Duration(math.Round(days * float64(day)))
	if rest == "" {
		return duration, nil
	}
	if strings.Trim(rest[:1], "0123456789.") != "" {
		return 0, notDuration(text)
	}
	hours, err := parseHours(rest, text)
	if err != nil {
		return 0, err
	}
	if sum := duration + hours; sum >= duration {
		return sum, nil
	}
	return 0, tooLong(text)
}

// parseHours reads Go's syntax; whole is the text that messages name.
func parseHours(text, whole string) (time.Duration, error) {
	duration, err := time.ParseDuration(text)
	if err == nil {
		return duration, nil
	}
	if _, notNumber := strconv.ParseFloat(whole, 64); notNumber == nil {
		return 0, fmt.Errorf("%q has no unit; %s", whole, durationForm)
	}
	return 0, notDuration(whole)
}

func notDuration(text string) error {
	return fmt.Errorf("%q is not a duration; %s", text, durationForm)
}

func tooLong(text string) error { return fmt.Errorf("%q is longer than 290 years", text) }

// FormatDuration writes what ParseDuration reads, without parts that are zero: "10m", "1h30m", "30d".
func FormatDuration(duration time.Duration) string {
	if duration >= day && duration%day == 0 {
		return strconv.FormatInt(int64(duration/day), 10) + "d"
	}
	text := duration.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
