package service

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// consumedPools are those of the tenant's queues that consumers of the user's own work off; with a name, that pool, or those of that queue.
func (s *Service) consumedPools(tenant, name string) (pools []string) {
	for _, queue := range s.config.Documents.Queues {
		if queue.Spec.Tenant != tenant || !queue.Spec.External() {
			continue
		}
		for _, pool := range queue.Spec.Pools {
			if (name == "" || name == queue.Name || name == pool) && !slices.Contains(pools, pool) {
				pools = append(pools, pool)
			}
		}
	}
	return pools
}

// consumers are those that run in the pools, by pool and slot.
func (s *Service) consumers(ctx context.Context, pools []string) (list []orchestrator.ConsumerView) {
	if len(pools) == 0 {
		return nil
	}
	for _, one := range s.config.Observe(ctx).Workers {
		if !slices.Contains(pools, one.Pool) {
			continue
		}
		view := orchestrator.ConsumerView{ID: one.ID, Pool: one.Pool, Slot: one.Slot, State: one.State, Since: one.Since, Leaves: one.Draining}
		switch {
		case one.State == orchestrator.WorkerUnknown:
			view.Since = one.Asked
		case one.State == orchestrator.WorkerBusy && one.Grace > 0:
			view.Grace = one.Grace.String()
		}
		list = append(list, view)
	}
	slices.SortFunc(list, func(a, b orchestrator.ConsumerView) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// explainConsumers are a line for each.
func explainConsumers(list []orchestrator.ConsumerView) (text string) {
	for _, one := range list[:min(len(list), mostExplained)] {
		text += fmt.Sprintf("consumer %s: pool %s, slot %d, %s", one.ID, one.Pool, one.Slot, one.State)
		if one.Grace != "" {
			text += " with a grace of " + one.Grace
		}
		switch at := one.Since.UTC().Format(time.DateTime + "Z"); {
		case one.Since.IsZero():
		case one.State == orchestrator.WorkerUnknown:
			text += ", runs since " + at
		default:
			text += " since " + at
		}
		if one.Leaves {
			text += ", was told to end"
		}
		text += "\n"
	}
	if more := len(list) - mostExplained; more > 0 {
		text += fmt.Sprintf("and %d more consumers\n", more)
	}
	return text
}
