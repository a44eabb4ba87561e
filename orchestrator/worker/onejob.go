package worker

import (
	"context"
	"sync"

	"nightshift.dev/nightshift/orchestrator"
)

// oneJob lets attempts overlap only when they are of one job: what a scorer writes to stderr belongs to the job whose rows it has, and the rows of
// another tenant's job must not be behind it.
type oneJob struct {
	mu    sync.Mutex
	job   orchestrator.JobKey
	count int
	empty chan struct{} // closed when count falls to 0
}

// enter waits until no attempt of another job is with the scorer.
func (o *oneJob) enter(ctx context.Context, job orchestrator.JobKey) error {
	for {
		o.mu.Lock()
		if o.count == 0 {
			o.job, o.empty = job, make(chan struct{})
		}
		if o.job == job {
			o.count++
			o.mu.Unlock()
			return nil
		}
		empty := o.empty
		o.mu.Unlock()
		select {
		case <-empty:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (o *oneJob) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count--; o.count == 0 {
		close(o.empty)
	}
}
