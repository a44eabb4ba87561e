package planner

import (
	"fmt"
	"slices"

	"nightshift.dev/nightshift/orchestrator"
)

// dearer is how much more a row may cost on the pool that is preferred: differences below are noise of measured speeds, and moving costs starts and loads.
const dearer = 0.1

// prefer puts for each queue the pool that is cheapest for a row of its model before others of its capacity type, where the speeds and prices of both are known.
// Else, and where they hardly differ, the order of the document counts. The pool that runs stays while another is not clearly cheaper. One where workers do not
// become of use comes last. A model of which nobody knows how fast it is is measured on demand where there is a deadline and no spot capacity.
func (w *world) prefer(speeds speeds, jobs []orchestrator.JobView, queues map[queueName]*queue) {
	models, due := map[*queue]string{}, map[*queue]bool{}
	for _, view := range jobs {
		q := queues[queueName{view.Tenant, view.Queue}]
		if q == nil || len(q.pools) < 2 || view.State.Final() {
			continue
		}
		if model, has := models[q]; !has || view.Model.Name < model { // as a rule a queue has one
			models[q] = view.Model.Name
		}
		due[q] = due[q] || !view.Deadline.IsZero()
	}
	for _, q := range w.queues {
		model, has := models[q]
		if !has {
			continue
		}
		for _, p := range q.pools {
			q.rowPrices = append(q.rowPrices, p.rowPrice(speeds.of(model, p.policy.Name)))
		}
		preferred := q.cheapest(q.pool.policy.CapacityType)
		if onDemand := q.cheapest(orchestrator.CapacityOnDemand); due[q] && preferred.provided(1) == 0 && onDemand != nil && !speeds.of(model, onDemand.policy.Name).known() {
			preferred, q.measures = onDemand, model
		}
		if preferred != q.pool {
			q.pool.queues = slices.DeleteFunc(q.pool.queues, func(other *queue) bool { return other == q })
			preferred.queues = append(preferred.queues, q)
		}
		q.pool, q.spot, q.onDemand = preferred, q.cheapest(orchestrator.CapacitySpot), q.cheapest(orchestrator.CapacityOnDemand)
	}
}

// rowPrice is what a million rows cost on the pool; 0: unknown.
func (p *pool) rowPrice(s speed) float64 {
	if !s.known() {
		return 0
	}
	return float64(max(p.policy.Price.Micros, 0)) / 3600 / float64(p.slots()) / s.rows
}

// cheapest is the pool of the type that the queue uses; nil: it lists none.
func (q *queue) cheapest(kind orchestrator.CapacityType) (best *pool) {
	least := 0.0
	for i, p := range q.pools {
		if p.policy.CapacityType != kind {
			continue
		}
		price := q.rowPrices[i]
		if p.view.Replicas > 0 {
			price *= 1 - dearer
		}
		cheaper := price > 0 && price < (1-dearer)*least && p.policy.Price.Currency == q.pools[0].policy.Price.Currency
		if best == nil || best.hopeless() && !p.hopeless() || cheaper && p.hopeless() == best.hopeless() {
			best, least = p, price
		}
	}
	return best
}

// hopeless says that none of what was asked for became of use.
func (p *pool) hopeless() bool { return p.memory.Trial.Failed && p.memory.Trial.Useful <= 0 }

// sayPreference says of each queue that does not use the first of its pools why.
func sayPreference(w *world) {
	for _, q := range w.queues {
		if len(q.rowPrices) == 0 {
			continue
		}
		for _, p := range q.uses() {
			first := slices.IndexFunc(q.pools, func(other *pool) bool { return other.policy.CapacityType == p.policy.CapacityType })
			switch {
			case q.measures != "" && q.pools[0] != p:
				p.replicas.note("measure", fmt.Sprintf("queue %s uses it and not pool %s, whose provider has nothing: nobody knows how fast model %s is, and there is a deadline", q.policy.Name, q.pools[0].policy.Name, q.measures))
			case q.pools[first] == p:
			case q.pools[first].hopeless() && !p.hopeless():
				p.replicas.note("price", fmt.Sprintf("queue %s uses it and not pool %s, where no worker becomes of use", q.policy.Name, q.pools[first].policy.Name))
			default:
				p.replicas.note("price", fmt.Sprintf("queue %s uses it and not pool %s: a million rows cost %.3g %s instead of %.3g",
					q.policy.Name, q.pools[first].policy.Name, q.rowPrices[slices.Index(q.pools, p)], p.policy.Price.Currency, q.rowPrices[first]))
			}
		}
	}
}
