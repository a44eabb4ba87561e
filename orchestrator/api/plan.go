package api

import (
	"fmt"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// PlanRequest asks what would be decided on what is observed now if the documents, or the deadlines of jobs, were others. Nothing is applied or stored.
type PlanRequest struct {
	// Documents are taken in the place of those of the same kind and name; the others stay.
	Documents []PlanDocument `json:"documents,omitempty" jsonschema:"maxItems=1000"`
	// Changes are changes of single fields: price.POOL=2x, price.POOL=1.20, or KIND/NAME.FIELD=VALUE such as pool/spot.replicas.max=4.
	Changes []string `json:"changes,omitempty" jsonschema:"maxItems=100"`
	// FinishBy is taken as the deadline of the tenant's jobs that have not ended.
	FinishBy time.Time `json:"finishBy,omitzero"`
	// Queue narrows FinishBy, and the jobs in the answer, to one queue.
	Queue string `json:"queue,omitempty"`
}

// PlanDocument is a file of documents.
type PlanDocument struct {
	// Name is what problems call the file.
	Name string `json:"name"`
	// Text is YAML.
	Text string `json:"text"`
}

// The bounds of a PlanRequest.
const (
	maxPlanDocuments = 1000
	maxPlanChanges   = 100
)

// Validate returns what is wrong with the request, except with documents and changes: the service knows what they change.
func (r PlanRequest) Validate() []Problem {
	var problems []Problem
	if len(r.Documents) > maxPlanDocuments {
		problems = append(problems, Problem{"documents", fmt.Sprintf("%d entries; allowed: at most %d", len(r.Documents), maxPlanDocuments)})
	}
	if len(r.Changes) > maxPlanChanges {
		problems = append(problems, Problem{"changes", fmt.Sprintf("%d entries; allowed: at most %d", len(r.Changes), maxPlanChanges)})
	}
	for i, document := range r.Documents {
		if strings.TrimSpace(document.Name) == "" {
			problems = append(problems, Problem{fmt.Sprintf("documents[%d].name", i), "is missing"})
		}
	}
	return problems
}

// Changed says whether the request changes anything.
func (r PlanRequest) Changed() bool {
	return len(r.Documents)+len(r.Changes) > 0 || !r.FinishBy.IsZero()
}

// PlanResponse is what differs. Without a change in the request, it is what the present decision changes.
type PlanResponse struct {
	At        time.Time `json:"at"`
	Different bool      `json:"different"`
	// Pools are all pools.
	Pools []PoolDifference `json:"pools"`
	// Jobs are those of the tenant of which something differs, the most urgent first, at most 100.
	Jobs []JobDifference `json:"jobs"`
	// More is how many jobs differ beyond those.
	More int `json:"more,omitempty"`
	// Now and Then sum up all of the tenant's jobs that have not ended.
	Now  PlanTotal `json:"now"`
	Then PlanTotal `json:"then"`
}

// PoolDifference is the size of a pool: asked for at present, decided under the present documents, and under the changed ones.
type PoolDifference struct {
	Name    string                `json:"name"`
	From    int                   `json:"from"`
	Now     int                   `json:"now"`
	Then    int                   `json:"then"`
	Differs bool                  `json:"differs"`
	Reasons []orchestrator.Reason `json:"reasons"` // of Then
}

// JobDifference is what is expected of a job under the present documents and under the changed ones.
type JobDifference struct {
	Now          orchestrator.JobPlan `json:"now"`
	Then         orchestrator.JobPlan `json:"then"`
	NowDeadline  time.Time            `json:"nowDeadline,omitzero"`
	ThenDeadline time.Time            `json:"thenDeadline,omitzero"`
}

// PlanTotal is what is expected of jobs together.
type PlanTotal struct {
	Late int                `json:"late"` // jobs expected to end after their deadline
	Cost orchestrator.Money `json:"cost"` // of what is left
}
