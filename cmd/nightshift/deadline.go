package main

import (
	"fmt"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator/document/notation"
)

const deadlineForm = `a time like 2026-11-21T06:00:00Z, 2026-11-21 06:00, 06:00 (the next one) or "tomorrow 06:00"; times without a zone are local`

// parseDeadline reads what --finish-by takes.
func parseDeadline(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return future(text, at, now)
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return future(text, at, now)
		}
	}
	day, hour, named := strings.Cut(text, " ")
	if !named {
		day, hour = "", text
	}
	at, err := time.Parse("15:04", strings.TrimSpace(hour))
	if err != nil {
		return time.Time{}, fmt.Errorf("%q; allowed: %s", text, deadlineForm)
	}
	on := func(days int) time.Time {
		return time.Date(now.Year(), now.Month(), now.Day()+days, at.Hour(), at.Minute(), 0, 0, now.Location())
	}
	switch strings.ToLower(day) {
	case "":
		if next := on(0); next.After(now) {
			return next, nil
		}
		return on(1), nil
	case "today":
		return future(text, on(0), now)
	case "tomorrow":
		return on(1), nil
	}
	return time.Time{}, fmt.Errorf("%q; allowed: %s", text, deadlineForm)
}

func future(text string, at, now time.Time) (time.Time, error) {
	if !at.After(now) {
		return time.Time{}, fmt.Errorf("%q is in the past: it is %s now", text, now.Format("2006-01-02 15:04 MST"))
	}
	return at, nil
}

// deadlineFlags are the two ways to name a deadline.
type deadlineFlags struct{ finishBy, within string }

// parse gives what was asked for; both are zero when nothing was.
func (f deadlineFlags) parse(now time.Time) (finishBy time.Time, within string, err error) {
	switch {
	case f.finishBy != "" && f.within != "":
		return finishBy, "", fmt.Errorf("--finish-by and --within both say when the job must be done; give one of them")
	case f.finishBy != "":
		finishBy, err = parseDeadline(f.finishBy, now)
		if err != nil {
			err = fmt.Errorf("--finish-by: %w", err)
		}
	case f.within != "":
		var duration time.Duration
		duration, err = notation.ParseDuration(f.within)
		switch {
		case err != nil:
			err = fmt.Errorf("--within: %w", err)
		case duration <= 0:
			err = fmt.Errorf("--within: %q; allowed: more than 0s", f.within)
		}
	}
	return finishBy, f.within, err
}
