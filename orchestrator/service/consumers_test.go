package service

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/document"
)

// E18: explain lists the consumers of the tenant's external queues, with what each says and since when; no worker of ours, and nobody else's.
func TestExplainListsConsumers(t *testing.T) {
	t.Parallel()
	six := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	queue := func(tenant, name string, delivery document.Delivery, pools ...string) document.Queue {
		return document.Queue{Metadata: document.Metadata{Name: name}, Spec: document.QueueSpec{Tenant: tenant, Delivery: delivery, Pools: pools}}
	}
	s := &Service{config: Config{
		Plan: func() orchestrator.Plan {
			return orchestrator.Plan{Pools: []orchestrator.PoolPlan{{Name: "own", Replicas: 3}, {Name: "ours", Replicas: 1}, {Name: "theirs", Replicas: 1}}}
		},
		Forecast: func(orchestrator.QueueName, time.Time) (told orchestrator.QueueForecast, known bool) {
			return told, false
		},
		Documents: document.Set{Queues: []document.Queue{
			queue("payments", "clicks", document.DeliveryExternal, "own"), queue("payments", "files", document.DeliveryShards, "ours"), queue("research", "papers", document.DeliveryExternal, "theirs"),
		}},
		Observe: func(context.Context) orchestrator.Observation {
			return orchestrator.Observation{Workers: []orchestrator.WorkerView{
				{ID: "own-2", Pool: "own", Slot: 2, State: orchestrator.WorkerUnknown, Asked: six},
				{ID: "own-1", Pool: "own", Slot: 1, State: orchestrator.WorkerBusy, Grace: 30 * time.Second, Since: six.Add(time.Minute), Asked: six, Draining: true},
				{ID: "own-0", Pool: "own", Slot: 0, State: orchestrator.WorkerIdle, Grace: 30 * time.Second, Asked: six},
				{ID: "ours-0", Pool: "ours", State: orchestrator.WorkerBusy}, {ID: "theirs-0", Pool: "theirs", State: orchestrator.WorkerBusy},
			}}
		},
	}}
	const lines = "consumer own-0: pool own, slot 0, idle\n" +
		"consumer own-1: pool own, slot 1, busy with a grace of 30s since 2026-11-23 06:01:00Z, was told to end\n" +
		"consumer own-2: pool own, slot 2, unknown, runs since 2026-11-23 06:00:00Z\n"
	list := []orchestrator.ConsumerView{
		{ID: "own-0", Pool: "own", Slot: 0, State: orchestrator.WorkerIdle},
		{ID: "own-1", Pool: "own", Slot: 1, State: orchestrator.WorkerBusy, Grace: "30s", Since: six.Add(time.Minute), Leaves: true},
		{ID: "own-2", Pool: "own", Slot: 2, State: orchestrator.WorkerUnknown, Since: six},
	}
	for name, want := range map[string]string{
		"": "pool own: 3 replicas (was 0)\npool ours: 1 replica (was 0)\npool theirs: 1 replica (was 0)\n" + lines, "clicks": "pool own: 3 replicas (was 0)\n" + lines,
		"own": "pool own: 3 replicas (was 0)\n" + lines, "ours": "pool ours: 1 replica (was 0)\n", "theirs": "pool theirs: 1 replica (was 0)\n",
	} {
		answer, err := s.explain(t.Context(), call{tenant: "payments"}, api.ExplainRequest{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		got := answer.(api.ExplainResponse)
		if diff := cmp.Diff(want, got.Text); diff != "" {
			t.Errorf("explain %q (-want +got):\n%s", name, diff)
		}
		if listed := strings.Contains(want, "consumer "); listed != (len(got.Consumers) > 0) || listed && cmp.Diff(list, got.Consumers) != "" {
			t.Errorf("explain %q: %+v", name, got.Consumers)
		}
	}
	if _, err := s.explain(t.Context(), call{tenant: "payments"}, api.ExplainRequest{Name: "papers"}); err == nil {
		t.Error("another tenant's queue is explained")
	}
}

// E18: a list of many is cut.
func TestConsumersListedAreBounded(t *testing.T) {
	t.Parallel()
	list := make([]orchestrator.ConsumerView, mostExplained+7)
	text := explainConsumers(list)
	if lines := strings.Count(text, "\n"); lines != mostExplained+1 || !strings.HasSuffix(text, "and 7 more consumers\n") {
		t.Errorf("%d lines: %s", lines, text[max(0, len(text)-100):])
	}
}
