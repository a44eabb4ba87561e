package planner

import (
	"fmt"
	"math"
	"time"
)

// How far a finish may lie from the expected one, as a share of the time until then.
const (
	spreadMeasured = 0.2
	spreadProfile  = 0.5
)

// longest is the latest time that is ever named, in seconds from now: some ten years.
const longest = 3e8

// expect says for each job when it will start and finish and what its rest will cost, by letting the planned workers do the pool's line
// of jobs in order. From the first job of unknown work on nothing is promised to those behind it.
func expect(w *world) {
	for _, j := range w.jobs {
		j.begins = -1
	}
	for _, p := range w.pools {
		p.expect(w.now)
	}
	for _, j := range w.jobs {
		if !j.view.Deadline.IsZero() && j.plan.Finish.After(j.view.Deadline) {
			j.workers.note("late", fmt.Sprintf("the expected finish %s is after the deadline %s", clock(j.plan.Finish), clock(j.view.Deadline)))
		}
	}
}

func (p *pool) expect(now time.Time) {
	planned := float64(p.planned())
	if planned == 0 {
		return
	}
	turn, known := 0.0, true // when the next tier begins, in seconds from now
	loaded := map[string]bool{}
	for _, t := range tiers(p.workLine()) {
		ahead, blocked, total := make([]float64, len(t.queues)), make([]bool, len(t.queues)), 0.0
		weight := 0
		for _, one := range t.weights {
			weight += one
		}
		for _, j := range t.jobs {
			at := t.at(j.queue)
			if j.work < 0 || !known || blocked[at] {
				blocked[at] = true
				continue
			}
			rate := planned * float64(t.weights[at]) / float64(weight)
			j.begins = turn + ahead[at]/rate
			ahead[at] += j.work
			total += j.work
			fresh := !loaded[j.view.Model.Name]
			loaded[j.view.Model.Name] = true
			p.promise(j, now, math.Min(rate, float64(max(j.most, 1))), fresh)
		}
		for _, one := range blocked {
			known = known && !one
		}
		turn += total / planned
	}
}

// promise writes a job's times and cost, done by so many workers from its turn on.
func (p *pool) promise(j *job, now time.Time, rate float64, fresh bool) {
	delay := 0.0
	if j.queue.ready == 0 {
		delay = j.speed.load
		if len(p.workers) == 0 {
			delay += p.policy.StartSeconds
		}
	}
	begins := math.Max(j.begins, delay)
	length := j.work / rate
	spread := spreadProfile
	if j.speed.basis == basisMeasured {
		spread = spreadMeasured
	}
	at := func(seconds float64) time.Time {
		return now.Add(time.Duration(math.Min(math.Max(seconds, 0), longest) * float64(time.Second))).Round(time.Second)
	}
	j.plan.Start, j.plan.Finish = at(begins), at(begins+length)
	j.plan.FinishLow, j.plan.FinishHigh = at((begins+length)*(1-spread)), at((begins+length)*(1+spread))
	seconds := j.work
	if fresh {
		seconds += math.Max(math.Ceil(rate)-float64(j.queue.ready), 0) * j.speed.load
	}
	j.plan.Cost = p.policy.Price.Times(seconds / 3600 / float64(p.slots()))
}

// workLine are the jobs with work whose queues prefer the pool, those that wait included.
func (p *pool) workLine() []*job {
	var line []*job
	for _, j := range p.line {
		if j.hasWork() && (j.open || j.queue.policy.MaxOpenJobs > 0) {
			line = append(line, j)
		}
	}
	return line
}
