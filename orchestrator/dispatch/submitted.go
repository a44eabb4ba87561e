package dispatch

import (
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// Submitted is how many rows the jobs have that were submitted from a time on, before another, by queue; -1 where a job's rows are not known. A retry is no
// submit: its rows came before.
func (d *Dispatcher) Submitted(from, to time.Time) map[orchestrator.QueueName]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows := map[orchestrator.QueueName]int64{}
	for tenant := range d.lists {
		for known := range d.listed(tenant, &Place{Queued: to}) {
			if known.place.Queued.Before(from) {
				break
			}
			job := &known.job
			if job.Standing != nil || job.Epoch > 0 || !known.place.Queued.Before(to) {
				continue
			}
			name := orchestrator.QueueName{Tenant: tenant, Queue: job.Queue}
			switch came := max(job.Counts.RowsTotal, job.Estimate.Rows); {
			case came <= 0:
				rows[name] = -1
			case rows[name] >= 0:
				rows[name] += came
			}
		}
	}
	return rows
}
