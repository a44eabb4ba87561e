package document

import (
	"cmp"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// StaleAfter is the age from which a reading no longer counts. Engines of this machine answer within milliseconds; a minute without an
// answer is a fault.
const StaleAfter = time.Minute

// Policy is what the documents say, in the planner's terms.
func (s Set) Policy() orchestrator.Policy {
	policy := orchestrator.Policy{StaleAfter: StaleAfter}
	for _, pool := range s.Pools {
		notice := pool.Spec.Notice
		if pool.Spec.CapacityType != orchestrator.CapacitySpot {
			notice = 0 // nobody takes it away
		}
		policy.Pools = append(policy.Pools, orchestrator.PoolPolicy{
			Name:            pool.Name,
			CapacityType:    pool.Spec.CapacityType,
			Price:           pool.Spec.Price,
			Windows:         pool.Spec.windows(),
			Min:             pool.Spec.Replicas.Min,
			Max:             pool.Spec.Replicas.Max,
			SlotsPerReplica: pool.Spec.SlotsPerReplica,
			ScaleDownDelay:  pool.Spec.ScaleDownDelay,
			Notice:          notice,
			StartSeconds:    pool.Spec.StartTime.Seconds(),
			TimeScale:       pool.Spec.timeScale(),
			Observe:         pool.Spec.Mode == ModeObserve,

			MemoryPerReplica: pool.Spec.MemoryPerReplica,
		})
	}
	for _, queue := range s.Queues {
		policy.Queues = append(policy.Queues, orchestrator.QueuePolicy{
			Name:         queue.Name,
			Tenant:       queue.Spec.Tenant,
			Pools:        slices.Clone(queue.Spec.Pools),
			MaxOpenJobs:  queue.Spec.Limits.MaxOpenJobs,
			MaxWorkers:   queue.Spec.Limits.MaxWorkers,
			Weight:       1,
			FinishWithin: queue.Spec.Objective.FinishWithin,
			Daily:        queue.Spec.Objective.Daily(),
			Cheapest:     queue.Spec.Objective.Cheapest,
			External:     queue.Spec.External(),
		})
	}
	for _, model := range s.Models {
		one := orchestrator.ModelPolicy{Name: model.Name, MemoryLimit: model.Spec.MemoryLimit}
		if model.Spec.Profile != nil {
			one.Memory = model.Spec.Profile.Memory
		}
		policy.Models = append(policy.Models, one)
	}
	return policy
}

// Speeds is what the profiles say, for each model in each pool that may score with it, sorted by model and pool.
func (s Set) Speeds() []orchestrator.Speed {
	var speeds []orchestrator.Speed
	for _, queue := range s.Queues {
		model, found := s.Model(queue.Spec.Model)
		if !found || model.Spec.Profile == nil {
			continue
		}
		for _, pool := range queue.Spec.Pools {
			speeds = append(speeds, orchestrator.Speed{
				Model:         model.Name,
				Pool:          pool,
				RowsPerSecond: model.Spec.Profile.speed(model.Spec.BatchRows),
				LoadSeconds:   model.Spec.Profile.Load.Seconds(),
				Basis:         "profile",
			})
		}
	}
	slices.SortFunc(speeds, func(a, b orchestrator.Speed) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Pool, b.Pool))
	})
	return slices.Compact(speeds)
}

// speed is the measured rows per second of the largest batch that is not larger than the one in use, or else of the smallest.
func (p *Profile) speed(batchRows int) float64 {
	var best BatchSpeed
	for _, batch := range p.Batches {
		fits, bestFits := batch.Rows <= batchRows, best.Rows <= batchRows
		if best.Rows == 0 || fits && (!bestFits || batch.Rows > best.Rows) || !fits && !bestFits && batch.Rows < best.Rows {
			best = batch
		}
	}
	return best.RowsPerSecond
}
