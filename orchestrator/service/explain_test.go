package service

import (
	"fmt"
	"strings"
	"testing"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

func TestExplainedIsBounded(t *testing.T) {
	t.Parallel()
	plan := orchestrator.Plan{Pools: []orchestrator.PoolPlan{{Name: "cpu"}}}
	for i := range mostExplained + 51 {
		plan.Jobs = append(plan.Jobs, orchestrator.JobPlan{JobKey: orchestrator.JobKey{Tenant: "acme", Queue: "fraud", ID: fmt.Sprintf("fraud-%03d", i)}})
	}
	answer := explained(plan)
	text := answer.Text
	if len(answer.Pools) != 1 || len(answer.Jobs) != mostExplained || answer.Jobs[0].ID != "fraud-000" || answer.Pools[0].Reasons == nil || answer.Jobs[0].Reasons == nil {
		t.Errorf("data of %d pools and %d jobs", len(answer.Pools), len(answer.Jobs))
	}
	if got := strings.Count(text, "job acme.fraud."); got != mostExplained || !strings.Contains(text, "fraud-000") || !strings.HasSuffix(text, "and 51 less urgent jobs; nightshift explain JOB shows one of them\n") {
		t.Errorf("%d jobs: %.200s ... %s", got, text, text[max(0, len(text)-100):])
	}
	plan.Jobs = plan.Jobs[:mostExplained]
	if text := explained(plan).Text; strings.Contains(text, "less urgent") {
		t.Errorf("nothing is left out, but: %s", text[len(text)-100:])
	}
}

// A tenant sees why its own backlogs are served as they are, and nothing of another's.
func TestExplainShowsATenantItsOwnBacklogs(t *testing.T) {
	t.Parallel()
	s := &Service{config: Config{
		Plan: func() orchestrator.Plan {
			return orchestrator.Plan{Queues: []orchestrator.QueuePlan{{Tenant: "payments", Queue: "clicks", Workers: 2}, {Tenant: "research", Queue: "papers", Workers: 1}}}
		},
		Backlogs: func() []orchestrator.BacklogStatus {
			return []orchestrator.BacklogStatus{{Backlog: orchestrator.Backlog{Tenant: "payments", Queue: "clicks"}}, {Backlog: orchestrator.Backlog{Tenant: "research", Queue: "papers"}}}
		},
	}}
	for _, name := range []string{"", "clicks"} {
		answer, err := s.explain(t.Context(), call{tenant: "payments"}, api.ExplainRequest{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if got := answer.(api.ExplainResponse); len(got.Queues) != 1 || got.Queues[0].Queue != "clicks" || strings.Contains(got.Text, "papers") {
			t.Errorf("explain %q: %+v", name, got)
		}
	}
	if _, err := s.explain(t.Context(), call{tenant: "payments"}, api.ExplainRequest{Name: "papers"}); err == nil {
		t.Error("another tenant's queue is explained")
	}
	answer, err := s.backlogs(t.Context(), call{tenant: "research"}, api.BacklogsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.(api.BacklogsResponse).Backlogs; len(got) != 1 || got[0].Queue != "papers" {
		t.Errorf("backlogs: %+v", got)
	}
}
