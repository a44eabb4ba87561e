package main

import (
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// someSchedules are one whose run is open, one that is paused and waits for its input, and one that submits nothing.
func someSchedules() []api.Schedule {
	at := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }
	run := func(name string, at time.Time, zone string, job string, state orchestrator.JobState) api.ScheduledRun {
		wall := at.Format("2006-01-02T15:04")
		return api.ScheduledRun{ID: name + "/" + wall + "[" + zone + "]", At: at, Wall: wall, Job: job, State: state}
	}
	next, others := run("file", at(21, 1), "Europe/Berlin", "", ""), run("others", at(21, 0), "UTC", "", "")
	next.Wall, next.ID = "2026-11-21T02:00", "file/2026-11-21T02:00[Europe/Berlin]"
	open := run("file", at(20, 1), "Europe/Berlin", "nightly-run", orchestrator.JobRunning)
	open.Wall, open.ID = "2026-11-20T02:00", "file/2026-11-20T02:00[Europe/Berlin]"
	late := run("late", at(20, 1), "UTC", "", "")
	late.Problem = "input[0]: file:///in/2026-11-20.jsonl: no such object"
	next.Prewarm = &api.Prewarm{From: next.At.Add(-3 * time.Minute), Workers: 4, Cost: orchestrator.Money{Micros: 1_470_000, Currency: "EUR"}, Short: 1}
	return []api.Schedule{
		{
			Name: "file", Queue: "nightly", Cron: "0 2 * * *", TimeZone: "Europe/Berlin", Submits: true, Rows: 1_200_000, RowsHigh: 1_440_000, RowsBasis: "learned", Next: &next,
			Open: []api.ScheduledRun{open}, Waiting: []api.ScheduledRun{}, Ended: []api.ScheduledRun{run("file", at(19, 1), "Europe/Berlin", "nightly-old", orchestrator.JobPartiallyFailed)},
			Decisions: []api.ScheduleDecision{
				{At: at(20, 1), Action: "submit", ID: open.ID, Code: "due", Sentence: "It is due."},
				{At: at(18, 1), Action: "skip", ID: "file/2026-11-18T02:00[Europe/Berlin]", Count: 3, Code: "suspended", Sentence: "The schedule is suspended."},
			},
		},
		{
			Name: "late", Queue: "nightly", Cron: "0 1 * * *", TimeZone: "UTC", Submits: true, PausedAt: nowhere.Add(-time.Hour), Rows: -1, RowsHigh: -1, RowsBasis: "unknown",
			Open: []api.ScheduledRun{late}, Waiting: []api.ScheduledRun{}, Ended: []api.ScheduledRun{}, Decisions: []api.ScheduleDecision{},
		},
		{
			Name: "others", Queue: "clicks", Cron: "@daily", TimeZone: "UTC", Rows: -1, RowsHigh: -1, RowsBasis: "unknown", Next: &others,
			Open: []api.ScheduledRun{}, Waiting: []api.ScheduledRun{}, Ended: []api.ScheduledRun{}, Decisions: []api.ScheduleDecision{},
		},
	}
}

func findSchedule(tenant, name string) (api.Schedule, *api.Error) {
	for _, one := range someSchedules() {
		if one.Name == name && tenant == "default" {
			return one, nil
		}
	}
	return api.Schedule{}, &api.Error{Code: api.CodeNotFound, Field: "name", Message: fmt.Sprintf("tenant %q has no schedule %q; it has: file, late, others", tenant, name)}
}

func (a *answers) listSchedules(tenant string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.SchedulesRequest](data)
	if problem != nil {
		return nil, problem
	}
	if request.Name != "" {
		one, problem := findSchedule(tenant, request.Name)
		return api.SchedulesResponse{Schedules: []api.Schedule{one}}, problem
	}
	if tenant != "default" {
		return api.SchedulesResponse{Schedules: []api.Schedule{}}, nil
	}
	return api.SchedulesResponse{Schedules: someSchedules()}, nil
}

func (a *answers) trigger(tenant string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.TriggerRequest](data)
	if problem != nil {
		return nil, problem
	}
	if _, problem := findSchedule(tenant, request.Name); problem != nil {
		return nil, problem
	}
	if a.lost > 0 {
		a.lost--
		return nil, nil
	}
	job := api.Job{ID: "nightly-asked", Tenant: tenant, Queue: "nightly", State: orchestrator.JobQueued, Updated: nowhere}
	return api.TriggerResponse{ID: request.Name + "/trigger/" + request.IdempotencyKey, Job: job, Repeated: request.IdempotencyKey == "again"}, nil
}

func (a *answers) pause(tenant string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.PauseRequest](data)
	if problem != nil {
		return nil, problem
	}
	one, problem := findSchedule(tenant, request.Name)
	one.PausedAt = nowhere
	return api.PauseResponse{Schedule: one}, problem
}

func (a *answers) resume(tenant string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.ResumeRequest](data)
	if problem != nil {
		return nil, problem
	}
	one, problem := findSchedule(tenant, request.Name)
	one.PausedAt = time.Time{}
	return api.ResumeResponse{Schedule: one}, problem
}

func (a *answers) backfill(tenant string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.BackfillRequest](data)
	if problem != nil {
		return nil, problem
	}
	one, problem := findSchedule(tenant, request.Name)
	if problem != nil {
		return nil, problem
	}
	if request.To.After(nowhere) {
		return nil, &api.Error{Code: api.CodeInvalid, Field: "to", Message: "2026-11-30T00:00:00Z; allowed: not after now"}
	}
	answer := api.BackfillResponse{Runs: []api.BackfilledRun{}, Suspended: request.Name == "late"}
	if len(one.Ended) > 0 || answer.Suspended {
		answer.Runs = append(answer.Runs, api.BackfilledRun{ScheduledRun: *someSchedules()[0].Next, Action: "submit", Code: "backfill", Sentence: "It did not run."})
	}
	for _, ran := range one.Ended {
		answer.Runs = append(answer.Runs, api.BackfilledRun{ScheduledRun: ran, Action: "skip", Code: "ran", Sentence: "It ran as job nightly-old (partially failed)."})
	}
	return answer, nil
}
