package api

import "nightshift.dev/nightshift/orchestrator"

// PoolsRequest asks how pools stand.
type PoolsRequest struct{}

// Validate returns nothing.
func (r PoolsRequest) Validate() []Problem { return nil }

// PoolsResponse is how each pool stands, by name.
type PoolsResponse struct {
	Pools []orchestrator.PoolStatus `json:"pools"`
}
