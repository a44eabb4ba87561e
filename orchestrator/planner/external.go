package planner

import (
	"fmt"

	"nightshift.dev/nightshift/orchestrator"
)

// External queues are worked off by the user's own consumers, whose pools are only sized: docs/external.md has the cases.

// keepConsumers keeps the replicas of a pool of consumers that may not go: nobody knows that what they do would not be lost.
func (p *pool) keepConsumers() {
	if !p.external || p.policy.Observe { // were it ours, workers of ours would run there, which hand back what they hold
		return
	}
	empty, why := p.provenEmpty()
	busy, silent := 0, 0
	for i := range p.groups {
		g := &p.groups[i]
		if g.drains {
			continue
		}
		switch holds, unsaid := g.consumers(); {
		case holds:
			g.stays = true
			busy++
		case unsaid && !empty:
			g.stays = true
			silent++
		}
	}
	if least := min(busy+silent, p.replicas.from, p.policy.Max); least > p.replicas.to {
		p.replicas.change("consumers", least, consumersStay(busy, silent, why))
	}
}

func consumersStay(busy, silent int, why string) string {
	switch {
	case silent == 0:
		return fmt.Sprintf("consumers of %s are busy and declare no grace", counted(busy, "replica"))
	case busy == 0:
		return fmt.Sprintf("consumers of %s do not say whether they are busy, and %s", counted(silent, "replica"), why)
	}
	return fmt.Sprintf("consumers of %s are busy and declare no grace, of %s do not say whether they are, and %s", counted(busy, "replica"), counted(silent, "replica"), why)
}

// consumers says whether one of the replica's holds work that it was not given time for, and whether one has not said.
func (g *group) consumers() (holds, unsaid bool) {
	for _, one := range g.workers {
		switch {
		case one.busy():
			holds = holds || !one.mayFinish()
		case one.view.State != orchestrator.WorkerIdle && one.view.State != orchestrator.WorkerFailed:
			unsaid = true
		}
	}
	return holds, unsaid
}

// mayFinish says that the worker is a consumer that has declared how long it needs to finish what it holds: it is given that long.
func (w *worker) mayFinish() bool { return w.view.Grace > 0 }

// provenEmpty says that nothing is pending or in flight in any queue of the pool, by readings that count; else why not.
func (p *pool) provenEmpty() (empty bool, why string) {
	for _, q := range p.consumed {
		switch b := q.backlog; {
		case b == nil:
			return false, fmt.Sprintf("the backlog of queue %s has never been read", q.policy.Name)
		case b.doubt != "":
			return false, fmt.Sprintf("the backlog of queue %s is not known: %s", q.policy.Name, b.doubt)
		case len(b.view.Waiting) > 0 || b.view.Held > 0:
			return false, fmt.Sprintf("queue %s is not empty", q.policy.Name)
		case b.heldUnknown:
			return false, fmt.Sprintf("how much of queue %s is in flight is not known", q.policy.Name)
		}
	}
	return true, ""
}

// usefulOf is how many workers at once find something to do in the backlogs of external queues.
func usefulOf(queues []*queue) int {
	most := 0
	for _, q := range queues {
		if !q.policy.External || q.backlog.doubt != "" || q.backlog.view.MostWorkers <= 0 {
			return endless
		}
		most = min(most+q.backlog.view.MostWorkers, endless)
	}
	return most
}
