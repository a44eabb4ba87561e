package schedules

import "time"

// Overlap is what becomes of an occurrence that is due while the run of an earlier one is open.
type Overlap string

// The policies.
const (
	Forbid  Overlap = "Forbid"  // it waits, and once it is missed the policy of missed occurrences is asked
	Replace Overlap = "Replace" // the earlier run is cancelled
	Allow   Overlap = "Allow"   // both run
)

// Missed is what becomes of occurrences that nobody could submit when they were due.
type Missed string

// The policies.
const (
	MissedSkip   Missed = "skip"   // nothing
	MissedLatest Missed = "latest" // the last one is submitted, if it is not older than MissedWithin and no other is due
	MissedAll    Missed = "all"    // each that is not older is submitted
)

// Grace is how late an occurrence may be and is not missed: as long as another leader takes to be found, and a restart.
const Grace = 5 * time.Minute

const (
	maxOpen = 100    // runs of one schedule
	maxDue  = 10_000 // occurrences that one decision looks at; the next one goes on
)

// Schedule is a timetable and what is to be done with its occurrences.
type Schedule struct {
	Timetable
	Overlap      Overlap
	Missed       Missed
	MissedWithin time.Duration // unless it is MissedSkip
	Suspended    bool
}

// Record is what was decided, and all that has to be stored: whoever decides next goes on from it. The zero value is that of a schedule that was never looked at. It is stored before anything that is
// decided is done, guarded so that only one of those who decide at the same time succeeds.
type Record struct {
	Timetable string     `json:"timetable"` // expression and zone that it belongs to
	Since     time.Time  `json:"since"`     // when these were first seen: nothing before is theirs
	Last      Occurrence `json:"last"`      // the last one that was decided
	Open      []Open     `json:"open,omitempty"`
	// Waiting are those of the past that a user asked for and that have not begun, oldest first.
	Waiting []Occurrence `json:"waiting,omitempty"`
}

// Open is an occurrence that was decided to be submitted, and whose run has not been seen to end.
type Open struct {
	Occurrence
	Seen     bool `json:"seen,omitempty"`     // its run was there
	Replaced bool `json:"replaced,omitempty"` // by a later one
	// Asked is when a user asked for it, zero where the timetable did: it may have been due long before, and is not late for that.
	Asked time.Time `json:"asked,omitzero"`
	// Triggered says that it is beside the timetable: nothing waits for it, and nothing replaces it.
	Triggered bool `json:"triggered,omitempty"`
}

// since is from when on it could be submitted.
func (o Open) since() time.Time { return latest(o.At, o.Asked) }

// Run is what there is of an occurrence that was submitted.
type Run struct {
	ID    string // of the occurrence
	Ended bool
}

// Action is what is to be done with an occurrence.
type Action string

// The actions. Each may be repeated without harm: a submit by the identity of the occurrence, which is the idempotency key.
const (
	Submit Action = "submit"
	Cancel Action = "cancel" // its run, which a later one replaces
	Skip   Action = "skip"   // it never runs
	Wait   Action = "wait"   // it is not decided yet
)

// Decision is one thing to do, and why.
type Decision struct {
	Action     Action
	Occurrence Occurrence // the last one, where there are several
	Count      int        // of occurrences that are skipped for the same reason, one after another
	Code       string     // of the reason
	Sentence   string
}

// Capped says whether a window of a length holds at a time, one of which begins with each occurrence.
func (s Schedule) Capped(at time.Time, length time.Duration) bool {
	if s.Suspended {
		return false
	}
	begun, found := s.Next(at.Add(-length))
	return found && !begun.At.After(at)
}

// timetable names the expression and the zone.
func (t Timetable) timetable() string { return t.Cron.String() + " " + t.Zone.String() }

// following are the occurrences that a record has not decided, in their order. Those of named hours are told apart by what is on the wall, so that new rules for a zone repeat none.
func (t Timetable) following(record Record, until time.Time) []Occurrence {
	occurrences := t.After(record.Since)
	switch {
	case record.Last.ID == "":
	case t.Cron.everyHour:
		occurrences = t.After(record.Last.At)
	default:
		occurrences = t.shown(t.walls(record.Last.Wall), record.Since)
	}
	var list []Occurrence
	for one := range occurrences {
		if one.At.After(until) || len(list) == maxDue {
			break
		}
		list = append(list, one)
	}
	return list
}
