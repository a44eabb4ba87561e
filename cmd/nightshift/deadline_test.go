package main

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the machine may have no zones
)

func TestParseDeadline(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	evening := time.Date(2026, 10, 24, 22, 15, 0, 0, berlin) // the night in which summer time ends
	for _, test := range []struct {
		text, want string // want in RFC 3339
		now        time.Time
		err        string
	}{
		{text: "2026-11-21T06:00:00Z", want: "2026-11-21T06:00:00Z"},
		{text: "2026-11-21T06:00:00+05:30", want: "2026-11-21T06:00:00+05:30"},
		{text: "2026-11-21 06:00", want: "2026-11-21T06:00:00+01:00"},
		{text: "2026-11-21T06:00", want: "2026-11-21T06:00:00+01:00"},
		{text: "2026-11-21 06:00:30", want: "2026-11-21T06:00:30+01:00"},
		{text: "06:00", want: "2026-11-20T06:00:00+01:00"},
		{text: "6:00", want: "2026-11-20T06:00:00+01:00"},
		{text: " 02:00 ", want: "2026-11-21T02:00:00+01:00"},
		{text: "03:00", want: "2026-11-21T03:00:00+01:00"}, // it is just now
		{text: "today 06:00", want: "2026-11-20T06:00:00+01:00"},
		{text: "Tomorrow 06:00", want: "2026-11-21T06:00:00+01:00"},
		{text: "tomorrow  02:00", want: "2026-11-21T02:00:00+01:00"},
		{text: "06:00", now: evening, want: "2026-10-25T06:00:00+01:00"},
		{text: "23:00", now: evening, want: "2026-10-24T23:00:00+02:00"},
		{text: "today 02:00", err: `"today 02:00" is in the past: it is 2026-11-20 03:00 CET now`},
		{text: "2025-11-21T06:00:00Z", err: "is in the past"},
		{text: "2026-11-20 02:59", err: "is in the past"},
		{text: "", err: "allowed: a time like"},
		{text: "24:00", err: "allowed: a time like"},
		{text: "6", err: "allowed: a time like"},
		{text: "yesterday 06:00", err: "allowed: a time like"},
		{text: "2026-13-01", err: "allowed: a time like"},
	} {
		now := nowhere
		if !test.now.IsZero() {
			now = test.now
		}
		got, err := parseDeadline(test.text, now)
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%q: got %v, error %v; want an error with %q", test.text, got, err, test.err)
			}
		case err != nil || got.Format(time.RFC3339) != test.want:
			t.Errorf("%q: got %s, error %v; want %s", test.text, got.Format(time.RFC3339), err, test.want)
		}
	}
}

// FuzzParseDeadline: whatever is read lies in the future.
func FuzzParseDeadline(f *testing.F) {
	for _, seed := range []string{"06:00", "tomorrow 06:00", "today 23:59", "2026-11-21T06:00:00Z", "2026-11-21 06:00", "9999-12-31T23:59:59+14:00", ":", "tomorrow"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := parseDeadline(text, nowhere); err == nil && !at.After(nowhere) {
			t.Errorf("%q: %s is not after %s", text, at, nowhere)
		}
	})
}
