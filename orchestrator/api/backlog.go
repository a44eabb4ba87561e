package api

import "nightshift.dev/nightshift/orchestrator"

// BacklogsRequest asks what was last read of the sources of queues.
type BacklogsRequest struct {
	// Queue is the one to show; empty for all of the tenant that drain a source.
	Queue string `json:"queue,omitempty"`
}

// Validate returns what is wrong with the request: nothing, whatever the name; an unknown one is not found.
func (r BacklogsRequest) Validate() []Problem { return nil }

// BacklogsResponse is the newest reading of each source. A count of -1 is unknown.
type BacklogsResponse struct {
	Backlogs []orchestrator.BacklogStatus `json:"backlogs"`
}
