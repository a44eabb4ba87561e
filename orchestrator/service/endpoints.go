package service

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/object"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/state"
)

func (s *Service) endpoints() []endpoint {
	return []endpoint{
		{"jobs.submit", "submit-request", decoded(s.submit)},
		{"jobs.estimate", "estimate-request", decoded(s.estimate)},
		{"jobs.get", "get-request", decoded(s.get)},
		{"jobs.list", "list-request", decoded(s.list)},
		{"jobs.cancel", "cancel-request", decoded(s.cancelJob)},
		{"jobs.retry", "retry-request", decoded(s.retry)},
		{"jobs.delete", "delete-request", decoded(s.delete)},
		{"jobs.logs", "logs-request", decoded(s.logs)},
		{"jobs.read", "read-request", decoded(s.read)},
		{"jobs.upload", "upload-request", decoded(s.upload)},
		{"backlogs", "backlogs-request", decoded(s.backlogs)},
		{"forecast", "forecast-request", decoded(s.forecast)},
		{"explain", "explain-request", decoded(s.explain)},
		{"pools", "pools-request", decoded(s.pools)},
		{"plan", "plan-request", decoded(s.plan)},
		{"schedules.list", "schedules-request", decoded(s.schedules)},
		{"schedules.trigger", "trigger-request", decoded(s.trigger)},
		{"schedules.pause", "pause-request", decoded(s.pause)},
		{"schedules.resume", "resume-request", decoded(s.resume)},
		{"schedules.backfill", "backfill-request", decoded(s.backfill)},
	}
}

// decoded reads a request strictly before it is worked on.
func decoded[T api.Request](answer func(context.Context, call, T) (any, error)) func(context.Context, call) (any, error) {
	return func(ctx context.Context, call call) (any, error) {
		request, problem := api.Decode[T](call.data)
		if problem != nil {
			return nil, problem
		}
		return answer(ctx, call, request)
	}
}

func submission(call call, request api.SubmitRequest) dispatch.Submission {
	return dispatch.Submission{
		Tenant: call.tenant, Queue: request.Queue, Spec: request.Spec(time.Now().UTC()), Digest: request.Digest(),
		IdempotencyKey: request.IdempotencyKey, TraceParent: call.trace,
	}
}

func (s *Service) submit(ctx context.Context, call call, request api.SubmitRequest) (any, error) {
	job, created, err := s.config.Jobs.Submit(ctx, submission(call, request))
	if err != nil {
		return nil, err
	}
	return api.SubmitResponse{Job: api.JobOf(job), Repeated: !created}, nil
}

func (s *Service) estimate(ctx context.Context, call call, request api.EstimateRequest) (any, error) {
	return s.config.Jobs.Estimate(ctx, submission(call, request.SubmitRequest))
}

func (s *Service) get(_ context.Context, call call, request api.GetRequest) (any, error) {
	job, err := s.config.Jobs.Find(call.tenant, request.ID)
	if err != nil {
		return nil, err
	}
	return api.GetResponse{Job: api.JobOf(job)}, nil
}

func (s *Service) list(_ context.Context, call call, request api.ListRequest) (any, error) {
	after, err := parseToken(request.Continue)
	if err != nil {
		return nil, err
	}
	limit := request.Limit
	if limit == 0 {
		limit = api.DefaultLimit
	}
	page, more := s.config.Jobs.List(call.tenant, func(job *orchestrator.Job) bool { return matches(job, request) }, after, limit)
	answer := api.ListResponse{Jobs: make([]api.Job, 0, len(page))}
	for _, job := range page {
		answer.Jobs = append(answer.Jobs, api.JobOf(job))
	}
	if more {
		answer.Continue = token(dispatch.PlaceOf(&page[len(page)-1]))
	}
	return answer, nil
}

func matches(job *orchestrator.Job, request api.ListRequest) bool {
	if request.Queue != "" && job.Queue != request.Queue {
		return false
	}
	if len(request.States) > 0 && !slices.Contains(request.States, job.State) {
		return false
	}
	for name, value := range request.Labels {
		if job.Spec.Labels[name] != value {
			return false
		}
	}
	return true
}

