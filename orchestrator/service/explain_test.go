package service

import (
	"fmt"
	"strings"
	"testing"

	"nightshift.dev/nightshift/orchestrator"
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
