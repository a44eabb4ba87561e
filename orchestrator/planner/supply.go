package planner

import (
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

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
	if !(seconds > 0) {
		return 0, true
	}
	if workers := whole(seconds / left); left > 0 && workers <= s.ready {
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

// soonest is how many of at most so many workers make the work end sooner: one that begins only when the others are done does not.
func (s supply) soonest(seconds float64, most int) int {
	if s.ready >= most {
		return most
	}
	if s.ready > 0 && seconds/float64(s.ready) <= s.spareDelay+s.load {
		return s.ready
	}
	usable := s.spare
	if s.ready+usable > 0 && (seconds+float64(usable)*(s.spareDelay+s.load))/float64(s.ready+usable) <= s.newDelay+s.load {
		return min(s.ready+usable, most)
	}
	return most
}

// ends is after how many seconds so many workers have done the work, those that can begin earliest first.
func (s supply) ends(seconds float64, workers int) float64 {
	began, ends := 0, math.Inf(1) // workers, and the end of the work if no other joined
	delays := 0.0
	for _, group := range []struct {
		count int
		delay float64
	}{{s.ready, 0}, {s.spare, s.spareDelay + s.load}, {workers - s.ready - s.spare, s.newDelay + s.load}} {
		count := min(group.count, workers-began)
		if count <= 0 || group.delay >= ends {
			continue
		}
		began, delays = began+count, delays+float64(count)*group.delay
		ends = (seconds + delays) / float64(began)
	}
	return ends
}

// findReady counts for each queue the workers that can work for it at once: those that hold a shard of it, and those that hold none but
// have loaded, or are loading, a model that its jobs need (the most urgent such queue counts them).
func (p *pool) findReady() {
	byModel := map[string]*queue{}
	for _, q := range p.queues {
		for _, j := range q.jobs {
			if name := j.view.Model.Name; j.hasWork() && byModel[name] == nil {
				byModel[name] = q
			}
		}
	}
	for _, one := range p.workers {
		q := byModel[one.view.Model.Name]
		if one.holds != nil {
			q = one.holds.queue
		}
		if q != nil && q.pool == p && !one.drains && one.view.State != orchestrator.WorkerFailed {
			q.ready++
		}
	}
}

// bought is how many workers are there or on their way.
func (p *pool) bought() int { return p.provided(p.view.Replicas) }

// provided is how many workers so many replicas bring: none that the provider refuses.
func (p *pool) provided(replicas int) int {
	if p.doubt == "" && p.view.Available != nil {
		replicas = min(replicas, max(*p.view.Available, 0))
	}
	return replicas * p.slots()
}

// spare is how many workers are asked for and work for none of the pool's queues.
func (p *pool) spare() int {
	spare := p.bought()
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
	start := p.start()
	return math.Max(0, math.Min(start, start-now.Sub(p.memory.Grown).Seconds()))
}
