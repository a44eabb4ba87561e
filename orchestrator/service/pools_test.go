package service

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/document"
)

// Pools are shown with what is planned and why, and with how many of their workers are warm, with which models, or drain.
func TestPoolsSayHowTheyStand(t *testing.T) {
	t.Parallel()
	worker := func(pool, model string, draining bool) orchestrator.WorkerView {
		return orchestrator.WorkerView{Pool: pool, Model: orchestrator.ModelRef{Name: model}, Draining: draining}
	}
	s := &Service{config: Config{
		Documents: document.Set{Pools: []document.Pool{
			{Metadata: document.Metadata{Name: "here"}},
			{Metadata: document.Metadata{Name: "spot"}, Spec: document.PoolSpec{Mode: document.ModeObserve, Ray: &document.WorkerGroup{Namespace: "scoring", Cluster: "nightly", Group: "spot"}}},
		}},
		Plan: func() orchestrator.Plan {
			return orchestrator.Plan{Pools: []orchestrator.PoolPlan{
				{Name: "here", From: 2, Replicas: 2, Reasons: []orchestrator.Reason{{From: 2, To: 2, Sentence: "as wanted"}}},
				{Name: "spot", From: 3, Replicas: 9, Reasons: []orchestrator.Reason{{From: 3, To: 9, Sentence: "work will be late"}, {From: 9, To: 9, Sentence: "at most nine"}}},
			}}
		},
		Observe: func(context.Context) orchestrator.Observation {
			return orchestrator.Observation{Workers: []orchestrator.WorkerView{
				worker("spot", "fraud", false), worker("spot", "fraud", false), worker("spot", "bert", false), worker("spot", "", false), worker("spot", "bert", true), worker("gone", "bert", false),
			}}
		},
	}}
	got, err := s.pools(t.Context(), call{}, api.PoolsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	want := api.PoolsResponse{Pools: []orchestrator.PoolStatus{
		{Name: "here", Replicas: 2, Planned: 2, Why: "as wanted"},
		{
			Name: "spot", RayCluster: "scoring/nightly", Group: "spot", Observe: true, Replicas: 3, Planned: 9, Why: "work will be late", Workers: 5, Warm: 3, Draining: 1,
			Models: []orchestrator.ModelCount{{Model: "fraud", Workers: 2}, {Model: "bert", Workers: 1}},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
