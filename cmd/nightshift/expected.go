package main

import (
	"context"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/calendar"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// expected is what is known to come, by schedules and by forecasts.
func (in *installation) expected(now time.Time) ([]orchestrator.Peak, []orchestrator.Cap) {
	return append(in.calendar.Peaks(now, calendar.Horizon), in.forecaster.Peaks(now)...), in.calendar.Caps(now)
}

// snapshot resolves the model of a queue with a job's parameters over its own.
type snapshot func(queue string, parameters map[string]any) (orchestrator.ModelSnapshot, error)

// keptModels stores what it resolves, so that workers can load the model before there is a job with it.
func (in *installation) keptModels(ctx context.Context, resolve snapshot) snapshot {
	return func(queue string, parameters map[string]any) (orchestrator.ModelSnapshot, error) {
		model, err := resolve(queue, parameters)
		if err != nil {
			return model, err
		}
		return model, in.dispatcher.KeepModel(ctx, model)
	}
}

// prewarm says what the work of an occurrence will ask for.
func (in *installation) prewarm(ctx context.Context, policy func() orchestrator.Policy) func(orchestrator.Peak, time.Time) *api.Prewarm {
	return func(peak orchestrator.Peak, now time.Time) *api.Prewarm {
		made := planner.Prewarm(in.loop.Nearby(ctx), policy(), peak, now)
		if made.Workers == 0 {
			return nil
		}
		return &api.Prewarm{From: made.At, Workers: made.Workers, Cost: made.Cost, Short: made.Short}
	}
}
