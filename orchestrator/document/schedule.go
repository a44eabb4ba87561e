package document

import (
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/schedules"
)

// Schedule is work of a queue that comes at known times.
type Schedule struct {
	Metadata
	Position Position
	Spec     ScheduleSpec
}

// ScheduleSpec is everything about a schedule but its name.
type ScheduleSpec struct {
	Queue        string
	Cron         string
	TimeZone     string  // as the IANA database names it
	Expect       *Expect // nil: learned from what came before
	Objective    PeakObjective
	Submit       *Submission // nil: somebody else submits, or the queue drains a source
	Overlap      schedules.Overlap
	Missed       schedules.Missed
	MissedWithin time.Duration
	Except       []time.Time // days on which it does not occur
	Suspend      bool
	Cap          *Cap
}

// Expect is how much comes with an occurrence.
type Expect struct {
	Rows   int
	Spread float64 // how much more or less it may be, as a part of Rows
}

// PeakObjective is when an occurrence is to be finished: at a time of the day or after a time, or neither.
type PeakObjective struct {
	FinishBy     *orchestrator.TimeOfDay // that comes next after the occurrence
	FinishWithin time.Duration           // from the occurrence on; 0: none
}

// Submission is a job that the schedule submits. Name and Input are templates.
type Submission struct {
	Name       string
	Input      []string
	Key        string
	Format     orchestrator.Format // empty: as the ends of the objects' names say
	Parameters map[string]any
	MaxCost    *orchestrator.Money
	Steps      *orchestrator.Steps // around its scoring; the values of their parameters are templates
}

// Cap is a hard maximum from each occurrence on.
type Cap struct {
	MaxWorkers int
	For        time.Duration
}

func defaultSchedule() ScheduleSpec {
	return ScheduleSpec{Overlap: schedules.Forbid, Missed: schedules.MissedLatest, MissedWithin: 24 * time.Hour}
}

func scheduleFields(f visitor, spec *ScheduleSpec) {
	f.required("queue", "cron", "timeZone")
	f.text("queue", &spec.Queue, isAnything)
	f.text("cron", &spec.Cron, isAnything)
	if _, err := schedules.ParseCron(spec.Cron); err != nil && f.sound("cron") {
		f.problem("cron", "%v", err)
	}
	f.text("timeZone", &spec.TimeZone, isTimeZone)
	if f.optional("expect", spec.Expect != nil) {
		if spec.Expect == nil {
			spec.Expect = &Expect{Spread: .2}
		}
		f.object("expect", func(f visitor) {
			f.required("rows")
			f.whole("rows", &spec.Expect.Rows, 1, 1_000_000_000_000)
			f.decimal("spread", &spec.Expect.Spread, 10)
		})
	}
	f.object("objective", func(f visitor) { peakFields(f, &spec.Objective) })
	if f.optional("submit", spec.Submit != nil) {
		if spec.Submit == nil {
			spec.Submit = &Submission{}
		}
		f.object("submit", func(f visitor) { submissionFields(f, spec.Submit) })
	}
	choiceOf(f, "overlap", &spec.Overlap, schedules.Forbid, schedules.Replace, schedules.Allow)
	choiceOf(f, "missed", &spec.Missed, schedules.MissedSkip, schedules.MissedLatest, schedules.MissedAll)
	f.duration("missedWithin", &spec.MissedWithin, time.Minute, year)
	f.dates("except", &spec.Except)
	if f.optional("suspend", spec.Suspend) {
		f.flag("suspend", &spec.Suspend)
	}
	if f.optional("cap", spec.Cap != nil) {
		if spec.Cap == nil {
			spec.Cap = &Cap{}
		}
		f.object("cap", func(f visitor) {
			f.required("maxWorkers", "for")
			f.whole("maxWorkers", &spec.Cap.MaxWorkers, 0, megaCount)
			f.duration("for", &spec.Cap.For, time.Minute, 7*24*time.Hour)
		})
	}
}

func peakFields(f visitor, objective *PeakObjective) {
	if f.optional("finishBy", objective.FinishBy != nil) {
		if objective.FinishBy == nil {
			objective.FinishBy = new(orchestrator.TimeOfDay)
		}
		timeOfDay(f, "finishBy", objective.FinishBy)
	}
	if f.optional("finishWithin", objective.FinishWithin != 0) {
		f.duration("finishWithin", &objective.FinishWithin, time.Second, year)
	}
	if objective.FinishBy != nil && objective.FinishWithin > 0 && f.sound("finishBy", "finishWithin") {
		f.problem("finishBy", "beside finishWithin; allowed: one of them")
	}
}

