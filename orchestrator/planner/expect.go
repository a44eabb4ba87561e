package planner

import (
	"fmt"
	"math"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// How far a finish may lie from the expected one, as a share of the time until then.
const (
	spreadMeasured = 0.2
	spreadProfile  = 0.5
)

// longest is the latest time that is ever named, in seconds from now: some ten years.
const longest = 3e8

// expect says for each job when it will start and finish and what its rest will cost, by letting the planned workers do the pool's jobs one
// after the other. Nothing is promised to a job of unknown work, nor to those that have to wait for it.
func expect(w *world) {
	for _, j := range w.jobs {
		j.begins = -1
	}
	for _, p := range w.pools {
		if r := newRun(p); r.workers > 0 {
			r.play(w.now)
		}
	}
	for _, j := range w.jobs {
		if j.queue != nil && j.queue.splits && j.queue.safe && !j.plan.Finish.IsZero() {
			j.safe() // the number of workers changes as the deadline needs it
		}
		if !j.view.Deadline.IsZero() && j.plan.Finish.After(j.view.Deadline) {
			j.workers.note("late", fmt.Sprintf("the expected finish %s is after the deadline %s", clock(j.plan.Finish), clock(j.view.Deadline)))
		}
	}
}

// safe keeps the times of a job whose deadline is safe within it.
func (j *job) safe() {
	for _, at := range []*time.Time{&j.plan.Start, &j.plan.FinishLow, &j.plan.Finish, &j.plan.FinishHigh} {
		if compareDeadlines(j.view.Deadline, *at) < 0 {
			*at = j.view.Deadline
		}
	}
}

// run plays a pool's work through: its open jobs by urgency, and whenever one ends, the next that waits in its queue.
type run struct {
	pool    *pool
	workers int
	price   orchestrator.Money // of a worker and hour
	seconds float64            // from now
	lines   []*line
	left    map[*job]float64 // work, seconds of one worker
	loaded  map[string]bool  // models whose load has been paid
}

// line is the work of one queue, by urgency.
type line struct {
	queue         *queue
	open, waiting []*job
}

func newRun(p *pool) *run {
	workers, price := p.working()
	r := &run{pool: p, workers: workers, price: price, left: map[*job]float64{}, loaded: map[string]bool{}}
	for _, q := range p.queues {
		l := &line{queue: q}
		for _, j := range q.jobs {
			if !j.counts() {
				continue
			}
			if r.left[j] = j.work; j.work < 0 {
				r.left[j] = math.Inf(1)
			}
			if j.open {
				l.open = append(l.open, j)
			} else {
				l.waiting = append(l.waiting, j)
			}
		}
		if len(l.open) > 0 {
			r.lines = append(r.lines, l)
		}
	}
	return r
}

// play goes from one job's end to the next until nothing ends any more.
func (r *run) play(now time.Time) {
	for len(r.lines) > 0 {
		heads, weight := r.heads()
		rate := func(l *line) float64 {
			return float64(r.workers) * float64(l.queue.policy.Weight) / float64(weight)
		}
		var first *line
		length := math.Inf(1)
		for _, l := range heads {
			head := l.open[0]
			if head.begins < 0 {
				head.begins = r.seconds
			}
			if ends := r.left[head] / rate(l); ends < length {
				first, length = l, ends
			}
		}
		if first == nil {
			return
		}
		for _, l := range heads {
			r.left[l.open[0]] -= length * rate(l)
		}
		r.seconds += length
		done := first.open[0]
		r.promise(done, now, r.seconds, rate(first), !r.loaded[done.view.Model.Name])
		r.loaded[done.view.Model.Name] = true
		first.end()
		r.lines = slices.DeleteFunc(r.lines, func(l *line) bool { return len(l.open) == 0 })
	}
}

// heads are the lines that are worked on: those whose first job has the most urgent deadline. weight is the sum of their queues'.
func (r *run) heads() (heads []*line, weight int) {
	earliest := r.lines[0].open[0].view.Deadline
	for _, l := range r.lines {
		if deadline := l.open[0].view.Deadline; compareDeadlines(deadline, earliest) < 0 {
			earliest = deadline
		}
	}
	for _, l := range r.lines {
		if l.open[0].view.Deadline.Equal(earliest) {
			heads, weight = append(heads, l), weight+l.queue.policy.Weight
		}
	}
	return heads, weight
}

// end takes the first job out and opens the next, if the queue may open one.
func (l *line) end() {
	l.open = l.open[1:]
	if len(l.waiting) == 0 || len(l.open) >= l.queue.policy.MaxOpenJobs {
		return
	}
	next := l.waiting[0]
	l.waiting = l.waiting[1:]
	at, _ := slices.BinarySearchFunc(l.open, next, compareJobs)
	l.open = slices.Insert(l.open, at, next)
}

// promise writes the times and the cost of a job that ends in so many seconds, done by rate workers at once.
func (r *run) promise(j *job, now time.Time, ends, rate float64, fresh bool) {
	p, delay := r.pool, 0.0
	if j.queue.ready == 0 {
		delay = j.speed.load
		if len(p.workers) == 0 {
			delay += p.policy.StartSeconds
		}
	}
	if usable := float64(max(j.most, 1)); rate > usable { // the job has no more shards than that
		ends += j.work/usable - j.work/rate
		rate = usable
	}
	begins := math.Max(j.begins, delay)
	ends += begins - j.begins
	spread := spreadProfile
	if j.speed.basis == basisMeasured {
		spread = spreadMeasured
	}
	at := func(seconds float64) time.Time {
		return now.Add(time.Duration(math.Min(math.Max(seconds, 0), longest) * float64(time.Second))).Round(time.Second)
	}
	j.plan.Start, j.plan.Finish = at(begins), at(ends)
	j.plan.FinishLow, j.plan.FinishHigh = at(ends*(1-spread)), at(ends*(1+spread))
	seconds := j.work
	if fresh {
		seconds += math.Max(math.Ceil(rate)-float64(j.queue.ready), 0) * j.speed.load
	}
	j.plan.Cost = r.price.Times(seconds / 3600)
}
