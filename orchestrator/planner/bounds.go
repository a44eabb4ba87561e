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
				p.replicas.change("queue_max", p.inReplicas(p.wanted), fmt.Sprintf("queue %s may have at most %s", q.policy.Name, workers(most)))
			}
		}
	}
}

// busyFloor keeps the replicas whose workers hold shards.
func busyFloor(w *world) {
	for _, p := range w.pools {
		busy := 0
		for _, r := range p.groups() {
			if r.busy && !r.drains {
				busy++
			}
		}
		if busy > p.replicas.to {
			p.replicas.change("busy", busy, fmt.Sprintf("%s hold shards and stay until those are done", replicas(busy)))
		}
	}
}

// poolBounds keeps the pool between its Min and Max; they win over everything before.
func poolBounds(w *world) {
	for _, p := range w.pools {
		switch least, most := p.policy.Min, p.policy.Max; {
		case p.replicas.to > most:
			p.replicas.change("max", most, fmt.Sprintf("the pool has at most %s", replicas(most)))
		case p.replicas.to < least:
			p.replicas.change("min", least, fmt.Sprintf("the pool has at least %s", replicas(least)))
		}
	}
}

// hold leaves a pool alone whose size is not known: it must not shrink on a guess, and growing starts from a known size too.
func hold(w *world) {
	for _, p := range w.pools {
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

// scaleDownDelay lets a pool shrink only when fewer were enough all through the delay, and then to the most that was wanted in that time.
// What the pool's Max takes away is not delayed.
func scaleDownDelay(w *world) {
	for _, p := range w.pools {
		if p.doubt != "" {
			continue
		}
		memory, wanted, present := &p.memory, p.replicas.to, min(p.replicas.from, p.policy.Max)
		if wanted >= present {
			memory.LowSince, memory.LowPeak = time.Time{}, 0
			if wanted > p.replicas.from {
				memory.Grown = w.now
			}
			continue
		}
		if memory.LowSince.IsZero() || memory.LowSince.After(w.now) {
			memory.LowSince, memory.LowPeak = w.now, wanted
		}
		memory.LowPeak = min(max(memory.LowPeak, wanted), present)
		until := memory.LowSince.Add(p.policy.ScaleDownDelay)
		if w.now.Before(until) {
			p.replicas.change("delay", present, fmt.Sprintf("fewer are enough since %s; the pool shrinks when that lasts until %s",
				clock(memory.LowSince), clock(until)))
			continue
		}
		if memory.LowPeak > wanted {
			p.replicas.change("delay", memory.LowPeak, fmt.Sprintf("the most that was wanted since %s", clock(memory.LowSince)))
		}
		memory.LowSince, memory.LowPeak = time.Time{}, 0
		if p.replicas.to > wanted {
			memory.LowSince, memory.LowPeak = w.now, wanted
		}
	}
}
