package calendar

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document/notation"
	"nightshift.dev/nightshift/orchestrator/state"
	"nightshift.dev/nightshift/schedules"
)

// find gives a tenant's schedule.
func (c *Calendar) find(tenant, name string) (entry, error) {
	var names []string
	for _, one := range c.known() {
		if one.tenant != tenant {
			continue
		}
		if one.schedule.Name == name {
			return one, nil
		}
		names = append(names, one.schedule.Name)
	}
	message := fmt.Sprintf("tenant %q has no schedule %q", tenant, name)
	if meant := notation.Closest(name, names); meant != "" {
		message += "; did you mean " + meant + "?"
	} else if len(names) > 0 {
		message += "; it has: " + strings.Join(names[:min(len(names), 10)], ", ")
	}
	return entry{}, &api.Error{Code: api.CodeNotFound, Field: "name", Message: message}
}

// submitting is find, of one that submits jobs.
func (c *Calendar) submitting(tenant, name string) (entry, error) {
	one, err := c.find(tenant, name)
	if err == nil && one.schedule.Spec.Submit == nil {
		err = &api.Error{Code: api.CodeInvalid, Field: "name", Message: fmt.Sprintf("schedule %q submits nothing: its document has no spec.submit, and others bring the work of queue %q", name, one.schedule.Spec.Queue)}
	}
	return one, err
}

const mostTries = 20 // of a change that others are faster with

// change writes what a user asks for into a record.
func (c *Calendar) change(ctx context.Context, name string, change func(*Record) error) (Record, error) {
	for range mostTries {
		before, revision, err := c.read(ctx, name)
		if err != nil {
			return before, err
		}
		after := before
		if err := change(&after); err != nil {
			return before, err
		}
		if same(before, after) {
			return after, nil
		}
		_, err = c.config.Store.PutSchedule(ctx, name, after, revision)
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		return after, err
	}
	return Record{}, fmt.Errorf("change schedule %s: %w", name, state.ErrConflict)
}

// Trigger runs a schedule now, beside its timetable (SC25). The same key gets the same run.
func (c *Calendar) Trigger(ctx context.Context, tenant string, request api.TriggerRequest, now time.Time) (answer api.TriggerResponse, err error) {
	e, err := c.submitting(tenant, request.Name)
	if err != nil {
		return answer, err
	}
	at := request.At
	if at.IsZero() {
		at = now
	}
	if request.IdempotencyKey == "" {
		request.IdempotencyKey = strings.ToLower(rand.Text())
	}
	one := e.schedule.Timetable().Triggered(request.IdempotencyKey, at)
	answer.ID = one.ID
	job, err := c.config.Jobs.ByKey(ctx, tenant, e.schedule.Spec.Queue, one.ID)
	if err == nil {
		answer.Job, answer.Repeated = api.JobOf(job), true
		return answer, nil
	}
	if !errors.Is(err, state.ErrNotFound) {
		return answer, err
	}
	filled := e.fill(one, now)
	if filled.Problem != "" {
		return answer, &api.Error{Code: api.CodeInvalid, Field: "name", Message: fmt.Sprintf("schedule %q: %s", request.Name, filled.Problem)}
	}
	record, err := c.change(ctx, request.Name, func(record *Record) error { return e.trigger(record, request.IdempotencyKey, at, filled, now) })
	if err != nil {
		return answer, err
	}
	defer c.again(request.Name)
	stored := record.Submissions[one.ID]
	job, created, err := c.config.Jobs.Submit(ctx, stored.submission(now))
	if final(err) {
		_, undone := c.change(ctx, request.Name, func(record *Record) error { record.forget(one.ID); return nil })
		return answer, errors.Join(err, undone)
	}
	answer.Job, answer.Repeated = api.JobOf(job), !created
	return answer, err
}

// trigger opens the run in the record, so that whoever looks next submits it, too.
func (e *entry) trigger(record *Record, key string, at time.Time, filled Submission, now time.Time) error {
	after, one, room := e.schedule.Rules().Trigger(record.Record, key, at, now)
	if !room {
		return &api.Error{Code: api.CodeQueueFull, Field: "name", Message: fmt.Sprintf("%d runs of schedule %q are open, the most that there may be; try again later", len(record.Open), e.schedule.Name)}
	}
	if _, known := record.Submissions[one.ID]; !known {
		record.Submissions = maps.Clone(record.Submissions)
		if record.Submissions == nil {
			record.Submissions = map[string]Submission{}
		}
		record.Submissions[one.ID] = filled
	}
	record.Record = after
	record.keep(Decided{Time: now, Action: schedules.Submit, ID: one.ID, Count: 1, Code: "trigger", Sentence: "A user asked for it."})
	return nil
}

// final says whether a submit is refused for good, as far as a user who waits for the answer is concerned.
func final(err error) bool {
	var known *api.Error
	return errors.As(err, &known) && known.Code != api.CodeUnavailable
}

