package orchestrator

// StartPhase is how long one phase of the last starts took: from the request of a replica to a worker with a model.
type StartPhase struct {
	Phase  string  `json:"phase"`
	Starts int     `json:"starts"` // that it was seen in
	Median float64 `json:"median"` // seconds
	P95    float64 `json:"p95"`    // seconds
}
