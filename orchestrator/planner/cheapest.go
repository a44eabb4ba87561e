package planner

import (
	"fmt"
	"slices"
)

// waitForSpot keeps queues that only want to be cheap to the spot capacity that others leave, the more urgent ones first: where there is none they wait, for ever if need be.
func waitForSpot(w *world) {
	for _, p := range w.pools {
		for _, q := range slices.Backward(p.queues) {
			if over := p.wanted - p.granted(); q.policy.Cheapest && p.view.Available != nil && over > 0 && q.wanted > 0 {
				p.wanted -= min(over, q.wanted)
				q.wanted -= min(over, q.wanted)
				why := fmt.Sprintf("queue %s waits for spot capacity: there is some for %s", q.policy.Name, counted(p.granted(), "worker"))
				if others := p.wanted - q.wanted; others > 0 {
					why += fmt.Sprintf(", and other queues want %d", others)
				}
				p.replicas.change("cheapest", p.inReplicas(p.wanted), why)
			}
		}
	}
}