func submissionFields(f visitor, submit *Submission) {
	f.required("input")
	f.text("name", &submit.Name, isTemplate)
	f.texts("input", &submit.Input, isTemplate)
	f.text("key", &submit.Key, isColumn)
	if f.optional("format", submit.Format != "") {
		choiceOf(f, "format", &submit.Format, orchestrator.FormatJSONL, orchestrator.FormatCSV, orchestrator.FormatParquet)
	}
	f.parameters("parameters", &submit.Parameters)
	if f.optional("maxCost", submit.MaxCost != nil) {
		if submit.MaxCost == nil {
			submit.MaxCost = &orchestrator.Money{}
		}
		moneyFields(f, "maxCost", submit.MaxCost)
	}
	scheduledSteps(f, submit)
	if f.sound("name", "input") {
		tryTemplates(f, *submit)
	}
}

// tryTemplates fills in an occurrence, any, so that what is wrong is seen before there is one.
func tryTemplates(f visitor, submit Submission) {
	anyTime := time.Date(2026, time.January, 2, 3, 4, 0, 0, time.UTC)
	table, one := schedules.Timetable{Zone: time.UTC}, schedules.Occurrence{Wall: anyTime, At: anyTime}
	try := func(key, text string, check check) {
		filled, err := fill(text, table, one)
		switch {
		case err != nil:
			f.problem(key, "%v", err)
		case check(filled) != "":
			f.problem(key, "gives %s for the occurrence of %s; allowed: %s", quoted(filled), one.Wall.Format("2006-01-02 15:04"), check(filled))
		}
	}
	if submit.Name != "" {
		try("name", submit.Name, isJobName)
	}
	for index, text := range submit.Input {
		try(indexed("input", index), text, isLine)
	}
}

func fill(text string, table schedules.Timetable, one schedules.Occurrence) (string, error) {
	read, err := schedules.ParseTemplate(text)
	if err != nil {
		return "", err
	}
	return read.Fill(table, one)
}

func isTemplate(text string) string {
	return allowedIf(text != "" && len(text) <= maxText, "1 to 1024 characters")
}

func isJobName(text string) string {
	return allowedIf(len(text) <= 200, "at most 200 characters")
}

// Timetable is when it occurs.
func (s Schedule) Timetable() schedules.Timetable {
	read, _ := schedules.ParseCron(s.Spec.Cron) // decoding has found what is wrong
	return schedules.Timetable{Name: s.Name, Cron: read, Zone: zone(s.Spec.TimeZone), Except: s.Spec.Except}
}

// Rules say what becomes of its occurrences.
func (s Schedule) Rules() schedules.Schedule {
	return schedules.Schedule{Timetable: s.Timetable(), Overlap: s.Spec.Overlap, Missed: s.Spec.Missed, MissedWithin: s.Spec.MissedWithin, Suspended: s.Spec.Suspend}
}

// Due is when an occurrence is to be finished; zero: never.
func (s Schedule) Due(one schedules.Occurrence) time.Time {
	switch objective := s.Spec.Objective; {
	case objective.FinishBy != nil:
		return objective.FinishBy.After(one.At, zone(s.Spec.TimeZone))
	case objective.FinishWithin > 0:
		return one.At.Add(objective.FinishWithin)
	}
	return time.Time{}
}

// Filled is the job of an occurrence: the submission with every template filled in.
func (s Schedule) Filled(one schedules.Occurrence) (Submission, error) {
	table, filled := s.Timetable(), *s.Spec.Submit
	filled.Input = nil
	var err error
	if filled.Name, err = fill(s.Spec.Submit.Name, table, one); err != nil {
		return Submission{}, err
	}
	for _, text := range s.Spec.Submit.Input {
		input, err := fill(text, table, one)
		if err != nil {
			return Submission{}, err
		}
		filled.Input = append(filled.Input, input)
	}
	if filled.Steps, err = filledSteps(s.Spec.Submit.Steps, table, one); err != nil {
		return Submission{}, err
	}
	return filled, nil
}

// Schedule finds a schedule by name.
func (s Set) Schedule(name string) (Schedule, bool) {
	for _, schedule := range s.Schedules {
		if schedule.Name == name {
			return schedule, true
		}
	}
	return Schedule{}, false
}

// scheduled checks that the queue of a schedule is there, and takes jobs where it submits them.
func (d *decoder) scheduled(schedule decodedSchedule, declared map[string]map[string]*source) {
	d.reference(schedule.source, "spec.queue", "Queue", schedule.Spec.Queue, declared)
	for _, queue := range d.queues {
		if queue.Name == schedule.Spec.Queue {
			stepsOf(schedule, queue.Spec)
		}
		if queue.Name == schedule.Spec.Queue && queue.Spec.Source != SourceJobs && schedule.Spec.Submit != nil {
			schedule.source.problem("spec.submit", "Queue %s has source: %s and takes no jobs; allowed: with a queue of source: jobs", quoted(queue.Name), queue.Spec.Source)
		}
	}
}
