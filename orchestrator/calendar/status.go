package calendar

import (
	"context"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/schedules"
)

// List gives the schedules of a tenant, or the one that is named.
func (c *Calendar) List(ctx context.Context, tenant, name string, now time.Time) ([]api.Schedule, error) {
	list := []api.Schedule{}
	if name != "" {
		one, err := c.find(tenant, name)
		if err != nil {
			return nil, err
		}
		status, err := c.stored(ctx, one, now)
		return append(list, status), err
	}
	for _, one := range c.known() {
		if one.tenant != tenant {
			continue
		}
		status, err := c.stored(ctx, one, now)
		if err != nil {
			return nil, err
		}
		list = append(list, status)
	}
	return list, nil
}

// stored is status by the record as it is stored now.
func (c *Calendar) stored(ctx context.Context, e entry, now time.Time) (status api.Schedule, err error) {
	if e.record, _, err = c.read(ctx, e.schedule.Name); err != nil {
		return api.Schedule{}, err
	}
	return c.status(ctx, e, now)
}

// status is a schedule as users see it.
func (c *Calendar) status(ctx context.Context, e entry, now time.Time) (api.Schedule, error) {
	spec, record := e.schedule.Spec, e.record
	status := api.Schedule{
		Name: e.schedule.Name, Queue: spec.Queue, Cron: spec.Cron, TimeZone: spec.TimeZone, Submits: spec.Submit != nil, Suspended: spec.Suspend,
		Open: []api.ScheduledRun{}, Waiting: []api.ScheduledRun{}, Ended: []api.ScheduledRun{}, Decisions: []api.ScheduleDecision{},
	}
	if record.Paused != nil {
		status.PausedAt = record.Paused.At
	}
	next, found := e.schedule.Timetable().Next(now)
	if found && !e.suspended() {
		run := e.run(next)
		if c.config.Prewarm != nil {
			run.Prewarm = c.config.Prewarm(e.peak(next, 0), now)
		}
		status.Next = &run
	}
	status.Rows, status.RowsHigh = e.expected(next)
	switch {
	case spec.Expect != nil:
		status.RowsBasis = "document"
	case status.Rows >= 0:
		status.RowsBasis = "learned"
	default:
		status.RowsBasis = "unknown"
	}
	jobs, err := c.jobsOf(ctx, record)
	for _, open := range record.Open {
		run, job := e.run(open.Occurrence), jobs[open.ID]
		run.Job, run.State, run.Rows = job.ID, job.State, job.Counts.RowsTotal
		if run.Problem = record.Submissions[open.ID].Problem; run.Job != "" {
			run.Problem = "" // it could be submitted since
		}
		status.Open = append(status.Open, run)
	}
	for _, one := range record.Waiting {
		status.Waiting = append(status.Waiting, e.run(one))
	}
	for _, one := range slices.Backward(record.Ended) {
		run := e.run(one.Occurrence)
		run.Job, run.State, run.Rows = one.Job, one.State, one.Rows
		if job, err := c.config.Jobs.ByKey(ctx, e.tenant, spec.Queue, one.ID); err == nil {
			run.State = job.State // it may have been retried
		}
		status.Ended = append(status.Ended, run)
	}
	for _, one := range slices.Backward(record.Decided) {
		said := api.ScheduleDecision{At: one.Time, Action: string(one.Action), ID: one.ID, Code: one.Code, Sentence: one.Sentence}
		if one.Count > 1 {
			said.Count = one.Count
		}
		status.Decisions = append(status.Decisions, said)
	}
	return status, err
}

// run is an occurrence as users see it.
func (e entry) run(one schedules.Occurrence) api.ScheduledRun {
	return api.ScheduledRun{ID: one.ID, At: one.At, Wall: one.Wall.Format("2006-01-02T15:04"), Due: e.schedule.Due(one)}
}
