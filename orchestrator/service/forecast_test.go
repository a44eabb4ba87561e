package service

import (
	"errors"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document"
)

// A tenant sees the forecasts of its own queues, with as many days of history as it asks for.
func TestForecastIsOfTheTenantsQueue(t *testing.T) {
	t.Parallel()
	set := document.Set{Queues: []document.Queue{{Metadata: document.Metadata{Name: "clicks"}, Spec: document.QueueSpec{Tenant: "payments"}}}}
	var asked time.Duration
	s := &Service{config: Config{
		Jobs: dispatch.New(dispatch.Config{Catalog: catalog.New(set, "")}),
		Forecast: func(of orchestrator.QueueName, since time.Time) (orchestrator.QueueForecast, bool) {
			asked = time.Since(since)
			return orchestrator.QueueForecast{Tenant: of.Tenant, Queue: of.Queue, On: true}, true
		},
	}}
	for days, want := range map[int]time.Duration{0: api.DefaultForecastDays * 24 * time.Hour, 2: 48 * time.Hour} {
		answer, err := s.forecast(t.Context(), call{tenant: "payments"}, api.ForecastRequest{Queue: "clicks", Days: days})
		if err != nil {
			t.Fatal(err)
		}
		if got := answer.(api.ForecastResponse).Forecast; got.Tenant != "payments" || got.Queue != "clicks" || !got.On || asked < want || asked > want+time.Minute {
			t.Errorf("%+v, of %s", got, asked)
		}
	}
	var refused *api.Error
	if _, err := s.forecast(t.Context(), call{tenant: "research"}, api.ForecastRequest{Queue: "clicks"}); !errors.As(err, &refused) || refused.Code != api.CodeNotFound {
		t.Errorf("another tenant hears %v", err)
	}
}
