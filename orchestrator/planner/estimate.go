package planner

import (
	"fmt"
	"math"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/shard"
)

// Request is a job that has not been submitted yet, as far as its price and its times depend on it.
type Request struct {
	Job       orchestrator.JobKey // the identifier may be empty
	Model     orchestrator.ModelRef
	Deadline  time.Time // zero: none
	Objects   []orchestrator.Object
	Rows      int64   // of all objects; negative: unknown, taken from their bytes
	RowBytes  float64 // average length of a row; not a positive number: unknown
	BatchRows int     // the model's best batch
}

// guessedRowBytes stands for a row nobody has seen.
const guessedRowBytes = 256

// Estimate is the price and time table of a job as if it were submitted now: it is planned together with everything that is open or waiting, by the
// same steps. With an unknown speed there are no times and no cost, and a note that says so.
func Estimate(request Request, observation orchestrator.Observation, policy orchestrator.Policy, now time.Time) orchestrator.Estimate {
	view, notes := request.view(now)
	observation.Jobs = slices.DeleteFunc(slices.Clone(observation.Jobs), func(j orchestrator.JobView) bool { return j.JobKey == view.JobKey })
	observation.Jobs = append(observation.Jobs, view)
	w := decide(observation, policy, now, steps)
	at := slices.IndexFunc(w.jobs, func(j *job) bool { return j.view.JobKey == view.JobKey })
	j := w.jobs[at]
	estimate := orchestrator.Estimate{
		Rows: view.RowsLeft, Shards: request.shards(j), Position: j.plan.Position, Basis: j.speed.basis,
		Start: j.plan.Start, Finish: j.plan.Finish, FinishLow: j.plan.FinishLow, FinishHigh: j.plan.FinishHigh, Cost: j.plan.Cost,
	}
	if estimate.Basis == "" {
		estimate.Basis = basisUnknown
	}
	if p := j.pool(); p != nil {
		workers, _ := p.working()
		estimate.Workers = min(workers, j.feed, estimate.Shards)
	}
	estimate.Notes = append(notes, j.notes()...)
	return estimate
}

// view is the job as the planner would see it right after its submit.
func (r Request) view(now time.Time) (orchestrator.JobView, []string) {
	view := orchestrator.JobView{
		JobKey: r.Job, State: orchestrator.JobQueued, Model: r.Model, Submitted: now, Deadline: r.Deadline,
		RowsLeft: r.Rows, RowBytes: r.RowBytes, BatchRows: r.BatchRows,
	}
	var notes []string
	whole, cuttable, _ := r.kinds()
	if whole > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d objects are compressed and cannot be cut: each is one shard, scored by one worker", whole, whole+cuttable))
	}
	if r.Rows < 0 {
		bytes := r.bytes()
		each, how := r.RowBytes, "the average row seen"
		if !(each > 0) || math.IsInf(each, 0) {
			each, how = guessedRowBytes, "a guess: no row has been seen"
		}
		view.RowsLeft = int64(math.Min(math.Ceil(bytes/each), 1<<52))
		notes = append(notes, fmt.Sprintf("the number of rows is estimated from %.0f bytes at %.0f bytes a row (%s)", bytes, each, how))
	}
	view.RowsUncut = view.RowsLeft
	if cuttable == 0 && whole > 0 {
		view.ShardsLeft, view.CutAll = whole, true
	}
	return view, notes
}

// shards is how many shards the objects make when the job's planned workers share them.
func (r Request) shards(j *job) int {
	each := r.RowBytes
	switch {
	case r.Rows > 0:
		each = r.bytes() / float64(r.Rows)
	case !(each > 0) || math.IsInf(each, 0):
		each = guessedRowBytes
	}
	whole, cuttable, bytes := r.kinds()
	cut := shard.Count(j.sizing(int64(math.Min(math.Ceil(bytes/math.Max(each, 1e-9)), 1<<52)), j.plan.Sharing))
	return min(whole+max(cut, cuttable), endless)
}

// kinds counts the objects that are one shard each and those that may be cut, and gives the size of the latter. Empty ones are neither.
func (r Request) kinds() (whole, cuttable int, cuttableBytes float64) {
	for _, object := range r.Objects {
		switch {
		case object.Size <= 0:
		case object.Splittable():
			cuttable++
			cuttableBytes += float64(object.Size)
		default:
			whole++
		}
	}
	return whole, cuttable, cuttableBytes
}

// bytes is the size of all objects.
func (r Request) bytes() float64 {
	bytes := 0.0
	for _, object := range r.Objects {
		bytes += float64(max(object.Size, 0))
	}
	return bytes
}

// notes are the sentences a submitter should read.
func (j *job) notes() []string {
	p := j.pool()
	switch {
	case j.queue == nil:
		return []string{fmt.Sprintf("queue %s of tenant %s is not declared", j.view.Queue, j.view.Tenant)}
	case p == nil:
		return []string{fmt.Sprintf("none of the pools of queue %s is declared", j.queue.policy.Name)}
	}
	var notes []string
	if !j.speed.known() {
		notes = append(notes, fmt.Sprintf("no speed is known for model %s on pool %s: no times and no cost can be given", j.view.Model.Name, p.policy.Name))
	}
	if p.doubt != "" {
		notes = append(notes, fmt.Sprintf("the size of pool %s is not known: %s", p.policy.Name, p.doubt))
	}
	switch finish, deadline := j.plan.Finish, j.view.Deadline; {
	case deadline.IsZero() || !j.speed.known():
	case finish.IsZero():
		notes = append(notes, fmt.Sprintf("whether the deadline %s can be met is not known", clock(deadline)))
	case finish.After(deadline):
		notes = append(notes, fmt.Sprintf("the deadline %s cannot be met: the expected finish is %s", clock(deadline), clock(finish)))
	case j.plan.FinishHigh.After(deadline):
		notes = append(notes, fmt.Sprintf("the deadline %s may be missed: the finish may be as late as %s", clock(deadline), clock(j.plan.FinishHigh)))
	}
	return notes
}
