package api

import (
	"regexp"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// SchedulesRequest asks for the schedules of the tenant's queues.
type SchedulesRequest struct {
	// Name is the one to show; empty for all.
	Name string `json:"name,omitempty"`
}

// SchedulesResponse is what there is of each schedule, in the order of the documents.
type SchedulesResponse struct {
	Schedules []Schedule `json:"schedules"`
}

// Schedule is a schedule with its runs.
type Schedule struct {
	Name     string `json:"name"`
	Queue    string `json:"queue"`
	Cron     string `json:"cron"`
	TimeZone string `json:"timeZone"`
	// Submits says that it submits jobs; otherwise others bring the work.
	Submits bool `json:"submits"`
	// Suspended says that the document suspends it.
	Suspended bool `json:"suspended,omitempty"`
	// PausedAt is since when a user has paused it; absent when none has.
	PausedAt time.Time `json:"pausedAt,omitzero"`
	// Rows is how many are expected of the next run, and RowsHigh what is hardly exceeded; -1 is unknown.
	Rows     int64 `json:"rows"`
	RowsHigh int64 `json:"rowsHigh"`
	// RowsBasis is where that comes from: document, learned or unknown.
	RowsBasis string `json:"rowsBasis"`
	// Next is the next run of the timetable; absent when it is suspended or paused, or there is none.
	Next *ScheduledRun `json:"next,omitempty"`
	// Open are the runs that are decided and have not ended, oldest first.
	Open []ScheduledRun `json:"open"`
	// Waiting are runs of a backfill that have not begun, oldest first.
	Waiting []ScheduledRun `json:"waiting"`
	// Ended are the last runs that have ended, newest first.
	Ended []ScheduledRun `json:"ended"`
	// Decisions are the last ones, newest first.
	Decisions []ScheduleDecision `json:"decisions"`
}

// ScheduledRun is one run of a schedule.
type ScheduledRun struct {
	// ID is the identity of the run, and the idempotency key of its job.
	ID string `json:"id"`
	// At is when it is, or was due; of a triggered one, what its templates see.
	At time.Time `json:"at"`
	// Wall is what clocks show as the expression means it, like 2026-03-29T02:30.
	Wall string `json:"wall"`
	// Due is when it is to be finished; absent when nothing says so.
	Due time.Time `json:"due,omitzero"`
	// Job is the identifier of its job; absent when there is none yet.
	Job string `json:"job,omitempty"`
	// State is that of the job.
	State orchestrator.JobState `json:"state,omitempty"`
	// Rows are those of the job; absent as long as they are not known.
	Rows int64 `json:"rows,omitempty"`
	// Problem is why it could not be submitted yet.
	Problem string `json:"problem,omitempty"`
	// Prewarm is what will be made ready for it; absent when nothing is known to be due, and of runs that have begun.
	Prewarm *Prewarm `json:"prewarm,omitempty"`
}

// Prewarm is what the work of a run asks for, were nothing else to be done then.
type Prewarm struct {
	// From is when its workers are asked for.
	From time.Time `json:"from"`
	// Workers are those that it asks for at most.
	Workers int `json:"workers"`
	// Cost is that of its work, and of the starts or the time that its workers wait.
	Cost orchestrator.Money `json:"cost"`
	// Short is how many workers it lacks to be in time.
	Short int `json:"short,omitempty"`
}

// ScheduleDecision is what was decided of a run, and why.
type ScheduleDecision struct {
	// At is when it was decided.
	At time.Time `json:"at"`
	// Action is submit, cancel, skip or wait.
	Action string `json:"action"`
	// ID is the identity of the run; the last one, where there are several.
	ID string `json:"id"`
	// Count is of runs that are skipped for the same reason, one after another; absent for one.
	Count int `json:"count,omitempty"`
	// Code is the reason for programs, Sentence for people.
	Code     string `json:"code"`
	Sentence string `json:"sentence"`
}

// TriggerRequest runs a schedule now, beside its timetable.
type TriggerRequest struct {
	Name string `json:"name"`
	// At is the time that templates see; by default now.
	At time.Time `json:"at,omitzero"`
	// IdempotencyKey makes a repeated request harmless: the same key gets the same run.
	IdempotencyKey string `json:"idempotencyKey,omitempty" jsonschema:"maxLength=64"`
}

// TriggerResponse answers once the job is stored.
type TriggerResponse struct {
	// ID is the identity of the run.
	ID  string `json:"id"`
	Job Job    `json:"job"`
	// Repeated says that the job was there already, from an earlier request with the same key.
	Repeated bool `json:"repeated,omitempty"`
}

// PauseRequest makes a schedule skip what is due, until it is resumed. Runs that are open go on.
type PauseRequest struct {
	Name string `json:"name"`
}

// PauseResponse is the schedule as it is now.
type PauseResponse struct {
	Schedule Schedule `json:"schedule"`
}

// ResumeRequest lets a schedule go on that was paused.
type ResumeRequest struct {
	Name string `json:"name"`
}

// ResumeResponse is the schedule as it is now.
type ResumeResponse struct {
	Schedule Schedule `json:"schedule"`
}

// BackfillRequest lets runs of the past happen that did not.
type BackfillRequest struct {
	Name string `json:"name"`
	// From and To bound when they were, both included.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// DryRun says what would happen, and changes nothing.
	DryRun bool `json:"dryRun,omitempty"`
}

// BackfillResponse says of each run what becomes of it, oldest first: submit or skip.
type BackfillResponse struct {
	Runs []BackfilledRun `json:"runs"`
	// Suspended says that they wait because the schedule is suspended or paused.
	Suspended bool `json:"suspended,omitempty"`
}

// BackfilledRun is one run of the past.
type BackfilledRun struct {
	ScheduledRun
	Action   string `json:"action"`
	Code     string `json:"code"`
	Sentence string `json:"sentence"`
}

// triggerKey is what an identity can hold beside the name of a schedule.
var triggerKey = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Validate returns what is wrong with the request: nothing, whatever the name; an unknown one is not found.
func (r SchedulesRequest) Validate() []Problem { return nil }

// Validate returns what is wrong with the request.
func (r TriggerRequest) Validate() []Problem {
	p := problems(validSchedule(r.Name))
	p.unless(r.IdempotencyKey == "" || triggerKey.MatchString(r.IdempotencyKey), "idempotencyKey", quoted(r.IdempotencyKey), "letters, digits, -, _ and ., at most 64 characters")
	return p
}

// Validate returns what is wrong with the request.
func (r PauseRequest) Validate() []Problem { return validSchedule(r.Name) }

// Validate returns what is wrong with the request.
func (r ResumeRequest) Validate() []Problem { return validSchedule(r.Name) }

// Validate returns what is wrong with the request.
func (r BackfillRequest) Validate() []Problem {
	p := problems(validSchedule(r.Name))
	if r.From.IsZero() {
		p.missing("from")
	}
	if r.To.IsZero() {
		p.missing("to")
	}
	p.unless(r.From.IsZero() || r.To.IsZero() || !r.To.Before(r.From), "to", r.To.UTC().Format(time.RFC3339), "not before from")
	return p
}

func validSchedule(name string) []Problem {
	var p problems
	if name == "" {
		p.missing("name")
	} else {
		p.unless(notation.ValidName(name), "name", quoted(name), "the name of a schedule: "+notation.NameForm)
	}
	return p
}
