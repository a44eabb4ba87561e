package orchestrator

import "time"

// Ledger is what an engine has been billed for a pool, and what the provider has done to it, since the pool's first start.
type Ledger struct {
	Since   time.Time `json:"since"`
	Seconds float64   `json:"seconds"` // of replicas, each from its start to its end
	Taken   int       `json:"taken"`   // workers whose replica the provider has taken away
	Killed  int       `json:"killed"`  // of them, those that did not end within the notice
	Refused int       `json:"refused"` // requests of replicas that the provider did not grant at once
}
