package service

import (
	"context"
	"errors"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// plan decides twice on what is observed now: under the present documents and under changed ones.
func (s *Service) plan(ctx context.Context, call call, request api.PlanRequest) (any, error) {
	present := s.config.Documents
	if _, err := s.config.Jobs.Queue(call.tenant, request.Queue); request.Queue != "" && err != nil {
		return nil, err
	}
	changed, err := changedDocuments(present, request)
	if err != nil {
		return nil, err
	}
	observation, now := s.config.Observe(ctx), time.Now().UTC()
	base := decision{observation, planner.Compute(observation, present.Policy(), now)}
	other := observation
	other.Speeds, other.Jobs = changed.Speeds(), document.Due(observation.Jobs, present, changed)
	other.Pools = withNewPools(observation.Pools, changed, now)
	concerns := func(key orchestrator.JobKey) bool {
		return key.Tenant == call.tenant && (request.Queue == "" || key.Queue == request.Queue)
	}
	for i := range other.Jobs {
		if !request.FinishBy.IsZero() && concerns(other.Jobs[i].JobKey) {
			other.Jobs[i].Deadline = request.FinishBy
		}
	}
	return compare(base, decision{other, planner.Compute(other, changed.Policy(), now)}, request.Changed(), concerns), nil
}

func changedDocuments(present document.Set, request api.PlanRequest) (document.Set, error) {
	files := make([]document.File, len(request.Documents))
	for i, one := range request.Documents {
		files[i] = document.File{Name: one.Name, Data: []byte(one.Text)}
	}
	changed, err := present.With(files, request.Changes)
	var problems document.Problems
	if !errors.As(err, &problems) {
		return changed, err
	}
	field := "changes"
	if slices.ContainsFunc(files, func(file document.File) bool { return file.Name == problems[0].File }) {
		field = "documents"
	}
	refused := &api.Error{Code: api.CodeInvalid, Field: field, Message: problems[0].String()}
	const most = 100 // an answer has to fit into a message
	for _, problem := range problems[:min(len(problems), most)] {
		refused.Problems = append(refused.Problems, api.Problem{Field: field, Message: problem.String()})
	}
	return changed, refused
}

// withNewPools adds those that no engine speaks of yet, as they would begin: with nothing.
func withNewPools(views []orchestrator.PoolView, documents document.Set, now time.Time) []orchestrator.PoolView {
	views = slices.Clone(views)
	for _, pool := range documents.Pools {
		if !slices.ContainsFunc(views, func(view orchestrator.PoolView) bool { return view.Name == pool.Name }) {
			views = append(views, orchestrator.PoolView{Name: pool.Name, Reading: orchestrator.Reading{At: now, Source: "plan"}})
		}
	}
	return views
}

// decision is a plan and what it was made on.
type decision struct {
	observation orchestrator.Observation
	plan        orchestrator.Plan
}

// compare says what differs between two decisions; unless something was changed, between what is asked for and what is decided.
func compare(now, then decision, changed bool, concerns func(orchestrator.JobKey) bool) api.PlanResponse {
	answer := api.PlanResponse{
		At: now.plan.At, Pools: []api.PoolDifference{}, Jobs: []api.JobDifference{}, // lists, also where there is nothing
		Now: now.total(concerns), Then: then.total(concerns),
	}
	sizes := map[string]int{}
	for _, pool := range now.plan.Pools {
		sizes[pool.Name] = pool.Replicas
	}
	for _, pool := range then.plan.Pools {
		one := api.PoolDifference{Name: pool.Name, From: pool.From, Now: sizes[pool.Name], Then: pool.Replicas, Reasons: append([]orchestrator.Reason{}, pool.Reasons...)}
		one.Differs = one.Now != one.Then || !changed && one.From != one.Then
		answer.Different = answer.Different || one.Differs
		answer.Pools = append(answer.Pools, one)
	}
	before := now.jobs()
	deadlines, wereDeadlines := then.deadlines(), now.deadlines()
	for _, job := range then.plan.Jobs {
		was := before[job.JobKey]
		if !concerns(job.JobKey) || same(was, job) && deadlines[job.JobKey].Equal(wereDeadlines[job.JobKey]) {
			continue
		}
		answer.Different = true
		if len(answer.Jobs) == mostExplained {
			answer.More++
			continue
		}
		job.Reasons, was.Reasons = append([]orchestrator.Reason{}, job.Reasons...), append([]orchestrator.Reason{}, was.Reasons...)
		answer.Jobs = append(answer.Jobs, api.JobDifference{Now: was, Then: job, NowDeadline: wereDeadlines[job.JobKey], ThenDeadline: deadlines[job.JobKey]})
	}
	return answer
}

func (d decision) jobs() map[orchestrator.JobKey]orchestrator.JobPlan {
	jobs := make(map[orchestrator.JobKey]orchestrator.JobPlan, len(d.plan.Jobs))
	for _, job := range d.plan.Jobs {
		jobs[job.JobKey] = job
	}
	return jobs
}

func (d decision) deadlines() map[orchestrator.JobKey]time.Time {
	deadlines := make(map[orchestrator.JobKey]time.Time, len(d.observation.Jobs))
	for _, job := range d.observation.Jobs {
		deadlines[job.JobKey] = job.Deadline
	}
	return deadlines
}

// same says whether a user would see no difference in what is expected of a job.
func same(a, b orchestrator.JobPlan) bool {
	return a.Workers == b.Workers && a.Position == b.Position && a.Cost == b.Cost && a.Start.Equal(b.Start) && a.Finish.Equal(b.Finish)
}

func (d decision) total(concerns func(orchestrator.JobKey) bool) (total api.PlanTotal) {
	deadlines := d.deadlines()
	for _, job := range d.plan.Jobs {
		if !concerns(job.JobKey) {
			continue
		}
		if deadline := deadlines[job.JobKey]; !deadline.IsZero() && job.Finish.After(deadline) {
			total.Late++
		}
		if total.Cost.Currency == "" || job.Cost.Currency == "" || total.Cost.Currency == job.Cost.Currency { // one currency for each queue, maybe several for a tenant
			total.Cost = total.Cost.Add(job.Cost)
		}
	}
	return total
}
