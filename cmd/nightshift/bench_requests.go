package main

import (
	"context"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator/api"
)

// requestReport are answers of the service when no work goes on.
type requestReport struct {
	Clients           int       `json:"clients"`                // that submit at once
	AcceptedPerSecond float64   `json:"accepted_per_second"`    // jobs of one row, while the queue fills
	Queued            int       `json:"queued"`                 // jobs that waited in the second half
	SubmitNone        quantiles `json:"submit_none_queued"`     // seconds, clients at once, the first jobs
	SubmitQueued      quantiles `json:"submit_queued"`          // likewise, after the queue is full
	FirstQueued       int       `json:"first_queued"`           // jobs after which lists are timed first: a page is full
	ListFirst         quantiles `json:"list_page_first_queued"` // seconds, one client, the first page
	ListQueued        quantiles `json:"list_page_queued"`
}

// quantiles of some times in seconds.
type quantiles struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
}

const (
	submitClients = 8
	submitsTimed  = 500
	listsTimed    = 200
)

// measureRequests submits to a queue whose pool has no workers.
func (d *dataplane) measureRequests(ctx context.Context) (requests requestReport, err error) {
	tiny, err := d.tinyInput()
	if err != nil {
		return requests, err
	}
	service, err := d.startDev(ctx)
	if err != nil {
		return requests, err
	}
	defer service.stop()
	requests.Clients = submitClients
	began := time.Now()
	first := min(submitsTimed, d.queued)
	if requests.SubmitNone, err = service.timeSubmits(ctx, tiny, first); err != nil {
		return requests, err
	}
	filling := time.Since(began)
	requests.FirstQueued = first
	if requests.ListFirst, err = service.timeLists(ctx); err != nil {
		return requests, err
	}
	began = time.Now().Add(-filling)
	for done := first; done < d.queued; {
		next := min(submitsTimed, d.queued-done)
		if _, err := service.timeSubmits(ctx, tiny, next); err != nil {
			return requests, err
		}
		done += next
		d.say("%s queued, %.0f/s", plural(done, "job"), float64(done)/time.Since(began).Seconds())
	}
	requests.AcceptedPerSecond, requests.Queued = float64(d.queued)/time.Since(began).Seconds(), d.queued
	if requests.ListQueued, err = service.timeLists(ctx); err != nil {
		return requests, err
	}
	requests.SubmitQueued, err = service.timeSubmits(ctx, tiny, submitsTimed)
	return requests, err
}

// timeSubmits submits jobs from several clients at once.
func (s *benchService) timeSubmits(ctx context.Context, input string, count int) (quantiles, error) {
	return timeAtOnce(ctx, count, func(ctx context.Context) error {
		_, err := s.submit(ctx, "waiting", input)
		return err
	})
}

// timeAtOnce repeats one step, by several clients at once.
func timeAtOnce(ctx context.Context, count int, step func(context.Context) error) (quantiles, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan struct{})
	var mu sync.Mutex
	var times []float64
	var all sync.WaitGroup
	for range submitClients {
		all.Go(func() {
			for range next {
				began := time.Now()
				if err := step(ctx); err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				times = append(times, time.Since(began).Seconds())
				mu.Unlock()
			}
		})
	}
	for range count {
		select {
		case next <- struct{}{}:
		case <-ctx.Done():
		}
	}
	close(next)
	all.Wait()
	return quantilesOf(times), context.Cause(ctx)
}

func (s *benchService) timeLists(ctx context.Context) (quantiles, error) {
	times := make([]float64, 0, listsTimed)
	for range listsTimed {
		began := time.Now()
		if _, err := request[api.ListResponse](ctx, s.client, "jobs.list", api.ListRequest{}); err != nil {
			return quantiles{}, err
		}
		times = append(times, time.Since(began).Seconds())
	}
	return quantilesOf(times), nil
}
