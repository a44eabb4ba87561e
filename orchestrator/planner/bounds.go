package planner

import (
	"cmp"
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// most is how many workers the queue may have, and whether it is a cap that says so.
func (q *queue) most() (workers int, capped bool) {
	workers = endless
	if q.policy.MaxWorkers > 0 {
		workers = q.policy.MaxWorkers
	}
	if q.capped != nil && q.capped.MaxWorkers < workers {
		return max(q.capped.MaxWorkers, 0), true
	}
	return workers, false
}

// addCaps gives each queue the lowest of the caps that hold now; of equal ones the one that ends last.
func (w *world) addCaps(observation orchestrator.Observation, queues map[queueName]*queue) {
	for _, one := range inOrder(observation.Caps, func(a, b *orchestrator.Cap) int {
		return cmp.Or(cmp.Compare(a.MaxWorkers, b.MaxWorkers), b.Until.Compare(a.Until), cmp.Compare(a.Identity, b.Identity))
	}) {
		q := queues[queueName{one.Tenant, one.Queue}]
		if q != nil && q.capped == nil && !w.now.Before(one.From) && w.now.Before(one.Until) {
			q.capped = one
		}
	}
}

// queueBounds keeps every queue to its MaxWorkers, and to what schedules allow.
func queueBounds(w *world) {
	for _, p := range w.pools {
		for _, q := range p.queues {
			most, capped := q.most()
			if q.wanted <= most {
				continue
			}
			p.wanted -= q.wanted - most
			q.wanted = most
			p.capped = p.capped || capped
			if allowed := counted(most, "worker"); capped {
				p.replicas.change("cap", p.inReplicas(p.wanted), fmt.Sprintf("until %s %s lets queue %s have at most %s", clock(q.capped.Until), q.capped.Identity, q.policy.Name, allowed))
			} else {
				p.replicas.change("queue_max", p.inReplicas(p.wanted), fmt.Sprintf("queue %s may have at most %s", q.policy.Name, allowed))
			}
		}
	}
}

// busyFloor keeps the replicas whose workers hold shards. Where a split decides it does not: a worker that never runs dry holds a shard at every look, and on-demand
// capacity would never go while spot capacity takes over; nor does it where a cap holds, which nobody would notice otherwise. Nothing is lost by that: a worker that drains finishes what it holds. Of the user's own consumers
// nobody knows that: see keepConsumers.
func busyFloor(w *world) {
	for _, p := range w.pools {
		for _, r := range p.groups {
			if r.busy && !r.drains {
				p.busy++
			}
		}
		if p.busy > p.replicas.to && !p.splits && !p.capped && !p.external {
			p.replicas.change("busy", p.busy, fmt.Sprintf("workers of %s hold shards and stay until those are done", counted(p.busy, "replica")))
		}
	}
}

// poolBounds keeps the pool between its Min and Max; they win over everything before.
func poolBounds(w *world) {
	for _, p := range w.pools {
		switch least, most := p.policy.Min, p.policy.Max; {
		case p.replicas.to > most:
			p.replicas.change("max", most, fmt.Sprintf("%s at most %s", p.bounded(p.view.Most != nil && *p.view.Most == most), counted(most, "replica")))
		case p.replicas.to < least:
			p.replicas.change("min", least, fmt.Sprintf("%s at least %s", p.bounded(p.view.Least == least), counted(least, "replica")))
		}
	}
}

// bounded says whose bound it is.
func (p *pool) bounded(engine bool) string {
	if engine && p.view.Reading.Source != "" {
		return p.view.Reading.Source + " has"
	}
	return "the pool has"
}

// hold keeps consumers that may not go, and leaves a pool alone whose size is not known: it must not shrink on a guess, and growing starts from a known size too.
func hold(w *world) {
	for _, p := range w.pools {
		p.keepConsumers()
		p.wished = p.replicas.to
		if p.doubt != "" {
			p.replicas.change("hold", p.replicas.from, fmt.Sprintf("nothing changes, neither fewer nor more, while the size is not known: %s", p.doubt))
		}
	}
}

// doubt says why a reading does not count; empty: it does.
func (w *world) doubt(reading orchestrator.Reading) string {
	switch age := w.now.Sub(reading.At); {
	case reading.Err != "":
		return reading.Err
	case reading.At.IsZero():
		return "it has never been read"
	case age > w.staleAfter:
		return fmt.Sprintf("it was last read %s ago, more than %s", age.Round(time.Second), w.staleAfter)
	}
	return ""
}
