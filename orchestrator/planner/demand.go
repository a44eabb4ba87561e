package planner

import (
	"fmt"
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// cheapLoads is the most that loading models may cost, as a share of the work each worker does.
const cheapLoads = 0.1

// demand asks each queue how many workers its work needs on the pool it prefers, and sums them up.
func demand(w *world) {
	for _, p := range w.pools {
		spare := p.spare()
		for _, q := range p.queues {
			if !q.asks() {
				continue
			}
			q.wanted, q.why = q.need(w.now, supply{ready: q.ready, spare: spare, spareDelay: p.spareDelay(w.now), newDelay: p.policy.StartSeconds})
			spare -= min(max(q.wanted-q.ready, 0), spare)
			p.wanted = min(p.wanted+q.wanted, endless)
			p.replicas.change("demand", p.inReplicas(p.wanted), fmt.Sprintf("queue %s wants %s", q.policy.Name, q.why))
		}
		if len(p.replicas.reasons) == 0 {
			p.replicas.change("demand", 0, "no queue that prefers this pool has work")
		}
	}
}

// inReplicas is how many replicas hold so many workers.
func (p *pool) inReplicas(workers int) int {
	return (workers + p.slots() - 1) / p.slots()
}

// asks says that a job of the queue is open, or will be when those before it are done.
func (q *queue) asks() bool {
	for _, j := range q.jobs {
		if j.hasWork() && (j.open || q.policy.MaxOpenJobs > 0) {
			return true
		}
	}
	return false
}

// need is how many workers the queue wants and why: as many as its deadlines need at least, and as wide as loads stay cheap, but never
// more than its open jobs have shards for. An open job whose work is unknown adds as many as it has shards for: a first measurement
// is worth most.
func (q *queue) need(now time.Time, s supply) (int, string) {
	var seconds, load float64
	feed, most, unmeasured, toMeasure := 0, 0, 0, 0
	loaded := map[string]bool{}
	for _, j := range q.jobs {
		switch {
		case !j.hasWork():
			continue
		case j.open && j.work < 0:
			unmeasured, toMeasure = unmeasured+1, min(toMeasure+max(j.feed, 1), endless)
			continue
		case j.work < 0:
			continue // it waits
		case j.open:
			feed, most = min(feed+j.feed, endless), min(most+j.most, endless)
		}
		seconds += j.work
		if !loaded[j.view.Model.Name] {
			loaded[j.view.Model.Name] = true
			load += j.speed.load
		}
	}
	wanted, why := toMeasure, ""
	if unmeasured > 0 {
		why = fmt.Sprintf("%s for %s of unknown speed or size, as many as there are shards for", workers(toMeasure), jobs(unmeasured))
	}
	if len(loaded) > 0 || unmeasured == 0 {
		known, whyKnown := width(seconds, load, feed)
		atLeast, whyAtLeast := q.deadlines(now, s, most)
		if atLeast > known {
			known, whyKnown = atLeast, whyAtLeast
		} else if whyAtLeast != "" {
			whyKnown += "; " + whyAtLeast
		}
		wanted, why = min(wanted+known, endless), join(whyKnown, why)
	}
	return wanted, why
}

func join(first, second string) string {
	if second == "" {
		return first
	}
	return first + "; and " + second
}

// width is as many workers as leave each of them ten times as much work as it needs to load, and a shard.
func width(seconds, load float64, feed int) (int, string) {
	cheap := endless
	if load > 0 {
		cheap = int(math.Min(seconds*cheapLoads/load, endless))
	}
	wide := max(1, min(cheap, feed))
	why := fmt.Sprintf("%s: %s of work", workers(wide), span(seconds))
	switch {
	case wide == 1 && cheap <= 1:
		why += fmt.Sprintf(" is too little for a second load of %s", span(load))
	case cheap > feed:
		why += fmt.Sprintf(", and shards for %d", feed)
	default:
		why += fmt.Sprintf(", and loads of %s stay within a tenth of it", span(load))
	}
	return wide, why
}

// deadlines is the fewest workers with which every deadline of the queue is met, its jobs done in order of urgency.
func (q *queue) deadlines(now time.Time, s supply, most int) (int, string) {
	needed, why, seconds := 0, "", 0.0
	for _, j := range q.jobs {
		left, given := j.left(now)
		if !given {
			break // no job after it has a deadline
		}
		if !j.hasWork() {
			continue
		}
		seconds += math.Max(j.work, 0)
		s.load = j.speed.load
		count, reachable := s.needed(seconds, left)
		if !reachable {
			why = fmt.Sprintf("the deadline %s of job %s cannot be met any more", clock(j.view.Deadline), j.view.ID)
			continue
		}
		if count = min(count, most); count > needed {
			needed = count
			why = fmt.Sprintf("%s: %s of work by %s, %s from now", workers(count), span(seconds), clock(j.view.Deadline), span(left))
			if lost := s.newDelay + s.load; count > s.ready && lost > 0 {
				why += fmt.Sprintf(", of which a new worker loses %s to start and load", span(lost))
			}
		}
	}
	return needed, why
}

// supply is who could work for a queue, and when.
type supply struct {
	ready      int     // at once
	spare      int     // asked for already, working for nobody
	spareDelay float64 // seconds until they can load a model
	newDelay   float64 // the same for workers that would have to be bought
	load       float64 // seconds to load the model
}

// needed is the fewest workers that do so many seconds of work in the time left, those that can begin earliest first. Counting each by its
// own delay keeps the number the same while new workers are on their way.
func (s supply) needed(seconds, left float64) (workers int, reachable bool) {
	workers = whole(seconds / left)
	if left > 0 && workers <= s.ready {
		return workers, true
	}
	seconds -= float64(s.ready) * math.Max(left, 0)
	if usable := left - math.Max(s.spareDelay, 0) - s.load; usable > 0 {
		if more := whole(seconds / usable); more <= s.spare {
			return s.ready + more, true
		}
		seconds -= float64(s.spare) * usable
	}
	usable := left - s.newDelay - s.load
	if usable <= 0 {
		return 0, false
	}
	return s.ready + s.spare + whole(seconds/usable), true
}

// findReady counts for each queue the workers that can work for it at once: those that hold a shard of it, and those that hold none but
// have loaded, or are loading, its model.
func (p *pool) findReady() {
	for _, one := range p.workers {
		switch {
		case one.drains || one.view.State == orchestrator.WorkerFailed:
		case one.holds != nil:
			if q := one.holds.queue; q != nil && q.pool == p {
				q.ready++
			}
		case one.view.Model.Name != "":
			for _, q := range p.queues {
				if q.runs(one.view.Model.Name) {
					q.ready++
					break
				}
			}
		}
	}
}

// runs says that a job of the queue needs this model.
func (q *queue) runs(model string) bool {
	for _, j := range q.jobs {
		if j.view.Model.Name == model && j.hasWork() {
			return true
		}
	}
	return false
}

// spare is how many workers are asked for and work for none of the pool's queues.
func (p *pool) spare() int {
	spare := p.view.Replicas * p.slots()
	for _, q := range p.queues {
		spare -= q.ready
	}
	return max(spare, 0)
}

// spareDelay is how long those need that were asked for last, in seconds, until they can load a model.
func (p *pool) spareDelay(now time.Time) float64 {
	if p.memory.Grown.IsZero() {
		return 0
	}
	return math.Max(0, math.Min(p.policy.StartSeconds, p.policy.StartSeconds-now.Sub(p.memory.Grown).Seconds()))
}
