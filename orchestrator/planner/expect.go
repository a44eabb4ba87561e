package planner

import (
	"cmp"
	"container/heap"
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
	}
}

// safe keeps the times of a job whose deadline is safe within it.
func (j *job) safe() {
	for _, at := range []*time.Time{&j.plan.Start, &j.plan.FinishLow, &j.plan.Finish, &j.plan.FinishHigh} {
		if j.view.Deadline.Before(*at) {
			*at = j.view.Deadline
		}
	}
}

// run plays a pool's work through: its open jobs by urgency, and whenever one ends, the next that waits in its queue. The lines whose first jobs
// have the most urgent deadline share the workers by weight. How far each has come is told by one clock for all of them, the work done for each unit of weight
// (virtual time, as in weighted fair queueing), so that an end costs no look at the others.
type run struct {
	pool    *pool
	workers int
	price   orchestrator.Money // of a worker and hour
	seconds float64            // from now
	loaded  map[string]bool    // models whose load has been paid
	clock   float64            // seconds of work done for each unit of weight
	weight  int                // of the active lines
	active  lines              // the first to end first
	later   lines              // less urgent ones, the most urgent first
}

// line is the work of one queue, by urgency.
type line struct {
	queue         *queue
	order         int // among the lines, where all else is equal
	open, waiting []*job
	left          float64 // work of the first job, seconds of one worker; while the line is not active
	ends          float64 // on the clock, while it is
}

// lines are a heap.
type lines struct {
	list   []*line
	before func(a, b *line) int
}

func (l lines) Len() int { return len(l.list) }
func (l lines) Less(i, j int) bool {
	return cmp.Or(l.before(l.list[i], l.list[j]), l.list[i].order-l.list[j].order) < 0
}
func (l lines) Swap(i, j int) { l.list[i], l.list[j] = l.list[j], l.list[i] }
func (l *lines) Push(one any) { l.list = append(l.list, one.(*line)) }
func (l *lines) Pop() any {
	last := l.list[len(l.list)-1]
	l.list = l.list[:len(l.list)-1]
	return last
}

func newRun(p *pool) *run {
	workers, price := p.working()
	workers -= p.planned() - p.provided(p.replicas.to) // nothing is promised on what the provider refuses
	r := &run{
		pool: p, workers: workers, price: price, loaded: map[string]bool{},
		active: lines{before: func(a, b *line) int { return cmp.Compare(a.ends, b.ends) }},
		later:  lines{before: func(a, b *line) int { return compareDeadlines(a.open[0].view.Deadline, b.open[0].view.Deadline) }},
	}
	for order, q := range p.queues {
		l := &line{queue: q, order: order}
		for _, j := range q.jobs {
			switch {
			case !j.counts():
			case j.open:
				l.open = append(l.open, j)
			default:
				l.waiting = append(l.waiting, j)
			}
		}
		if len(l.open) > 0 {
			l.left = l.open[0].workAhead()
			heap.Push(&r.later, l)
		}
	}
	return r
}

// play goes from one job's end to the next until nothing ends any more.
func (r *run) play(now time.Time) {
	for r.activate(); r.active.Len() > 0; r.activate() {
		first := r.active.list[0]
		if math.IsInf(first.ends, 1) {
			return
		}
		r.seconds += (first.ends - r.clock) * float64(r.weight) / float64(r.workers)
		r.clock = first.ends
		done := first.open[0]
		rate := float64(r.workers) * float64(first.queue.policy.Weight) / float64(r.weight)
		r.promise(done, now, r.seconds, rate, !r.loaded[done.view.Model.Name])
		r.loaded[done.view.Model.Name] = true
		heap.Pop(&r.active)
		r.weight -= first.queue.policy.Weight
		if first.end(); len(first.open) > 0 {
			first.left = first.open[0].workAhead()
			heap.Push(&r.later, first)
		}
	}
}

// activate lets the lines with the most urgent first jobs work. A job that was opened just now may be more urgent than those that are worked on.
func (r *run) activate() {
	urgency := func(l *line) time.Time { return l.open[0].view.Deadline }
	if r.active.Len() > 0 && r.later.Len() > 0 && compareDeadlines(urgency(r.later.list[0]), urgency(r.active.list[0])) < 0 {
		for _, paused := range r.active.list {
			paused.left = (paused.ends - r.clock) * float64(paused.queue.policy.Weight)
			heap.Push(&r.later, paused)
		}
		r.active.list, r.weight = r.active.list[:0], 0
	}
	for r.later.Len() > 0 && (r.active.Len() == 0 || urgency(r.later.list[0]).Equal(urgency(r.active.list[0]))) {
		next := heap.Pop(&r.later).(*line)
		if head := next.open[0]; head.begins < 0 {
			head.begins = r.seconds
		}
		next.ends = r.clock + next.left/float64(next.queue.policy.Weight)
		r.weight += next.queue.policy.Weight
		heap.Push(&r.active, next)
	}
}

// workAhead is the work of a job, endless where nobody knows it.
func (j *job) workAhead() float64 {
	if j.work < 0 {
		return math.Inf(1)
	}
	return j.work
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
			delay += p.start()
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
