package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// zone and nowhere are when and where the commands of tests run.
var (
	zone    = time.FixedZone("CET", 3600)
	nowhere = time.Date(2026, 11, 20, 3, 0, 0, 0, zone)
)

// answers is a service with canned answers, behind a real NATS server.
type answers struct {
	mu       sync.Mutex
	jobs     []api.Job            // newest first
	next     map[string][]api.Job // what later questions for a job get
	logs     []api.LogEntry
	objects  map[string][]byte // what jobs.read gives
	lost     int               // submits whose answers get lost
	requests []string
	metadata map[string]string // of the service
}

// serve answers on the subjects of the service.
func (a *answers) serve(t *testing.T, conn *nats.Conn) {
	t.Helper()
	service, err := micro.AddService(conn, micro.Config{Name: "nightshift", Version: version, Metadata: a.metadata})
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]func(string, []byte) (any, *api.Error){
		"jobs.submit": a.submit, "jobs.estimate": a.estimate, "jobs.get": a.get, "jobs.list": a.list, "jobs.cancel": a.cancel,
		"jobs.retry": a.retry, "jobs.delete": a.delete, "jobs.logs": a.log, "jobs.read": a.read, "backlogs": a.backlogs, "forecast": a.forecast, "explain": a.explain, "plan": a.plan,
		"schedules.list": a.listSchedules, "schedules.trigger": a.trigger, "schedules.pause": a.pause, "schedules.resume": a.resume, "schedules.backfill": a.backfill,
	} {
		handler := micro.HandlerFunc(func(request micro.Request) {
			a.mu.Lock()
			defer a.mu.Unlock()
			tenant := strings.Split(request.Subject(), ".")[2]
			a.requests = append(a.requests, tenant+" "+name+" "+string(request.Data()))
			result, problem := answer(tenant, request.Data())
			switch {
			case problem != nil:
				result = api.ErrorResponse{Error: problem}
			case result == nil:
				return // lost
			}
			// A test may take the connection away in the middle of an answer: that is a service that is gone.
			if err := request.RespondJSON(result); err != nil && !conn.IsClosed() {
				t.Errorf("%s: %v", name, err)
			}
		})
		if err := service.AddEndpoint(strings.ReplaceAll(name, ".", "-"), handler, micro.WithEndpointSubject("nightshift.v1.*."+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

// enter gives a job a state as of a time.
func enter(job *api.Job, state orchestrator.JobState, at time.Time) {
	times := maps.Clone(job.Times)
	if times == nil {
		times = map[orchestrator.JobState]time.Time{orchestrator.JobQueued: at}
	}
	times[state] = at
	job.State, job.Updated, job.Times = state, at, times
}

func (a *answers) find(tenant, id string) (*api.Job, *api.Error) {
	for i := range a.jobs {
		if a.jobs[i].ID == id && a.jobs[i].Tenant == tenant {
			return &a.jobs[i], nil
		}
	}
	return nil, &api.Error{Code: api.CodeNotFound, Field: "id", Message: fmt.Sprintf("tenant %q has no job %q", tenant, id)}
}

func (a *answers) submit(tenant string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.SubmitRequest](data)
	if problem != nil {
		return nil, problem
	}
	if a.lost > 0 {
		a.lost--
		return nil, nil
	}
	if request.IdempotencyKey == "again" {
		return api.SubmitResponse{Job: a.jobs[0], Repeated: true}, nil
	}
	job := api.Job{ID: request.Queue + "-new", Tenant: tenant, Queue: request.Queue, Name: request.Name, State: orchestrator.JobQueued,
		Times: map[orchestrator.JobState]time.Time{orchestrator.JobQueued: nowhere}, Updated: nowhere, Input: request.Input, Output: "file:///out/new/"}
	a.jobs = slices.Insert(a.jobs, 0, job)
	return api.SubmitResponse{Job: job}, nil
}

func (a *answers) estimate(_ string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.EstimateRequest](data)
	if problem != nil {
		return nil, problem
	}
	estimate := orchestrator.Estimate{Rows: 1_234_567, Shards: 12, Workers: 2, Basis: "profile", Start: nowhere, Finish: nowhere.Add(95 * time.Minute),
		FinishLow: nowhere.Add(90 * time.Minute), FinishHigh: nowhere.Add(3 * time.Hour), Cost: orchestrator.Money{Micros: 320_000, Currency: "EUR"}}
	switch request.Queue {
	case "fraud", "costly":
	case "new":
		estimate = orchestrator.Estimate{Rows: 1_234_567, Shards: 12, Workers: 1, Basis: "unknown", Position: 3,
			Notes: []string{"no speed is known for model new on pool local: no times and no cost can be given"}}
	default:
		return nil, &api.Error{Code: api.CodeNotFound, Field: "queue", Message: fmt.Sprintf("there is no queue %q; it has: fraud", request.Queue)}
	}
	return api.EstimateResponse{Queue: request.Queue, Model: orchestrator.ModelRef{Name: request.Queue + "-model"}, Objects: len(request.Input),
		Bytes: 1 << 30, Deadline: request.FinishBy, Estimate: estimate, Confirm: request.Queue == "costly"}, nil
}

func (a *answers) get(tenant string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.GetRequest](data)
	if problem != nil {
		return nil, problem
	}
	if later := a.next[request.ID]; len(later) > 0 {
		if len(later) > 1 { // the last one stays
			a.next[request.ID] = later[1:]
		}
		if job, err := a.find(tenant, request.ID); err == nil {
			*job = later[0]
		}
	}
	job, err := a.find(tenant, request.ID)
	if err != nil {
		return nil, err
	}
	return api.GetResponse{Job: *job}, nil
}

