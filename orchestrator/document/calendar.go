package document

import "time"

// Calendar is what is known beforehand of the days on which rows come to a queue: by it its forecast counts days.
type Calendar struct {
	TimeZone string      // of its days, as the IANA database names it; empty: that of the objective, or else UTC
	Holidays []time.Time // days on which less or more comes than usual
}

func calendarFields(f visitor, calendar *Calendar) {
	if !f.optional("calendar", calendar.TimeZone != "" || len(calendar.Holidays) > 0) {
		return
	}
	f.object("calendar", func(f visitor) {
		if f.optional("timeZone", calendar.TimeZone != "") {
			f.text("timeZone", &calendar.TimeZone, isTimeZone)
		}
		f.dates("holidays", &calendar.Holidays)
	})
}

// Zone is where the days of the queue begin.
func (q QueueSpec) Zone() *time.Location {
	for _, name := range []string{q.Calendar.TimeZone, q.Objective.TimeZone} {
		if zone, err := time.LoadLocation(name); name != "" && err == nil { // decoded documents have zones that are known
			return zone
		}
	}
	return time.UTC
}
