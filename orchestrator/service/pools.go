package service

import (
	"cmp"
	"context"
	"slices"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/document"
)

// pools says how each pool stands: tenants share them.
func (s *Service) pools(ctx context.Context, _ call, _ api.PoolsRequest) (any, error) {
	plan, workers := s.config.Plan(), s.config.Observe(ctx).Workers
	answer := api.PoolsResponse{Pools: []orchestrator.PoolStatus{}}
	for _, pool := range s.config.Documents.Pools {
		one := orchestrator.PoolStatus{Name: pool.Name, Observe: pool.Spec.Mode == document.ModeObserve}
		if group := pool.Spec.Ray; group != nil {
			one.RayCluster, one.Group = group.Namespace+"/"+group.Cluster, group.Group
		}
		for _, planned := range plan.Pools {
			if planned.Name == pool.Name {
				one.Replicas, one.Planned, one.Why = planned.From, planned.Replicas, lastWord(planned)
			}
		}
		staff(&one, workers)
		answer.Pools = append(answer.Pools, one)
	}
	return answer, nil
}

// lastWord is the last step that changed the number of replicas, or the last of all.
func lastWord(plan orchestrator.PoolPlan) string {
	for _, reason := range slices.Backward(plan.Reasons) {
		if reason.From != reason.To {
			return reason.Sentence
		}
	}
	if len(plan.Reasons) > 0 {
		return plan.Reasons[len(plan.Reasons)-1].Sentence
	}
	return ""
}

// staff counts the pool's workers.
func staff(pool *orchestrator.PoolStatus, workers []orchestrator.WorkerView) {
	holding := map[string]int{}
	for _, one := range workers {
		if one.Pool != pool.Name {
			continue
		}
		pool.Workers++
		switch {
		case one.Draining:
			pool.Draining++
		case one.Model.Name != "":
			pool.Warm++
			holding[one.Model.Name]++
		}
	}
	for model, count := range holding {
		pool.Models = append(pool.Models, orchestrator.ModelCount{Model: model, Workers: count})
	}
	slices.SortFunc(pool.Models, func(a, b orchestrator.ModelCount) int {
		return cmp.Or(cmp.Compare(b.Workers, a.Workers), cmp.Compare(a.Model, b.Model))
	})
}
