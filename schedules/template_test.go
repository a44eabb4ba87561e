package schedules

import (
	"strings"
	"testing"
	"time"
)

// SC21, SC22: what templates give for an occurrence, in a gap too, and what is refused.
func TestTemplate(t *testing.T) {
	t.Parallel()
	berlin := timetable(t, "30 2 * * *", "Europe/Berlin")
	samoa := timetable(t, "30 2 * * *", "Pacific/Apia")
	for _, one := range []struct {
		table             Timetable
		after, text, want string
	}{
		{berlin, "2026-01-01T12:00Z", `s3://in/{{ .Occurrence.Format "2006-01-02" }}/`, "s3://in/2026-01-02/"},
		{berlin, "2026-01-01T12:00Z", "all", "all"},
		{berlin, "2026-01-01T12:00Z", `{{(.Occurrence.AddDate 0 -1 -1).Format "2006-01-02"}}`, "2025-12-01"},
		{berlin, "2026-01-01T12:00Z", `{{(.Occurrence.Add "-3h").Format "2006-01-02T15"}}`, "2026-01-01T23"},
		{berlin, "2026-01-01T12:00Z", `{{.Occurrence.UTC.Format "15:04 MST"}}`, "01:30 UTC"},
		{berlin, "2026-03-28T12:00Z", `{{.Occurrence.Format "01-02 15:04 -0700 MST"}}`, "03-29 02:30 +0100 CET"}, // no clock shows it
		{berlin, "2026-10-24T12:00Z", `{{.Occurrence.Format "01-02 15:04 -0700 MST"}}`, "10-25 02:30 +0200 CEST"},
		{samoa, "2011-12-30T00:00Z", `{{.Occurrence.Format "2006-01-02"}}`, "2011-12-30"},
		{berlin, "2026-01-01T12:00Z", `{{.Occurrence.Add "x"}}`, `invalid duration "x"; allowed: text with`},
		{berlin, "2026-01-01T12:00Z", `{{.Occurence.Format "2006"}}`, `Format \"2006\"}}": <.Occurence.Format>: can't evaluate field Occurence in`},
		{berlin, "2026-01-01T12:00Z", `{{.Occurrence.Local}}`, "can't evaluate field Local"},
		{berlin, "2026-01-01T12:00Z", `{{.Occurrence`, `"{{.Occurrence": unclosed action; allowed: text with`},
		{berlin, "2026-01-01T12:00Z", `{{range 1000000000}}{{end}}`, ": a definition, a loop"},
		{berlin, "2026-01-01T12:00Z", `{{printf "%999999d" 1}}`, ": a definition, a loop"},
		{berlin, "2026-01-01T12:00Z", `{{if .Occurrence}}a{{end}}`, ": a definition, a loop"},
		{berlin, "2026-01-01T12:00Z", `{{$x := .Occurrence}}{{$x}}`, ": a definition, a loop"},
		{berlin, "2026-01-01T12:00Z", `a{{define "x"}}{{end}}`, ": a definition, a loop"},
		{berlin, "2026-01-01T12:00Z", strings.Repeat(`{{.Occurrence.Format "January"}}`, 600), "gives 4200 bytes; allowed: at most 4096"},
	} {
		if got := fill(one.table, at(t, one.after), one.text); got != one.want && (strings.Contains(one.want, " ") && !strings.Contains(got, one.want) || !strings.Contains(one.want, " ")) {
			t.Errorf("%.60s is %s, want %s", one.text, got, one.want)
		}
	}
}

// fill is the text for the next occurrence, or the error.
func fill(table Timetable, after time.Time, text string) string {
	read, err := ParseTemplate(text)
	if err != nil {
		return err.Error()
	}
	one, _ := table.Next(after)
	filled, err := read.Fill(table, one)
	if err != nil {
		return err.Error()
	}
	return filled
}

// SC22: no template makes it panic, or gives more than it may.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{`{{ .Occurrence.Format "2006" }}`, `{{(.Occurrence.AddDate 9223372036854775807 0 1).UTC}}`, `{{(.Occurrence.Add "1ns").Format .}}`, `{{/* a */ -}}`, `{{block "a" .}}{{end}}`, `{{template "a"}}`} {
		f.Add(seed)
	}
	table := timetable(f, "30 2 * * *", "Europe/Berlin")
	one, _ := table.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	f.Fuzz(func(t *testing.T, text string) {
		read, err := ParseTemplate(text)
		if err != nil {
			return
		}
		if filled, err := read.Fill(table, one); err == nil && len(filled) > maxFilled {
			t.Errorf("%d bytes", len(filled))
		}
	})
}
