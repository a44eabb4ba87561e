package planner

import (
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// queueBounds keeps every queue to its MaxWorkers.
func queueBounds(w *world) {
	for _, p := range w.pools {
		for _, q := range p.queues {
			if most := q.policy.MaxWorkers; most > 0 && q.wanted > most {
				p.wanted -= q.wanted - most
				q.wanted = most
				p.replicas.change("queue_max", p.inReplicas(p.wanted), fmt.Sprintf("queue %s may have at most %s", q.policy.Name, counted(most, "worker")))
			}
		}
	}
}

// busyFloor keeps the replicas whose workers hold shards. Where a split decides it does not: a worker that never runs dry holds a shard at every look, and on-demand
// capacity would never go while spot capacity takes over. Nothing is lost by that: a worker that drains finishes what it holds.
func busyFloor(w *world) {
	for _, p := range w.pools {
		for _, r := range p.groups {
			if r.busy && !r.drains {
				p.busy++
			}
		}
		if p.busy > p.replicas.to && !p.splits {
			p.replicas.change("busy", p.busy, fmt.Sprintf("workers of %s hold shards and stay until those are done", counted(p.busy, "replica")))
		}
	}
}

// poolBounds keeps the pool between its Min and Max; they win over everything before.
func poolBounds(w *world) {
	for _, p := range w.pools {
		switch least, most := p.policy.Min, p.policy.Max; {
		case p.replicas.to > most:
			p.replicas.change("max", most, fmt.Sprintf("the pool has at most %s", counted(most, "replica")))
		case p.replicas.to < least:
			p.replicas.change("min", least, fmt.Sprintf("the pool has at least %s", counted(least, "replica")))
		}
	}
}

// hold leaves a pool alone whose size is not known: it must not shrink on a guess, and growing starts from a known size too.
func hold(w *world) {
	for _, p := range w.pools {
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
