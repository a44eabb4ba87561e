// Package schedules says when the occurrences of a schedule are, and what becomes of each. docs/schedules.md numbers the cases.
//
// A cron expression is looked at as what it is to people: times that a clock on the wall shows. Cron finds those times; Timetable says at which moment each of them is in a time
// zone, and gives each occurrence its identity; Schedule.Decide says which occurrences are submitted, skipped or replaced, from a bounded record of what was decided before. Template
// fills in an occurrence where the job of a schedule has a place for it.
//
// The package is pure: time is passed in, nothing is logged, and nothing is looked up. It is the only one that imports github.com/robfig/cron/v3, whose parser and whose
// search it uses. Time zones, identities and missed occurrences are its own (docs/decisions/015).
package schedules