// submission is the job as the dispatcher takes it.
func (s Submission) submission(now time.Time) dispatch.Submission {
	return dispatch.Submission{Tenant: s.Tenant, Queue: s.Request.Queue, Spec: s.Request.Spec(now), Digest: s.Request.Digest(), IdempotencyKey: s.Request.IdempotencyKey}
}

// forget takes back an occurrence that was never submitted.
func (r *Record) forget(id string) {
	r.Open = slices.DeleteFunc(slices.Clone(r.Open), func(open schedules.Open) bool { return open.ID == id })
	r.Submissions = maps.Clone(r.Submissions)
	delete(r.Submissions, id)
	r.Decided = slices.DeleteFunc(slices.Clone(r.Decided), func(one Decided) bool { return one.ID == id })
}

// Pause makes a schedule skip what is due, until it is resumed (SC26). It is kept in its record: documents stay as they are, and a restart changes nothing.
func (c *Calendar) Pause(ctx context.Context, tenant, name string, now time.Time) (api.Schedule, error) {
	return c.paused(ctx, tenant, name, now, func(record *Record) {
		if record.Paused == nil {
			record.Paused = &Pause{At: now}
		}
	})
}

// Resume lets it go on.
func (c *Calendar) Resume(ctx context.Context, tenant, name string, now time.Time) (api.Schedule, error) {
	return c.paused(ctx, tenant, name, now, func(record *Record) { record.Paused = nil })
}

func (c *Calendar) paused(ctx context.Context, tenant, name string, now time.Time, change func(*Record)) (api.Schedule, error) {
	e, err := c.find(tenant, name)
	if err != nil {
		return api.Schedule{}, err
	}
	e.record, err = c.change(ctx, name, func(record *Record) error { change(record); return nil })
	if err != nil {
		return api.Schedule{}, err
	}
	c.config.Log.Info("a user has paused or resumed a schedule", "schedule", name, "paused", e.record.Paused != nil)
	c.again(name)
	return c.status(ctx, e, now)
}

// Backfill lets occurrences of the past run that did not (SC27).
func (c *Calendar) Backfill(ctx context.Context, tenant string, request api.BackfillRequest, now time.Time) (answer api.BackfillResponse, err error) {
	e, err := c.submitting(tenant, request.Name)
	if err != nil {
		return answer, err
	}
	if request.To.After(now) {
		return answer, &api.Error{Code: api.CodeInvalid, Field: "to", Message: fmt.Sprintf("%s; allowed: not after now, %s", request.To.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))}
	}
	ran, err := c.ran(ctx, e, request)
	if err != nil {
		return answer, err
	}
	var list []schedules.Decision
	add := func(record *Record) (err error) {
		record.Record, list, err = e.schedule.Rules().Backfill(record.Record, request.From, request.To, now, func(one schedules.Occurrence) string { return ran[one.ID].said })
		if err != nil {
			err = &api.Error{Code: api.CodeInvalid, Field: "from", Message: err.Error()}
		}
		return err
	}
	if request.DryRun {
		e.record, _, err = c.read(ctx, request.Name)
		if err == nil {
			after := e.record
			err = add(&after)
		}
	} else if e.record, err = c.change(ctx, request.Name, add); err == nil {
		c.config.Log.Info("a user has asked for runs of the past", "schedule", request.Name, "from", request.From, "to", request.To)
		c.again(request.Name)
	}
	answer.Runs, answer.Suspended = []api.BackfilledRun{}, e.suspended()
	for _, one := range list {
		run := e.run(one.Occurrence)
		run.Job, run.State = ran[one.Occurrence.ID].job, ran[one.Occurrence.ID].state
		answer.Runs = append(answer.Runs, api.BackfilledRun{ScheduledRun: run, Action: string(one.Action), Code: one.Code, Sentence: one.Sentence})
	}
	return answer, err
}

// past is a run that there was.
type past struct {
	job   string
	state orchestrator.JobState
	said  string
}

// ran are the runs that there were of occurrences from one time to another, by identity: by their jobs, and where those are forgotten, by the record.
func (c *Calendar) ran(ctx context.Context, e entry, request api.BackfillRequest) (map[string]past, error) {
	found := map[string]past{}
	record, _, err := c.read(ctx, request.Name)
	if err != nil {
		return nil, err
	}
	for _, one := range record.Ended {
		found[one.ID] = pastOf(one.Job, one.State)
	}
	for _, one := range e.schedule.Timetable().Between(request.From.Add(-time.Nanosecond), request.To, schedules.MostWaiting+1) {
		job, err := c.config.Jobs.ByKey(ctx, e.tenant, e.schedule.Spec.Queue, one.ID)
		switch {
		case err == nil:
			found[one.ID] = pastOf(job.ID, job.State)
		case !errors.Is(err, state.ErrNotFound):
			return nil, err
		}
	}
	return found, nil
}

func pastOf(job string, state orchestrator.JobState) past {
	return past{job, state, fmt.Sprintf("It ran as job %s (%s).", job, strings.ReplaceAll(string(state), "_", " "))}
}
