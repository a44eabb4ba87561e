package document

import "slices"

// Withheld stands in a bare set for what decisions do not depend on and a document must have.
const Withheld = "withheld"

// Bare is the set as far as decisions depend on it: no scorer with its variables and parameters, no command of a pool, no artifact, and no place of input or output with the
// parameters of its connection. It holds no secret, and its Policy and Speeds are the same.
func (s Set) Bare() Set {
	bare := Set{Pools: slices.Clone(s.Pools)}
	for i, pool := range bare.Pools {
		if pool.Spec.Local != nil {
			bare.Pools[i].Spec.Local = &LocalConsumer{Command: []string{Withheld}, MaxGrace: pool.Spec.Local.MaxGrace}
		}
	}
	for _, model := range s.Models {
		spec := defaultModel()
		spec.Scorer.Command = []string{Withheld}
		spec.BatchRows, spec.Profile, spec.MemoryLimit = model.Spec.BatchRows, model.Spec.Profile, model.Spec.MemoryLimit
		bare.Models = append(bare.Models, Model{Metadata: model.Metadata, Spec: spec})
	}
	for _, queue := range s.Queues {
		spec := queue.Spec
		if spec.Source == SourceJobs {
			spec.Input = Input{Roots: []string{Withheld}, MaxObjects: spec.Input.MaxObjects, MaxUpload: spec.Input.MaxUpload}
		}
		spec.Output.Root, spec.Drain.Key = Withheld, ""
		bare.Queues = append(bare.Queues, Queue{Metadata: queue.Metadata, Spec: spec})
	}
	for _, schedule := range s.Schedules {
		spec := schedule.Spec
		spec.Submit = nil
		bare.Schedules = append(bare.Schedules, Schedule{Metadata: schedule.Metadata, Spec: spec})
	}
	return bare
}