// list has the place of the next job as its token.
func (a *answers) list(tenant string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.ListRequest](data)
	if problem != nil {
		return nil, problem
	}
	var jobs []api.Job
	for _, job := range a.jobs {
		if job.Tenant == tenant && (request.Queue == "" || job.Queue == request.Queue) && (len(request.States) == 0 || slices.Contains(request.States, job.State)) {
			jobs = append(jobs, job)
		}
	}
	from, _ := strconv.Atoi(request.Continue)
	limit := max(request.Limit, 1)
	answer := api.ListResponse{Jobs: jobs[min(from, len(jobs)):min(from+limit, len(jobs))]}
	if from+limit < len(jobs) {
		answer.Continue = strconv.Itoa(from + limit)
	}
	return answer, nil
}

func (a *answers) cancel(tenant string, data []byte) (any, *api.Error) {
	return a.change(tenant, data, orchestrator.JobCancelled, false)
}

func (a *answers) retry(tenant string, data []byte) (any, *api.Error) {
	return a.change(tenant, data, orchestrator.JobQueued, true)
}

// change moves a job to a state that needs it to have ended, or not to have.
func (a *answers) change(tenant string, data []byte, to orchestrator.JobState, ended bool) (any, *api.Error) {
	request, problem := api.Decode[api.RetryRequest](data)
	if problem != nil {
		return nil, problem
	}
	job, err := a.find(tenant, request.ID)
	if err != nil {
		return nil, err
	}
	if job.State.Final() != ended {
		return nil, &api.Error{Code: api.CodeWrongState, Field: "id", Message: fmt.Sprintf("job %s is %s", job.ID, job.State)}
	}
	enter(job, to, job.Updated)
	return api.CancelResponse{Job: *job}, nil
}

func (a *answers) delete(tenant string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.DeleteRequest](data)
	if problem != nil {
		return nil, problem
	}
	job, err := a.find(tenant, request.ID)
	if err != nil {
		return nil, err
	}
	id := job.ID
	a.jobs = slices.DeleteFunc(a.jobs, func(job api.Job) bool { return job.ID == id })
	return api.DeleteResponse{ID: id}, nil
}

// log gives one entry at a time.
func (a *answers) log(_ string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.LogsRequest](data)
	if problem != nil {
		return nil, problem
	}
	if request.After >= uint64(len(a.logs)) {
		return api.LogsResponse{Entries: []api.LogEntry{}, Next: request.After}, nil
	}
	return api.LogsResponse{Entries: a.logs[request.After : request.After+1], Next: request.After + 1}, nil
}

func (a *answers) read(_ string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.ReadRequest](data)
	if problem != nil {
		return nil, problem
	}
	content, found := a.objects[request.URI]
	if !found {
		return nil, &api.Error{Code: api.CodeNotFound, Field: "uri", Message: request.URI + ": no such object"}
	}
	size := int64(len(content))
	return api.ReadResponse{Data: content[min(request.Offset, size):min(request.Offset+request.Length, size)], Size: size}, nil
}

func (a *answers) explain(string, []byte) (any, *api.Error) {
	reasons := []orchestrator.Reason{{Code: "demand", To: 2, Sentence: "queue fraud wants 2 workers"}}
	return api.ExplainResponse{
		Text:  "pool local: 2 replicas\n  0 -> 2  demand  queue fraud wants 2 workers\n",
		Pools: []orchestrator.PoolPlan{{Name: "local", Replicas: 2, Reasons: reasons}}, Queues: []orchestrator.QueuePlan{}, Jobs: []orchestrator.JobPlan{},
	}, nil
}

