package planner

import (
	"fmt"
	"math"
	"slices"
	"time"
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
		if p.planned() > 0 {
			newRun(p).play(w.now)
		}
	}
	for _, j := range w.jobs {
		if !j.view.Deadline.IsZero() && j.plan.Finish.After(j.view.Deadline) {
			j.workers.note("late", fmt.Sprintf("the expected finish %s is after the deadline %s", clock(j.plan.Finish), clock(j.view.Deadline)))
		}
	}
}

// run plays a pool's work through: its open jobs by urgency, and whenever one ends, the next that waits in its queue.
type run struct {
	pool    *pool
	seconds float64        // from now
	open    []*job         // by urgency
	opened  map[*queue]int // how many of them are of this queue
	waiting map[*queue][]*job
	left    map[*job]float64 // work, seconds of one worker
	loaded  map[string]bool  // models whose load has been paid
}

func newRun(p *pool) *run {
	r := &run{pool: p, opened: map[*queue]int{}, waiting: map[*queue][]*job{}, left: map[*job]float64{}, loaded: map[string]bool{}}
	for _, j := range p.line {
		if !j.counts() {
			continue
		}
		if r.left[j] = j.work; j.work < 0 {
			r.left[j] = math.Inf(1)
		}
		if j.open {
			r.open = append(r.open, j)
			r.opened[j.queue]++
		} else {
			r.waiting[j.queue] = append(r.waiting[j.queue], j)
		}
	}
	return r
}

// play goes from one job's end to the next until nothing ends any more.
func (r *run) play(now time.Time) {
	for len(r.open) > 0 {
		heads, weight := r.heads()
		rate := func(j *job) float64 {
			return float64(r.pool.planned()) * float64(j.queue.policy.Weight) / float64(weight)
		}
		var first *job
		for _, j := range heads {
			if j.begins < 0 {
				j.begins = r.seconds
			}
			if first == nil || r.left[j]/rate(j) < r.left[first]/rate(first) {
				first = j
			}
		}
		length := r.left[first] / rate(first)
		if math.IsInf(length, 0) {
			return
		}
		for _, j := range heads {
			r.left[j] -= length * rate(j)
		}
		r.seconds += length
		r.pool.promise(first, now, r.seconds, rate(first), !r.loaded[first.view.Model.Name])
		r.loaded[first.view.Model.Name] = true
		r.end(first)
	}
}

// heads are the jobs that are worked on: of the most urgent deadline, the first job of each queue. weight is the sum of their queues'.
func (r *run) heads() (heads []*job, weight int) {
	for _, j := range r.open {
		if !j.view.Deadline.Equal(r.open[0].view.Deadline) {
			break
		}
		if !slices.ContainsFunc(heads, func(head *job) bool { return head.queue == j.queue }) {
			heads, weight = append(heads, j), weight+j.queue.policy.Weight
		}
	}
	return heads, weight
}

// end takes a job out and opens the next of its queue, if that may open one.
func (r *run) end(done *job) {
	r.open = slices.DeleteFunc(r.open, func(j *job) bool { return j == done })
	r.opened[done.queue]--
	waiting := r.waiting[done.queue]
	if len(waiting) == 0 || r.opened[done.queue] >= done.queue.policy.MaxOpenJobs {
		return
	}
	r.opened[done.queue]++
	next := waiting[0]
	r.waiting[done.queue] = waiting[1:]
	at, _ := slices.BinarySearchFunc(r.open, next, compareJobs)
	r.open = slices.Insert(r.open, at, next)
}

// promise writes the times and the cost of a job that ends in so many seconds, done by rate workers at once.
func (p *pool) promise(j *job, now time.Time, ends, rate float64, fresh bool) {
	delay := 0.0
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
	j.plan.Cost = p.policy.Price.Times(seconds / 3600 / float64(p.slots()))
}
