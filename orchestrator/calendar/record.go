package calendar

import (
	"context"
	"errors"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/state"
	"nightshift.dev/nightshift/schedules"
)

// Record is all that is stored of a schedule: whoever looks at it next goes on from it. It is bounded, so that it fits into a message.
type Record struct {
	schedules.Record
	// Submissions are the jobs of open occurrences, by identity: what is submitted again is the very same.
	Submissions map[string]Submission `json:"submissions,omitempty"`
	Ended       []Run                 `json:"ended,omitempty"`   // the last ones, oldest first
	Ran         []schedules.Ran       `json:"ran,omitempty"`     // how much came with occurrences that have ended, oldest first
	Decided     []Decided             `json:"decided,omitempty"` // the last decisions, oldest first
	Paused      *Pause                `json:"paused,omitempty"`  // by a user; nil: not
}

// The bounds of a record.
const (
	mostEnded      = 30
	mostRan        = 400
	mostDecided    = 30
	mostSubmission = 8 << 10 // bytes of one, as JSON
)

// Submission is the job of an occurrence, with every template filled in.
type Submission struct {
	Tenant  string            `json:"tenant"`
	Request api.SubmitRequest `json:"request"`
	Problem string            `json:"problem,omitempty"` // why it could not be submitted yet
}

// Run is one that has ended.
type Run struct {
	schedules.Occurrence
	Job   string                `json:"job"`
	State orchestrator.JobState `json:"state"`
	Rows  int64                 `json:"rows"`
}

// Decided is a decision as it is kept.
type Decided struct {
	Time     time.Time        `json:"time"`
	Action   schedules.Action `json:"action"`
	ID       string           `json:"id"`
	Count    int              `json:"count"`
	Code     string           `json:"code"`
	Sentence string           `json:"sentence"`
}

// Pause is a user's, beside what the document says.
type Pause struct {
	At time.Time `json:"at"`
}

// read gives the stored record and its revision; the zero values where there is none.
func (c *Calendar) read(ctx context.Context, name string) (record Record, revision uint64, err error) {
	revision, err = c.config.Store.Schedule(ctx, name, &record)
	if errors.Is(err, state.ErrNotFound) {
		return Record{}, 0, nil
	}
	return record, revision, err
}

// keep adds a decision to a record, and says whether it is news: what is decided again at every look is kept once.
func (r *Record) keep(one Decided) bool {
	same := func(other Decided) bool {
		return other.Action == one.Action && other.ID == one.ID && other.Code == one.Code && other.Count == one.Count
	}
	if slices.ContainsFunc(r.Decided, same) {
		return false
	}
	r.Decided = append(slices.Clone(r.Decided), one)
	r.Decided = r.Decided[max(0, len(r.Decided)-mostDecided):]
	return true
}

// end keeps what there was of a run.
func (r *Record) end(open schedules.Open, job orchestrator.Job) {
	rows := job.Counts.RowsTotal
	r.Ended = append(slices.Clone(r.Ended), Run{Occurrence: open.Occurrence, Job: job.ID, State: job.State, Rows: rows})
	r.Ended = r.Ended[max(0, len(r.Ended)-mostEnded):]
	if whole := job.State == orchestrator.JobSucceeded || job.State == orchestrator.JobPartiallyFailed; !whole || job.Deleted || open.Triggered {
		return // it says nothing of how much comes
	}
	r.Ran = append(slices.Clone(r.Ran), schedules.Ran{Wall: open.Wall, Rows: rows})
	slices.SortStableFunc(r.Ran, func(a, b schedules.Ran) int { return a.Wall.Compare(b.Wall) }) // a backfill is of earlier days
	r.Ran = r.Ran[max(0, len(r.Ran)-mostRan):]
}
