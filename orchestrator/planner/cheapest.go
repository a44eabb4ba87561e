package planner

import "fmt"

// waitForSpot keeps queues that only want to be cheap to the spot capacity that is to be had: where there is none they wait, for ever if need be.
func waitForSpot(w *world) {
	for _, p := range w.pools {
		for _, q := range p.queues {
			if most := p.granted(); q.policy.Cheapest && p.view.Available != nil && q.wanted > most {
				p.wanted -= q.wanted - most
				q.wanted = most
				p.replicas.change("cheapest", p.inReplicas(p.wanted), fmt.Sprintf("queue %s waits for spot capacity: there is some for %s", q.policy.Name, counted(most, "worker")))
			}
		}
	}
}
