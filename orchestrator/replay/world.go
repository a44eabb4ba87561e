package replay

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

// Scenario is the window as a world in which documents decide. Notes say what had to be assumed.
func (w *Window) Scenario(documents document.Set) (scenario simulate.Scenario, notes []string) {
	scenario = simulate.Scenario{
		Policy: documents.Policy(), Speeds: documents.Speeds(), Memory: w.memory, Begin: w.Begin, End: w.End, Whole: true,
	}
	unknown := 0
	for _, one := range w.inOrder() {
		if submit := one.submit(w.Begin); submit.Rows > 0 {
			scenario.Jobs = append(scenario.Jobs, submit)
		} else {
			unknown++
		}
	}
	if unknown > 0 {
		notes = append(notes, fmt.Sprintf("%d jobs are left out: nobody has recorded how many rows they have", unknown))
	}
	w.redue(scenario.Jobs, documents)
	for _, policy := range scenario.Policy.Pools {
		one := w.pools[policy.Name]
		if one == nil {
			continue
		}
		provider := simulate.Provider{Pool: policy.Name, Initial: one.initial, Capacity: one.available, Starts: one.starts}
		if len(one.available) == 0 { // otherwise they show in what was available
			provider.Losses = one.losses
		}
		if len(one.starts) == 0 {
			notes = append(notes, fmt.Sprintf("no start of a worker of pool %s was recorded: it takes the pool's startTime, %g s", policy.Name, policy.StartSeconds))
		}
		scenario.Pools = append(scenario.Pools, provider)
	}
	truth, assumed := w.truth(scenario)
	scenario.Truth, notes = truth, append(notes, assumed...)
	return scenario, append(notes, leaveOut(&scenario)...)
}

// leaveOut takes those jobs out of a scenario of which nobody knows how fast their model is: not on one pool that may do them.
func leaveOut(scenario *simulate.Scenario) (notes []string) {
	left := map[string]int{}
	known := func(model, pool string) bool {
		is := func(speed orchestrator.Speed) bool {
			return speed.Model == model && speed.Pool == pool && speed.RowsPerSecond > 0
		}
		return slices.ContainsFunc(scenario.Truth, is) || slices.ContainsFunc(scenario.Speeds, is)
	}
	scenario.Jobs = slices.DeleteFunc(scenario.Jobs, func(job simulate.Submit) bool {
		queue := slices.IndexFunc(scenario.Policy.Queues, func(q orchestrator.QueuePolicy) bool { return q.Name == job.Queue && q.Tenant == job.Tenant })
		if queue < 0 {
			return false // the scenario says so
		}
		unknown := slices.ContainsFunc(scenario.Policy.Queues[queue].Pools, func(pool string) bool { return !known(job.Model, pool) })
		if unknown {
			left[job.Model]++
		}
		return unknown
	})
	for _, model := range slices.Sorted(maps.Keys(left)) {
		notes = append(notes, fmt.Sprintf("jobs of model %s are left out (%d): it has no profile and was never measured", model, left[model]))
	}
	return notes
}

// submit is the job as it came into the window.
func (j *job) submit(begin time.Time) simulate.Submit {
	submit := simulate.Submit{
		JobKey: j.last.JobKey, Model: j.last.Model.Name, At: j.last.Submitted, Deadline: j.last.Deadline, Rows: j.rows(begin),
		BatchRows: j.last.BatchRows, RowBytes: j.last.RowBytes,
	}
	if submit.At.Before(begin) {
		submit.At = begin
	}
	return submit
}

// redue gives jobs the deadlines of other documents.
func (w *Window) redue(jobs []simulate.Submit, documents document.Set) {
	views := make([]orchestrator.JobView, len(jobs))
	for i, job := range jobs {
		views[i] = w.jobs[job.JobKey].last
	}
	for i, view := range document.Due(views, w.Documents, documents) {
		jobs[i].Deadline = view.Deadline
	}
}

// truth is how fast workers were by the end of the window. Where nothing was measured, and no profile says, a worker is taken to be as fast as one of another pool.
func (w *Window) truth(scenario simulate.Scenario) (truth []orchestrator.Speed, notes []string) {
	for _, learned := range w.speeds {
		truth = append(truth, orchestrator.Speed{
			Model: learned.Model, Pool: learned.Pool, RowsPerSecond: learned.RowsPerSecond, LoadSeconds: learned.LoadSeconds, Basis: "measured",
		})
	}
	for _, job := range scenario.Jobs {
		queue := slices.IndexFunc(scenario.Policy.Queues, func(q orchestrator.QueuePolicy) bool { return q.Name == job.Queue && q.Tenant == job.Tenant })
		if queue < 0 {
			continue // the scenario says so
		}
		for _, pool := range scenario.Policy.Queues[queue].Pools {
			is := func(speed orchestrator.Speed) bool { return speed.Model == job.Model && speed.Pool == pool }
			if slices.ContainsFunc(truth, is) || slices.ContainsFunc(scenario.Speeds, is) {
				continue
			}
			other := slices.IndexFunc(truth, func(speed orchestrator.Speed) bool { return speed.Model == job.Model })
			if other < 0 {
				continue // the scenario says so
			}
			assumed := truth[other]
			assumed.Pool = pool
			truth = append(truth, assumed)
			notes = append(notes, fmt.Sprintf("model %s was never measured on pool %s: taken to be as fast as on pool %s", job.Model, pool, truth[other].Pool))
		}
	}
	return truth, notes
}
