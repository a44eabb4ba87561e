package planner

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// sayLate says of each job that is not expected to end by its deadline when it will, and what would have to be raised, at what cost; and of each pool that
// its queues cannot all be in time, before the first of them is late. Jobs are done by urgency, so that the last ones are late.
func sayLate(w *world) {
	for _, p := range w.pools {
		due := 0.0     // work by the deadline of the job that is looked at
		var first *job // that is late
		s := p.supplyNow(w.now)
		for _, j := range p.line {
			left, given := j.left(w.now)
			if !given {
				break
			}
			if !j.counts() || j.work < 0 || p != j.limiting() {
				continue
			}
			due += j.work
			s.load = j.speed.slowLoad
			if !j.queue.splits {
				j.notBefore(w.now, s.ends(due, p.provided(p.replicas.to)))
			}
			if j.plan.Finish.IsZero() && p.planned() > 0 && p.provided(p.replicas.to) == 0 {
				j.workers.note("late", fmt.Sprintf("nobody can say whether it will end by the deadline %s: the provider has none of the %s of pool %s; with an on-demand pool in queue %s that would not matter",
					clock(j.view.Deadline), counted(p.planned(), "worker"), p.policy.Name, j.view.Queue))
			}
			if !j.late() {
				continue
			}
			if first == nil {
				first = j
			}
			together, reachable := s.needed(due, left)
			j.workers.note("late", j.lateSentence(p, s, left, together, reachable))
			if reachable && first == j && together > p.policy.Max*p.slots() {
				p.replicas.note("infeasible", fmt.Sprintf("%s of work due by %s takes %s, and the pool has at most %d: the first that will be late, by %s, is job %s of queue %s",
					span(due), clock(j.view.Deadline), counted(together, "worker"), p.policy.Max*p.slots(), span(j.lateBy()), j.view.ID, j.view.Queue))
			}
		}
	}
}

// limiting is the pool that decides whether the job's deadline is met.
func (j *job) limiting() *pool {
	if j.queue.splits {
		return j.queue.onDemand
	}
	return j.pool()
}

func (j *job) late() bool { return !j.plan.Finish.IsZero() && j.plan.Finish.After(j.view.Deadline) }

// lateBy is in seconds.
func (j *job) lateBy() float64 { return j.plan.Finish.Sub(j.view.Deadline).Seconds() }

// supplyNow is who works on the pool, as planned.
func (p *pool) supplyNow(now time.Time) supply {
	ready := min(p.ofUse(), p.planned())
	return supply{
		ready: ready, spare: max(min(p.bought(), p.planned())-ready, 0), spareDelay: p.spareDelay(now),
		newDelay: p.start(),
	}
}

// notBefore corrects what is expected: workers that have to start do not work from the beginning.
func (j *job) notBefore(now time.Time, seconds float64) {
	at := now.Add(time.Duration(math.Min(seconds, longest) * float64(time.Second))).Round(time.Second)
	if later := at.Sub(j.plan.Finish); !j.plan.Finish.IsZero() && later > 0 {
		j.plan.Finish, j.plan.FinishHigh = at, j.plan.FinishHigh.Add(later)
	}
}

// ofUse is how many workers of the pool are of use.
func (p *pool) ofUse() int {
	count := 0
	for _, one := range p.workers {
		if one.useful() {
			count++
		}
	}
	return count
}

// lateSentence says by how much, and what would help.
func (j *job) lateSentence(p *pool, s supply, left float64, together int, reachable bool) string {
	said := fmt.Sprintf("the expected finish %s is %s after the deadline %s", clock(j.plan.Finish), span(j.lateBy()), clock(j.view.Deadline))
	if left <= 0 {
		return said + ", which is over"
	}
	if !reachable {
		return fmt.Sprintf("%s; no number of workers helps any more: a new one takes %s to start and load, and %s are left", said, span(s.newDelay+s.load), span(left))
	}
	raise := j.toRaise(p, s, left, together)
	if len(raise) == 0 {
		return said
	}
	return fmt.Sprintf("%s; in time it would be with %s, at a cost of %s", said, strings.Join(raise, " and "), j.costWith(p, s, together))
}

// toRaise are the limits that stand in the way, and what they would have to be.
func (j *job) toRaise(p *pool, s supply, left float64, together int) (raise []string) {
	if p.doubt != "" || p.memory.Trial.Failed && together > p.planned() {
		return nil // other reasons say what is wrong with the pool
	}
	own := 0.0
	for _, other := range j.queue.jobs {
		if other.counts() && other.work > 0 && compareJobs(other, j) <= 0 {
			own += other.work
		}
	}
	alone, _ := s.needed(own, left)
	if most := j.queue.policy.MaxWorkers; most > 0 && alone > most {
		raise = append(raise, fmt.Sprintf("limits.maxWorkers of queue %s at %d instead of %d", j.queue.policy.Name, alone, most))
	}
	if of := j.queue.capped; of != nil && alone > of.MaxWorkers {
		raise = append(raise, fmt.Sprintf("the cap of %s at %d instead of %d", of.Identity, alone, of.MaxWorkers))
	}
	if open := j.queue.policy.MaxOpenJobs; slices.ContainsFunc(j.queue.jobs, func(other *job) bool { return other.open && !j.open && compareJobs(other, j) > 0 }) {
		raise = append(raise, fmt.Sprintf("limits.maxOpenJobs of queue %s at %d instead of %d", j.queue.policy.Name, open+j.plan.Position, open))
	}
	if most := p.policy.Max; p.inReplicas(together) > most {
		raise = append(raise, fmt.Sprintf("replicas.max of pool %s at %d instead of %d", p.policy.Name, p.inReplicas(together), most))
	}
	if granted := p.granted(); p.view.Available != nil && together > granted && !j.queue.policy.Cheapest {
		raise = append(raise, fmt.Sprintf("%s of pool %s instead of the %d that the provider has, or an on-demand pool in queue %s", counted(together, "worker"), p.policy.Name, granted, j.view.Queue))
	}
	if alone > j.most {
		raise = append(raise, fmt.Sprintf("batches for %d workers instead of %d", alone, j.most))
	}
	return raise
}

// costWith is what the job would cost with so many workers.
func (j *job) costWith(p *pool, s supply, workers int) orchestrator.Money {
	loads := float64(max(workers-s.ready, 0)) * (s.newDelay + s.load)
	return p.policy.Price.Times((j.work + loads) / 3600 / float64(p.slots()))
}
