// Package replay asks what would have been decided in a recorded window: by this version on what was seen (open loop), and under other documents in a world
// that is driven by what was recorded (closed loop). docs/replay.md says what either can tell.
//
// It is pure: records in, values out. It imports orchestrator, planner, document, record and simulate, and is used by cmd.
package replay

import (
	"cmp"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/record"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

// Window is what records say about a time, gathered one after another.
type Window struct {
	Begin, End time.Time
	Records    int
	Decisions  int // that they stand for
	Changes    int // of the sizes of pools, by all decisions
	Missed     int // records that could not be stored
	// Documents are the last ones, as far as decisions depend on them, and Replaced how often they became others.
	Documents document.Set
	Replaced  int
	Open      Open
	jobs      map[orchestrator.JobKey]*job
	pools     map[string]*pool
	memory    orchestrator.Memory // at the beginning
	speeds    []orchestrator.SpeedMemory
	text      string
	last      record.Decision
}

// job is what was seen of a job.
type job struct {
	first, last orchestrator.JobView
	finished    time.Time // zero: it had not when the window ended
}

// pool is what was seen of a pool.
type pool struct {
	initial   int
	available []simulate.Step // where its engine says
	losses    []simulate.Step
	steps     []simulate.Step // replicas asked for
	changes   int
	grown     []time.Time // when workers were asked for that have not been seen ready yet
	starts    []time.Duration
	workers   map[string]bool // that were seen ready
}

// Add takes the next decision, and the documents that it was taken under.
func (w *Window) Add(documents string, decision record.Decision) error {
	if w.Records == 0 || documents != w.text {
		set, err := document.Decode(document.File{Name: "recorded documents", Data: []byte(documents)})
		if err != nil {
			return err
		}
		if w.Records > 0 {
			w.Replaced++
		}
		w.Documents, w.text = set, documents
	}
	if w.Records == 0 {
		w.Begin, w.memory = decision.At, decision.Observation.Memory
		w.jobs, w.pools = map[orchestrator.JobKey]*job{}, map[string]*pool{}
	}
	w.Records, w.Decisions, w.End = w.Records+1, w.Decisions+decision.Decisions, decision.At
	w.Changes += decision.Changes
	if more := decision.Missed - w.last.Missed; w.Records > 1 && more > 0 {
		w.Missed += more
	}
	w.Open.add(w.Documents, decision)
	w.addJobs(decision)
	w.addPools(decision)
	w.speeds, w.last = decision.Observation.Memory.Speeds, decision
	return nil
}

// addJobs follows jobs from their first to their last record.
func (w *Window) addJobs(decision record.Decision) {
	present, together := map[orchestrator.JobKey]bool{}, false
	for _, view := range decision.Observation.Jobs {
		together = together || view.Also > 0
		if view.Also > 0 {
			continue // its rows are those of several
		}
		one := w.jobs[view.JobKey]
		if one == nil {
			one = &job{first: view}
			w.jobs[view.JobKey] = one
		}
		if view.RowsTotal <= 0 {
			view.RowsTotal = one.last.RowsTotal // it was known before
		}
		one.last, present[view.JobKey] = view, true
		switch {
		case view.State != orchestrator.JobFinalizing:
			one.finished = time.Time{}
		case one.finished.IsZero():
			one.finished = decision.At
		}
	}
	for key, one := range w.jobs {
		waits := together && one.last.State == orchestrator.JobQueued // perhaps it is one of those put together
		if !present[key] && one.finished.IsZero() && !waits {
			one.finished = decision.At
		}
	}
}

// addPools follows sizes, capacity, losses and starts.
func (w *Window) addPools(decision record.Decision) {
	before := map[string]int{}
	for _, view := range w.last.Observation.Pools {
		before[view.Name] = view.Replicas
	}
	for _, view := range decision.Observation.Pools {
		one := w.pools[view.Name]
		if one == nil {
			one = &pool{initial: view.Replicas, workers: map[string]bool{}}
			w.pools[view.Name] = one
		}
		if view.Available != nil {
			one.available = stepped(one.available, decision.At, *view.Available)
		}
		one.steps = stepped(one.steps, decision.At, view.Replicas)
		w.lose(one, view, before[view.Name]-view.Replicas, decision)
	}
	for _, plan := range decision.Pools {
		if one := w.pools[plan.Name]; one != nil {
			one.grow(plan, decision.At, w.slots(plan.Name))
		}
	}
	for _, worker := range decision.Observation.Workers {
		if one := w.pools[worker.Pool]; one != nil && worker.State != orchestrator.WorkerStarting && !one.workers[worker.ID] {
			one.workers[worker.ID] = true
			one.began(decision.At, w.Records == 1)
		}
	}
}

// grow remembers that the pool was made larger, or smaller.
func (p *pool) grow(plan orchestrator.PoolPlan, at time.Time, slots int) {
	p.steps = stepped(p.steps, at, plan.Replicas)
	if plan.From != plan.Replicas {
		p.changes++
	}
	for range (plan.Replicas - plan.From) * slots {
		p.grown = append(p.grown, at)
	}
}

// began pairs a worker that is ready with the first that was asked for.
func (p *pool) began(at time.Time, already bool) {
	if already || len(p.grown) == 0 {
		return
	}
	p.starts = append(p.starts, at.Sub(p.grown[0]))
	p.grown = p.grown[1:]
}

// lose counts the workers that went without having been told to, beyond those by which the pool was made smaller.
func (w *Window) lose(one *pool, view orchestrator.PoolView, smaller int, decision record.Decision) {
	present := map[string]bool{}
	for _, worker := range decision.Observation.Workers {
		present[worker.ID] = true
	}
	gone := 0
	for _, worker := range w.last.Observation.Workers {
		if worker.Pool == view.Name && !present[worker.ID] && !worker.Draining && worker.State != orchestrator.WorkerDraining {
			gone++
		}
	}
	slots := w.slots(view.Name)
	if gone -= max(smaller, 0) * slots; gone > 0 {
		one.losses = append(one.losses, simulate.Step{At: decision.At, Replicas: (gone + slots - 1) / slots})
	}
}

func (w *Window) slots(name string) int {
	one, _ := w.Documents.Pool(name)
	return max(one.Spec.SlotsPerReplica, 1)
}

// stepped adds a number that differs from the last.
func stepped(steps []simulate.Step, at time.Time, replicas int) []simulate.Step {
	if last := len(steps) - 1; last >= 0 && steps[last].At.Equal(at) {
		steps = steps[:last]
	}
	if last := len(steps) - 1; last >= 0 && steps[last].Replicas == replicas {
		return steps
	}
	return append(steps, simulate.Step{At: at, Replicas: replicas})
}

// Recorded is how the window went, in the terms of a simulation. Costs of jobs are not known.
func (w *Window) Recorded() simulate.Report {
	report := simulate.Report{Begin: w.Begin, End: w.End, Decisions: w.Decisions, Jobs: []simulate.JobReport{}, Pools: []simulate.PoolReport{}}
	for _, one := range w.inOrder() {
		report.Jobs = append(report.Jobs, simulate.JobReport{
			JobKey: one.last.JobKey, Rows: one.rows(w.Begin), Submitted: one.last.Submitted, Deadline: one.last.Deadline, Finished: one.finished,
		})
	}
	for _, policy := range w.Documents.Policy().Pools {
		one := w.pools[policy.Name]
		if one == nil {
			continue
		}
		pool := simulate.PoolReport{Name: policy.Name, Changes: one.changes, Steps: one.steps}
		for i, step := range one.steps {
			until := w.End
			if i+1 < len(one.steps) {
				until = one.steps[i+1].At
			}
			pool.Hours += float64(step.Replicas) * until.Sub(step.At).Hours()
			pool.Most = max(pool.Most, step.Replicas)
		}
		for _, loss := range one.losses {
			pool.Lost += loss.Replicas
		}
		pool.Cost = policy.Price.Times(pool.Hours)
		report.Pools = append(report.Pools, pool)
	}
	return report
}

// inOrder are the jobs by submit.
func (w *Window) inOrder() []*job {
	list := make([]*job, 0, len(w.jobs))
	for _, one := range w.jobs {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b *job) int {
		return cmp.Or(a.last.Submitted.Compare(b.last.Submitted), cmp.Compare(a.last.Subject(), b.last.Subject()))
	})
	return list
}

// rows is how many the job had left when it came into the window; 0: nobody knows.
func (j *job) rows(begin time.Time) int64 {
	total := max(j.last.RowsTotal, 0)
	if total == 0 {
		return max(j.first.RowsLeft, 0)
	}
	if done := j.first.RowsTotal - j.first.RowsLeft; j.first.Submitted.Before(begin) && j.first.RowsLeft >= 0 && done > 0 {
		total -= done
	}
	return max(total, 0)
}