// backlogs are one that is known, and one that is not.
func (a *answers) backlogs(_ string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.BacklogsRequest](data)
	if problem != nil {
		return nil, problem
	}
	answer := api.BacklogsResponse{Backlogs: []orchestrator.BacklogStatus{}}
	for _, one := range []orchestrator.BacklogStatus{
		{
			Backlog: orchestrator.Backlog{
				Queue: "payments", Reading: orchestrator.Reading{At: nowhere.Add(-2 * time.Second), Source: "nats PAYMENTS/scoring"}, Method: "consumer info of the leader",
				Pending: 1_234_567, InFlight: 0, Poisoned: 3, Oldest: nowhere.Add(-20 * time.Minute), MostWorkers: 10,
				Notes: []string{"3 messages were given up after their last delivery"},
			},
			Recent: orchestrator.Flow{In: 1500, Out: 1250.4}, Daily: orchestrator.Flow{In: 12.34, Out: 12},
		},
		{Backlog: orchestrator.Backlog{
			Queue: "clicks", Reading: orchestrator.Reading{At: nowhere, Source: "kafka clicks/scoring", Err: "the leader of partition 3 does not answer"},
			Pending: -1, InFlight: -1, Poisoned: -1, Redelivered: -1,
		}},
	} {
		if request.Queue == "" || one.Queue == request.Queue {
			answer.Backlogs = append(answer.Backlogs, one)
		}
	}
	return answer, nil
}

// plan finds a difference when the price of spot capacity is changed, and none otherwise.
func (a *answers) plan(_ string, data []byte) (any, *api.Error) {
	request, problem := api.Decode[api.PlanRequest](data)
	if problem != nil {
		return nil, problem
	}
	pool := api.PoolDifference{Name: "spot", From: 4, Now: 4, Then: 4, Reasons: []orchestrator.Reason{{Code: "demand", From: 4, To: 4, Sentence: "as before"}}}
	cost := func(micros int64) orchestrator.Money { return orchestrator.Money{Micros: micros, Currency: "EUR"} }
	answer := api.PlanResponse{At: nowhere, Pools: []api.PoolDifference{pool}, Jobs: []api.JobDifference{}, Now: api.PlanTotal{Cost: cost(1_500_000)}}
	switch {
	case len(request.Changes) > 0 && request.Changes[0] == "price.spto=2x":
		return nil, &api.Error{Code: api.CodeInvalid, Field: "changes", Message: "price.spto=2x: there is no spto; did you mean spot? (a pool)"}
	case request.Changed():
		key := orchestrator.JobKey{Tenant: "default", Queue: "fraud", ID: "fraud-run"}
		answer.Different, answer.Then = true, api.PlanTotal{Late: 1, Cost: cost(2_500_000)}
		own := api.PoolDifference{Name: "own", Then: 2, Differs: true, Reasons: []orchestrator.Reason{
			{Code: "split", To: 2, Sentence: "queue fraud wants 2 workers"}, {Code: "max", From: 2, To: 2, Sentence: "no more"}}}
		answer.Pools = append(answer.Pools, own)
		answer.Jobs = append(answer.Jobs, api.JobDifference{
			Now:         orchestrator.JobPlan{JobKey: key, Workers: 4, Finish: nowhere.Add(time.Hour), Cost: cost(1_500_000)},
			Then:        orchestrator.JobPlan{JobKey: key, Workers: 6, Finish: nowhere.Add(40 * time.Minute), Cost: cost(2_500_000), Reasons: own.Reasons},
			NowDeadline: nowhere.Add(2 * time.Hour), ThenDeadline: request.FinishBy,
		})
	}
	return answer, nil
}

// asked gives the requests since the last call, without what differs from run to run.
func (a *answers) asked() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	text := ""
	for _, request := range a.requests {
		text += request + "\n"
	}
	a.requests = nil
	return text
}

// outcome is what one command line did.
type outcome struct {
	out, errs string
	code      int
}

// run executes one command line, with these variables and a clock that stands still.
func run(ctx context.Context, url string, variables map[string]string, args ...string) outcome {
	var out, errs strings.Builder
	p := &program{now: func() time.Time { return nowhere }, lookup: func(name string) (string, bool) {
		if value, set := variables[name]; set || name != "NIGHTSHIFT_NATS" {
			return value, set
		}
		return url, true
	}}
	code := p.execute(ctx, args, strings.NewReader(""), &out, &errs)
	return outcome{out.String(), errs.String(), code}
}
