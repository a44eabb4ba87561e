package service

import (
	"context"
	"time"

	"nightshift.dev/nightshift/orchestrator/api"
)

func (s *Service) schedules(ctx context.Context, call call, request api.SchedulesRequest) (any, error) {
	list, err := s.config.Schedules.List(ctx, call.tenant, request.Name, time.Now().UTC())
	return api.SchedulesResponse{Schedules: list}, err
}

func (s *Service) trigger(ctx context.Context, call call, request api.TriggerRequest) (any, error) {
	return s.config.Schedules.Trigger(ctx, call.tenant, request, time.Now().UTC())
}

func (s *Service) pause(ctx context.Context, call call, request api.PauseRequest) (any, error) {
	schedule, err := s.config.Schedules.Pause(ctx, call.tenant, request.Name, time.Now().UTC())
	return api.PauseResponse{Schedule: schedule}, err
}

func (s *Service) resume(ctx context.Context, call call, request api.ResumeRequest) (any, error) {
	schedule, err := s.config.Schedules.Resume(ctx, call.tenant, request.Name, time.Now().UTC())
	return api.ResumeResponse{Schedule: schedule}, err
}

func (s *Service) backfill(ctx context.Context, call call, request api.BackfillRequest) (any, error) {
	return s.config.Schedules.Backfill(ctx, call.tenant, request, time.Now().UTC())
}
