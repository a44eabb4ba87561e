package orchestrator

// PoolStatus is what is shown of a pool.
type PoolStatus struct {
	Name string `json:"name"`
	// RayCluster is the namespace and name of the one whose worker group the pool is, and Group that group.
	RayCluster string `json:"rayCluster,omitempty"`
	Group      string `json:"group,omitempty"`
	Observe    bool   `json:"observe,omitempty"` // nothing of what is planned is carried out
	Replicas   int    `json:"replicas"`          // asked for, as last observed
	Planned    int    `json:"planned"`
	Why        string `json:"why,omitempty"` // the last step that changed the number, or the last of all
	// Workers that have been heard of; of them Warm hold a model and do not drain.
	Workers  int          `json:"workers"`
	Warm     int          `json:"warm"`
	Draining int          `json:"draining"`
	Models   []ModelCount `json:"models,omitempty"` // that warm workers hold, most first
}

// ModelCount is how many workers hold a model.
type ModelCount struct {
	Model   string `json:"model"`
	Workers int    `json:"workers"`
}
