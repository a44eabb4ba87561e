package service

import (
	"context"
	"fmt"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// forecast gives what arrived at a queue and what is expected to.
func (s *Service) forecast(_ context.Context, call call, request api.ForecastRequest) (any, error) {
	queue, err := s.config.Jobs.Queue(call.tenant, request.Queue)
	if err != nil {
		return nil, err
	}
	days := request.Days
	if days == 0 {
		days = api.DefaultForecastDays
	}
	told, known := s.config.Forecast(orchestrator.QueueName{Tenant: call.tenant, Queue: queue.Name}, time.Now().UTC().AddDate(0, 0, -days))
	if !known {
		return nil, fmt.Errorf("nobody counts what arrives at queue %s", queue.Name)
	}
	return api.ForecastResponse{Forecast: told}, nil
}

// forecasts are the verdicts and errors for the tenant's queue of this name, or, without a name, for those of its queues whose forecasts are on.
func (s *Service) forecasts(tenant, name string) []orchestrator.QueueForecast {
	list := []orchestrator.QueueForecast{}
	for _, queue := range s.config.Documents.Queues {
		if queue.Spec.Tenant != tenant || name != "" && queue.Name != name {
			continue
		}
		told, known := s.config.Forecast(orchestrator.QueueName{Tenant: tenant, Queue: queue.Name}, time.Now().UTC())
		if known && (name != "" || told.On) && len(list) < mostExplained {
			told.History, told.Expected = []orchestrator.WindowRows{}, []orchestrator.WindowForecast{} // the operation forecast gives those
			list = append(list, told)
		}
	}
	return list
}

// explainForecast is a line with the verdict, and one with the errors.
func explainForecast(told orchestrator.QueueForecast) string {
	text := fmt.Sprintf("forecast of queue %s.%s: %s\n", told.Tenant, told.Queue, strings.TrimPrefix(told.Reason, "the forecast is "))
	if told.Error.WAPE == nil {
		return text
	}
	var parts []string
	for _, one := range told.ByHorizon {
		if one.WAPE != nil {
			parts = append(parts, fmt.Sprintf("%.3g until %s ahead", *one.WAPE, hours(one.ToSeconds)))
		}
	}
	text += fmt.Sprintf("  it erred by %.3g of what came (WAPE): %s\n", *told.Error.WAPE, strings.Join(parts, ", "))
	if told.Error.Pinball95 != nil && told.Error.Underprovision != nil {
		text += fmt.Sprintf("  its .95 quantile lost %.3g rows a window (pinball), and lacked %.3g of the peaks of days\n", *told.Error.Pinball95, *told.Error.Underprovision)
	}
	return text
}

func hours(seconds int) string { return fmt.Sprintf("%gh", float64(seconds)/3600) }
