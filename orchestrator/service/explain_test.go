package service

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/document"
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

// explain has the verdict of a queue's forecast and its errors by horizon, also where nothing waits; a tenant sees its own.
func TestExplainHasTheForecast(t *testing.T) {
	t.Parallel()
	queue := func(tenant, name string) document.Queue {
		return document.Queue{Metadata: document.Metadata{Name: name}, Spec: document.QueueSpec{Tenant: tenant}}
	}
	value := func(v float64) *float64 { return &v }
	errors := func(wape float64) orchestrator.ForecastError {
		return orchestrator.ForecastError{WAPE: value(wape), Pinball95: value(12), Underprovision: value(.03)}
	}
	s := &Service{config: Config{
		Plan:      func() orchestrator.Plan { return orchestrator.Plan{} },
		Documents: document.Set{Queues: []document.Queue{queue("payments", "clicks"), queue("payments", "new"), queue("research", "papers")}},
		Forecast: func(of orchestrator.QueueName, _ time.Time) (orchestrator.QueueForecast, bool) {
			told := orchestrator.QueueForecast{Tenant: of.Tenant, Queue: of.Queue, Reason: "the forecast is off: nothing was learned yet"}
			if of.Queue != "new" {
				told.On, told.Reason, told.Error = true, "the forecast is on: it erred less", errors(.1)
				told.ByHorizon = []orchestrator.HorizonError{{ToSeconds: 21600, ForecastError: errors(.08)}, {FromSeconds: 21600, ToSeconds: 43200, ForecastError: errors(.12)}}
			}
			return told, true
		},
	}}
	clicks := `forecast of queue payments.clicks: on: it erred less
  it erred by 0.1 of what came (WAPE): 0.08 until 6h ahead, 0.12 until 12h ahead
  its .95 quantile lost 12 rows a window (pinball), and lacked 0.03 of the peaks of days
`
	for name, want := range map[string]string{"": clicks, "clicks": clicks, "new": "forecast of queue payments.new: off: nothing was learned yet\n"} {
		answer, err := s.explain(t.Context(), call{tenant: "payments"}, api.ExplainRequest{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if got := answer.(api.ExplainResponse); got.Text != want || len(got.Forecasts) != 1 {
			t.Errorf("explain %q: %d forecasts, %s", name, len(got.Forecasts), got.Text)
		}
	}
	if _, err := s.explain(t.Context(), call{tenant: "payments"}, api.ExplainRequest{Name: "papers"}); err == nil {
		t.Error("another tenant's queue is explained")
	}
}
