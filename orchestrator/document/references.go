package document

import (
	"strings"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// references checks what lies between documents: names that stand twice, references, and currencies.
func (d *decoder) references() {
	first := map[string]map[string]*source{} // kind -> name -> where
	for _, document := range d.declared {
		if document.name == "" {
			continue // reported already
		}
		names := first[document.kind]
		if names == nil {
			names = map[string]*source{}
			first[document.kind] = names
		}
		if earlier, twice := names[document.name]; twice && document.kind != "" {
			document.source.problem("metadata.name", "there is another %s %s in %s:%d; allowed: each name once",
				document.kind, quoted(document.name), earlier.name, earlier.line)
			continue
		}
		names[document.name] = document.source
	}
	if d.unparsed {
		return // what is missing may stand in what was not read
	}
	d.semaphores()
	for _, queue := range d.queues {
		d.reference(queue.source, "spec.model", "Model", queue.Spec.Model, first)
		for index, pool := range queue.Spec.Pools {
			d.reference(queue.source, indexed("spec.pools", index), "Pool", pool, first)
		}
		d.currencies(queue)
		d.spotOnly(queue)
		d.modes(queue)
		d.consumers(queue)
	}
	for _, schedule := range d.schedules {
		d.scheduled(schedule, first)
	}
}

// reference checks that a document is declared. Documents whose kind is not known may be the one that is meant.
func (d *decoder) reference(source *source, field, kind, name string, declared map[string]map[string]*source) {
	if name == "" || declared[kind][name] != nil || declared[""][name] != nil {
		return
	}
	var names []string
	for _, document := range d.declared {
		if document.kind == kind && document.name != "" {
			names = append(names, document.name)
		}
	}
	if len(names) == 0 {
		source.problem(field, "there is no %s %s, nor any other", kind, quoted(name))
		return
	}
	if meant := notation.Closest(name, names); meant != "" {
		source.problem(field, "there is no %s %s; did you mean %s?", kind, quoted(name), meant)
		return
	}
	const most = 10
	list := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		list += ", ..."
	}
	source.problem(field, "there is no %s %s; allowed: %s", kind, quoted(name), list)
}

// spotOnly checks that a queue that only wants to be cheap lists nothing dearer.
func (d *decoder) spotOnly(queue decodedQueue) {
	if !queue.Spec.Objective.Cheapest {
		return
	}
	for index, name := range queue.Spec.Pools {
		for _, pool := range d.pools {
			if pool.Name == name && pool.Spec.CapacityType != orchestrator.CapacitySpot {
				queue.source.problem(indexed("spec.pools", index), "Pool %s is on-demand, and the objective is cheapest; allowed: pools with capacityType: spot", quoted(name))
			}
		}
	}
}

// currencies checks that a queue's costs can be summed and compared.
func (d *decoder) currencies(queue decodedQueue) {
	var known orchestrator.Money
	var from string
	for index, name := range queue.Spec.Pools {
		for _, pool := range d.pools {
			price := pool.Spec.Price
			switch {
			case pool.Name != name || price.Currency == "":
			case known.Currency == "":
				known, from = price, name
			case price.Currency != known.Currency:
				queue.source.problem(indexed("spec.pools", index), "Pool %s is priced in %s and Pool %s in %s; allowed: one currency for all pools of a queue",
					quoted(name), price.Currency, quoted(from), known.Currency)
			}
		}
	}
	limit := queue.Spec.Limits.ConfirmAbove
	if limit != nil && limit.Currency != "" && known.Currency != "" && limit.Currency != known.Currency {
		queue.source.problem("spec.limits.confirmAbove.currency", "%s, but Pool %s is priced in %s; allowed: the currency of the pools",
			quoted(limit.Currency), quoted(from), known.Currency)
	}
}
