package planner

import (
	"fmt"

	"nightshift.dev/nightshift/orchestrator"
)

// openJobs decides which jobs may hold shards: those that are open stay so, and the most urgent of the waiting ones join them up to the
// queue's MaxOpenJobs. The others learn their position.
func openJobs(w *world) {
	for _, q := range w.queues {
		open := 0
		for _, j := range q.jobs {
			if j.open = j.view.State.Open(); j.open {
				open++
			}
		}
		position := 0
		for _, j := range q.jobs {
			if j.view.State != orchestrator.JobQueued {
				continue
			}
			if open < q.policy.MaxOpenJobs {
				j.open = true
				open++
				continue
			}
			position++
			j.plan.Position = position
			j.workers.note("waiting", fmt.Sprintf("number %d of those waiting in queue %s, where %d of at most %d jobs are open",
				position, q.policy.Name, open, max(q.policy.MaxOpenJobs, 0)))
			position += j.view.Also
		}
	}
	for _, j := range w.jobs {
		if j.view.Prepares && j.open {
			j.workers.note("prepares", "its input is not there yet: the steps before its scoring run, or will")
		}
		if j.queue == nil {
			j.open = j.view.State.Open()
			j.workers.note("no_queue", fmt.Sprintf("queue %s of tenant %s is not declared any more", j.view.Queue, j.view.Tenant))
		}
	}
}
