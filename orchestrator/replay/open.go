package replay

import (
	"time"

	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/record"
)

// Open compares what this version decides on recorded observations with what was decided on them.
type Open struct {
	Compared  int         `json:"compared"`
	Different int         `json:"different"`
	Skipped   int         `json:"skipped"` // they need what is not recorded: tables, or jobs that were put together
	First     *Difference `json:"first,omitempty"`
}

// Difference is one pool of which another size is decided.
type Difference struct {
	At       time.Time `json:"at"`
	Pool     string    `json:"pool"`
	Recorded int       `json:"recorded"`
	Now      int       `json:"now"`
	Sentence string    `json:"sentence"` // why it is now that many
}

func (o *Open) add(documents document.Set, decision record.Decision) {
	for _, job := range decision.Observation.Jobs {
		if job.Also > 0 {
			o.Skipped++
			return
		}
	}
	plan := planner.Compute(decision.Observation, documents.Policy(), decision.At)
	if len(plan.Tables) > 0 {
		o.Skipped++
		return
	}
	o.Compared++
	recorded := map[string]int{}
	for _, pool := range decision.Pools {
		recorded[pool.Name] = pool.Replicas
	}
	for _, pool := range plan.Pools {
		was, known := recorded[pool.Name]
		if !known || was == pool.Replicas {
			continue
		}
		o.Different++
		if o.First == nil {
			o.First = &Difference{At: decision.At, Pool: pool.Name, Recorded: was, Now: pool.Replicas}
			if last := len(pool.Reasons) - 1; last >= 0 {
				o.First.Sentence = pool.Reasons[last].Sentence
			}
		}
		return
	}
}
