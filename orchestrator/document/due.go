package document

import (
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// sameDeadline is how far a deadline may lie from what a queue's objective gives: a submit looks at its input before it counts.
const sameDeadline = time.Minute

// Due gives jobs the deadlines that they would have under other documents: those whose deadline is what their queue's objective gave them get the one of the
// new objective. A deadline that somebody named stays.
func Due(jobs []orchestrator.JobView, before, after Set) []orchestrator.JobView {
	due := make([]orchestrator.JobView, len(jobs))
	for i, job := range jobs {
		due[i] = job
		old, known := before.Queue(job.Queue)
		queue, stays := after.Queue(job.Queue)
		was, is := old.Spec.Objective.Due(job.Submitted), queue.Spec.Objective.Due(job.Submitted)
		if known && stays && given(job, was) {
			due[i].Deadline = is
		}
	}
	return due
}

// given says whether the deadline is what an objective gives.
func given(job orchestrator.JobView, due time.Time) bool {
	if due.IsZero() || job.Deadline.IsZero() {
		return due.IsZero() && job.Deadline.IsZero()
	}
	return job.Deadline.Sub(due).Abs() < sameDeadline
}