// token names the place after which the next page begins.
func token(place dispatch.Place) string {
	return base64.RawURLEncoding.EncodeToString([]byte(place.Queued.UTC().Format(time.RFC3339Nano) + " " + place.ID))
}

func parseToken(continued string) (*dispatch.Place, error) {
	if continued == "" {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(continued)
	at, id, found := strings.Cut(string(text), " ")
	when, parseErr := time.Parse(time.RFC3339Nano, at)
	if err != nil || !found || parseErr != nil {
		return nil, &api.Error{Code: api.CodeInvalid, Field: "continue", Message: "not a token of an earlier answer"}
	}
	return &dispatch.Place{Queued: when, ID: id}, nil
}

func (s *Service) cancelJob(ctx context.Context, call call, request api.CancelRequest) (any, error) {
	job, err := s.config.Jobs.Find(call.tenant, request.ID)
	if err != nil {
		return nil, err
	}
	job, err = s.config.Jobs.Cancel(ctx, job)
	return api.CancelResponse{Job: api.JobOf(job)}, err
}

func (s *Service) retry(ctx context.Context, call call, request api.RetryRequest) (any, error) {
	job, err := s.config.Jobs.Find(call.tenant, request.ID)
	if err != nil {
		return nil, err
	}
	job, err = s.config.Jobs.Retry(ctx, job, request.Deadline(time.Now().UTC()))
	return api.RetryResponse{Job: api.JobOf(job)}, err
}

func (s *Service) delete(ctx context.Context, call call, request api.DeleteRequest) (any, error) {
	job, err := s.config.Jobs.Find(call.tenant, request.ID)
	if err != nil {
		return nil, err
	}
	return api.DeleteResponse{ID: job.ID}, s.config.Jobs.Delete(ctx, job)
}

// mostLogBytes keeps an answer below a message's limit.
const mostLogBytes = 512 << 10

func (s *Service) logs(ctx context.Context, call call, request api.LogsRequest) (any, error) {
	job, err := s.config.Jobs.Find(call.tenant, request.ID)
	if err != nil {
		return nil, err
	}
	answer, size := api.LogsResponse{Entries: []api.LogEntry{}, Next: request.After}, 0
	err = s.config.Store.ReadLog(ctx, job.JobKey, request.After, func(sequence uint64, entry state.LogEntry) {
		for _, line := range entry.Lines {
			size += len(line)
		}
		if size < mostLogBytes || len(answer.Entries) == 0 {
			answer.Entries, answer.Next = append(answer.Entries, api.LogEntry(entry)), sequence
		}
	})
	return answer, err
}

// read gives bytes of what a job has written; nothing outside its own output.
func (s *Service) read(ctx context.Context, call call, request api.ReadRequest) (any, error) {
	job, err := s.config.Jobs.Find(call.tenant, request.ID)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(request.URI, job.Output) || slices.Contains(strings.Split(request.URI, "/"), "..") {
		return nil, &api.Error{Code: api.CodeForbidden, Field: "uri", Message: fmt.Sprintf("%s is not an object of job %s, whose output is %s", request.URI, job.ID, job.Output)}
	}
	objects, err := object.New(object.Access{Read: job.WriteRoots})
	if err != nil {
		return nil, err
	}
	defer func() { _ = objects.Close() }() // only read
	found, err := objects.Stat(ctx, request.URI, orchestrator.FormatJSONL)
	if err != nil {
		return nil, &api.Error{Code: api.CodeNotFound, Field: "uri", Message: err.Error()}
	}
	reader, err := objects.OpenRange(ctx, found, request.Offset, request.Length)
	if err != nil {
		return nil, &api.Error{Code: api.CodeNotFound, Field: "uri", Message: err.Error()}
	}
	defer func() { _ = reader.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(reader, request.Length))
	return api.ReadResponse{Data: data, Size: found.Size}, err
}

// upload takes a file into the inbox of a queue.
func (s *Service) upload(_ context.Context, call call, request api.UploadRequest) (any, error) {
	queue, err := s.config.Jobs.Queue(call.tenant, request.Queue)
	if err != nil {
		return nil, err
	}
	return s.uploads.put(call, request, queue)
}

// explain gives the planner's chains for a pool, a queue, a job, or all of them.
func (s *Service) explain(ctx context.Context, call call, request api.ExplainRequest) (any, error) {
	plan, name := s.config.Plan(), request.Name
	plan.Jobs = slices.DeleteFunc(slices.Clone(plan.Jobs), func(job orchestrator.JobPlan) bool {
		return job.Tenant != call.tenant || name != "" && job.ID != name && job.Queue != name
	})
	plan.Queues = slices.DeleteFunc(slices.Clone(plan.Queues), func(queue orchestrator.QueuePlan) bool {
		return queue.Tenant != call.tenant || name != "" && queue.Queue != name
	})
	forecasts, consumed := s.forecasts(call.tenant, name), s.consumedPools(call.tenant, name)
	if name != "" {
		plan.Pools = slices.DeleteFunc(slices.Clone(plan.Pools), func(pool orchestrator.PoolPlan) bool {
			return pool.Name != name && !slices.Contains(consumed, pool.Name) // of an external queue, its pools are all there is
		})
		if len(plan.Pools)+len(plan.Jobs)+len(plan.Queues)+len(forecasts) == 0 {
			return nil, &api.Error{Code: api.CodeNotFound, Field: "name", Message: fmt.Sprintf(
				"the present plan has no pool, and tenant %q no open job or queue with open jobs, called %q", call.tenant, name)}
		}
	}
	answer, consumers := explained(plan), s.consumers(ctx, consumed)
	answer.Text += explainConsumers(consumers)
	answer.Consumers = consumers[:min(len(consumers), mostExplained)]
	for _, one := range forecasts {
		answer.Text += explainForecast(one)
	}
	answer.Forecasts = forecasts
	return answer, nil
}

// backlogs gives what was last read of the sources of the tenant's queues.
func (s *Service) backlogs(_ context.Context, call call, request api.BacklogsRequest) (any, error) {
	if request.Queue != "" {
		queue, err := s.config.Jobs.Queue(call.tenant, request.Queue)
		if err != nil {
			return nil, err
		}
		if !queue.Drains {
			return nil, &api.Error{Code: api.CodeInvalid, Field: "queue", Message: fmt.Sprintf("queue %q has no source: its work is submitted as jobs; nightshift list -q %s shows them", queue.Name, queue.Name)}
		}
	}
	answer := api.BacklogsResponse{Backlogs: []orchestrator.BacklogStatus{}}
	for _, one := range s.config.Backlogs() {
		if one.Tenant == call.tenant && (request.Queue == "" || one.Queue == request.Queue) {
			answer.Backlogs = append(answer.Backlogs, one)
		}
	}
	return answer, nil
}

// mostExplained keeps an answer readable, and below a message's limit.
const mostExplained = 100

// explained is a plan with its most urgent jobs, and says how many are left out.
func explained(plan orchestrator.Plan) api.ExplainResponse {
	more := len(plan.Jobs) - mostExplained
	plan.Jobs = plan.Jobs[:min(len(plan.Jobs), mostExplained)]
	text := planner.Explain(plan)
	if more > 0 {
		text += fmt.Sprintf("and %d less urgent jobs; nightshift explain JOB shows one of them\n", more)
	}
	answer := api.ExplainResponse{Text: text, Pools: []orchestrator.PoolPlan{}, Queues: append([]orchestrator.QueuePlan{}, plan.Queues...), Jobs: []orchestrator.JobPlan{}} // lists, also where there is nothing
	for _, pool := range plan.Pools {
		pool.Reasons = append([]orchestrator.Reason{}, pool.Reasons...)
		answer.Pools = append(answer.Pools, pool)
	}
	for _, job := range plan.Jobs {
		job.Reasons = append([]orchestrator.Reason{}, job.Reasons...)
		answer.Jobs = append(answer.Jobs, job)
	}
	return answer
}
