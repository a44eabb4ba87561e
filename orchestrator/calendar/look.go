package calendar

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/state"
	"nightshift.dev/nightshift/schedules"
)

// look decides what becomes of a schedule's occurrences, stores that, and only then does it.
func (c *Calendar) look(ctx context.Context, e *entry, now time.Time) {
	e.look = e.next(now)
	decided, err := c.decide(ctx, e, now)
	switch {
	case errors.Is(err, state.ErrConflict): // somebody else has decided
		e.look = now
		return
	case err != nil:
		e.look = now.Add(openPause)
		if ctx.Err() == nil {
			c.config.Log.Warn("a schedule is looked at again", "schedule", e.schedule.Name, "error", err)
		}
		return
	}
	c.act(ctx, e, decided, now)
	if len(e.record.Open) > 0 {
		e.look = earlier(e.look, now.Add(openPause))
	}
}

// next is when the timetable has the next occurrence, or the most that a look may be away.
func (e *entry) next(now time.Time) time.Time {
	next := now.Add(longestPause)
	if one, found := e.schedule.Timetable().Next(now); found {
		return earlier(one.At, next)
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// decision is what was decided and stored, and is to be done.
type decision struct {
	list     []schedules.Decision
	jobs     map[string]orchestrator.Job // of open occurrences, by identity
	revision uint64
}

// decide asks package schedules and stores the answer.
func (c *Calendar) decide(ctx context.Context, e *entry, now time.Time) (decision, error) {
	before, revision, err := c.read(ctx, e.schedule.Name)
	if err != nil {
		return decision{}, err
	}
	e.record = before
	if e.schedule.Spec.Submit == nil && len(before.Open)+len(before.Waiting) == 0 {
		return decision{}, nil // there is nothing to run
	}
	jobs, err := c.jobsOf(ctx, before)
	if err != nil {
		return decision{}, err
	}
	after, list, news := e.decided(before, jobs, now)
	if !same(before, after) {
		if revision, err = c.config.Store.PutSchedule(ctx, e.schedule.Name, after, revision); err != nil {
			return decision{}, err
		}
		for _, one := range news {
			c.config.Log.Info("schedule", "schedule", e.schedule.Name, "action", one.Action, "run", one.ID, "count", one.Count, "code", one.Code, "why", one.Sentence)
		}
	}
	e.record, e.arrived = after, arrived(after, jobs)
	return decision{list, jobs, revision}, nil
}

// decided is the record after a look, what is to be done, and what of it is new.
func (e *entry) decided(before Record, jobs map[string]orchestrator.Job, now time.Time) (Record, []schedules.Decision, []Decided) {
	rules := e.schedule.Rules()
	rules.Suspended = e.suspended()
	if e.schedule.Spec.Submit == nil { // only what is open goes on
		rules.Cron = schedules.Cron{}
	}
	var runs []schedules.Run
	for id, job := range jobs {
		runs = append(runs, schedules.Run{ID: id, Ended: ended(job)})
	}
	after := before
	var list []schedules.Decision
	after.Record, list = rules.Decide(before.Record, runs, now)
	var news []Decided
	for _, one := range list {
		if one.Code == "again" || one.Code == "clock" && latest(before).Sub(now) < schedules.Grace {
			continue // it was said before, or another one's clock is a little ahead
		}
		said := Decided{Time: now, Action: one.Action, ID: one.Occurrence.ID, Count: one.Count, Code: one.Code, Sentence: one.Sentence}
		if after.keep(said) {
			news = append(news, said)
		}
	}
	for _, open := range before.Open {
		if job, known := jobs[open.ID]; known && ended(job) {
			after.end(open, job)
		}
	}
	e.submissions(&after, jobs, now)
	return after, list, news
}

// latest is until when all was decided.
func latest(record Record) time.Time {
	if record.Last.At.After(record.Since) {
		return record.Last.At
	}
	return record.Since
}

func ended(job orchestrator.Job) bool { return job.State.Final() || job.Deleted }

// submissions fills in the jobs of occurrences that are open now, and forgets those of others.
func (e *entry) submissions(record *Record, jobs map[string]orchestrator.Job, now time.Time) {
	record.Submissions = maps.Clone(record.Submissions)
	maps.DeleteFunc(record.Submissions, func(id string, _ Submission) bool {
		return !slices.ContainsFunc(record.Open, func(open schedules.Open) bool { return open.ID == id })
	})
	for _, open := range record.Open {
		known, filled := record.Submissions[open.ID]
		_, submitted := jobs[open.ID]
		switch {
		case submitted:
		case !filled || known.Request.Queue == "":
			if record.Submissions == nil {
				record.Submissions = map[string]Submission{}
			}
			record.Submissions[open.ID] = e.fill(open.Occurrence, now)
		case !known.Request.FinishBy.IsZero() && !known.Request.FinishBy.After(now):
			known.Request.FinishBy = time.Time{} // it is late: the queue's own objective counts, from the submit
			record.Submissions[open.ID] = known
		}
	}
}

// same says whether nothing has to be stored.
func same(before, after Record) bool {
	one, errOne := json.Marshal(before)
	other, errOther := json.Marshal(after)
	return errOne == nil && errOther == nil && string(one) == string(other)
}

// jobsOf are the jobs that there are of a record's open occurrences. An error says nothing of any job.
func (c *Calendar) jobsOf(ctx context.Context, record Record) (map[string]orchestrator.Job, error) {
	jobs := map[string]orchestrator.Job{}
	for _, open := range record.Open {
		submission, filled := record.Submissions[open.ID]
		if !filled || submission.Request.Queue == "" {
			continue
		}
		job, err := c.config.Jobs.ByKey(ctx, submission.Tenant, submission.Request.Queue, open.ID)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		jobs[open.ID] = job
	}
	return jobs, nil
}

// arrived says how many rows came with each open occurrence.
func arrived(record Record, jobs map[string]orchestrator.Job) map[string]int64 {
	rows := map[string]int64{}
	for _, open := range record.Open {
		job, submitted := jobs[open.ID]
		switch {
		case !submitted:
			rows[open.ID] = 0
		case job.Counts.RowsTotal > 0:
			rows[open.ID] = job.Counts.RowsTotal
		default:
			rows[open.ID] = -1
		}
	}
	return rows
}

// act does what was decided and stored.
func (c *Calendar) act(ctx context.Context, e *entry, d decision, now time.Time) {
	refused := map[string]string{}
	for _, one := range d.list {
		id := one.Occurrence.ID
		switch one.Action {
		case schedules.Submit:
			if problem, ok := c.submit(ctx, e, id, now); !ok {
				refused[id] = problem
			}
		case schedules.Cancel:
			c.cancel(ctx, e, id, d.jobs[id], one.Sentence)
		}
	}
	if len(refused) > 0 {
		c.complain(ctx, e, d.revision, refused, now)
	}
}

// submit makes the job of an open occurrence. One that is there already, from another try, is the same.
func (c *Calendar) submit(ctx context.Context, e *entry, id string, now time.Time) (problem string, ok bool) {
	of, filled := e.record.Submissions[id]
	if !filled || of.Request.Queue == "" {
		return of.Problem, false
	}
	if tried, refused := e.refused[id]; refused && now.Sub(tried) < refusedPause && !now.Before(tried) {
		return of.Problem, false
	}
	job, created, err := c.config.Jobs.Submit(ctx, of.submission(now))
	var known *api.Error
	if errors.As(err, &known) && known.Code == api.CodeConflict {
		return "", true // another try has made it, before what it is was filled in anew
	}
	if err != nil {
		if e.refused == nil {
			e.refused = map[string]time.Time{}
		}
		e.refused[id] = now
		return err.Error(), false
	}
	delete(e.refused, id)
	if e.arrived[id] = -1; job.Counts.RowsTotal > 0 {
		e.arrived[id] = job.Counts.RowsTotal
	}
	if created {
		c.config.Log.Info("a schedule has submitted its job", "schedule", e.schedule.Name, "run", id, "job", job.ID)
	}
	return "", true
}

// cancel ends the run that a later one replaces. What fails is tried again at the next look, until the run is seen to have ended.
func (c *Calendar) cancel(ctx context.Context, e *entry, id string, job orchestrator.Job, sentence string) {
	if job.ID == "" || ended(job) {
		return
	}
	if _, err := c.config.Jobs.CancelBecause(ctx, job, sentence); err != nil && ctx.Err() == nil {
		c.config.Log.Warn("a run that is replaced is not cancelled yet", "schedule", e.schedule.Name, "run", id, "job", job.ID, "error", err)
	}
}

// complain keeps why runs could not be submitted, for those who ask. It may get lost: who decides next finds out again.
func (c *Calendar) complain(ctx context.Context, e *entry, revision uint64, refused map[string]string, now time.Time) {
	record := e.record
	record.Submissions = maps.Clone(record.Submissions)
	for _, id := range slices.Sorted(maps.Keys(refused)) {
		of := record.Submissions[id]
		if of.Problem == refused[id] && slices.ContainsFunc(record.Decided, func(one Decided) bool { return one.ID == id && one.Code == "refused" }) {
			continue
		}
		of.Problem = refused[id]
		record.Submissions[id] = of
		record.keep(Decided{Time: now, Action: schedules.Wait, ID: id, Count: 1, Code: "refused", Sentence: refused[id]})
		c.config.Log.Warn("a schedule could not submit its job, and tries again", "schedule", e.schedule.Name, "run", id, "error", refused[id])
	}
	if same(e.record, record) {
		return
	}
	if _, err := c.config.Store.PutSchedule(ctx, e.schedule.Name, record, revision); err == nil {
		e.record = record
	}
}
