package planner

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// cheapLoads is the most that loading models may cost, as a share of the work each worker does.
const cheapLoads = 0.1

// demand asks each queue how many workers its work needs on the pool it prefers, and sums them up.
func demand(w *world) {
	for _, p := range w.pools {
		spare := p.spare()
		for _, q := range p.queues {
			if q.splits || !slices.ContainsFunc(q.jobs, (*job).counts) {
				continue
			}
			wanted, why := q.need(w.now, supply{ready: q.ready, spare: spare, spareDelay: p.spareDelay(w.now), newDelay: p.start()})
			q.wanted = wanted
			spare -= min(max(q.wanted-q.ready, 0), spare)
			p.wanted = min(p.wanted+q.wanted, endless)
			p.replicas.change("demand", p.inReplicas(p.wanted), fmt.Sprintf("queue %s wants %s", q.policy.Name, why))
		}
		if len(p.replicas.reasons) == 0 && !p.splits && len(p.backlogs()) == 0 {
			p.replicas.change("demand", 0, "no queue that prefers this pool has work")
		}
	}
}

// inReplicas is how many replicas hold so many workers.
func (p *pool) inReplicas(workers int) int {
	return (workers + p.slots() - 1) / p.slots()
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
		case !j.counts():
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
		why = fmt.Sprintf("%s for %s of unknown speed or size, as many as there are shards for", counted(toMeasure, "worker"), counted(unmeasured, "job"))
	}
	if len(loaded) > 0 || unmeasured == 0 {
		known, whyKnown := width(seconds, load, feed)
		atLeast, whyAtLeast := q.deadlines(now, s, feed, most)
		q.urgent = atLeast
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
	why := fmt.Sprintf("%s: %s of work", counted(wide, "worker"), span(seconds))
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

// deadlines is the fewest workers with which every deadline of the queue is met, its jobs done in order of urgency. For one that cannot be met any more it is as
// many as make it end sooner, as far as there are shards.
func (q *queue) deadlines(now time.Time, s supply, feed, most int) (int, string) {
	needed, why, seconds := 0, "", 0.0
	for _, j := range q.jobs {
		left, given := j.left(now)
		if !given || q.policy.Cheapest {
			break // no job after it has a deadline that counts
		}
		if !j.counts() {
			continue
		}
		seconds += math.Max(j.work, 0)
		s.load = j.speed.slowLoad
		count, reachable := s.needed(seconds, left)
		if !reachable {
			if soonest := s.soonest(seconds, feed); soonest > needed || why == "" {
				needed = max(needed, soonest)
				why = fmt.Sprintf("%s, since the deadline %s of job %s cannot be met any more and it shall end as soon as it can",
					counted(soonest, "worker"), clock(j.view.Deadline), j.view.ID)
			}
			continue
		}
		if count = min(count, most); count > needed {
			needed = count
			why = fmt.Sprintf("at least %s: %s of work by %s, %s from now", counted(count, "worker"), span(seconds), clock(j.view.Deadline), span(left))
			if lost := s.newDelay + s.load; count > s.ready && lost > 0 {
				why += fmt.Sprintf(", of which a new worker loses %s to start and load", span(lost))
			}
		}
	}
	return needed, why
}
