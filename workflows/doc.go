// Package workflows is the engine of pools whose workers run in small Workflows of Argo, the runners: it makes them and lets them end, and keeps the semaphore above them.
//
// Pure files: runner.go (names, and what a runner is made from), view.go (what Workflows say), semaphore.go (what its key says, and what is written), slots.go (which
// runner has which slot, which are made and which leave). client.go talks to the API server; engine.go is what the control loop calls. The rules are docs/argo.md, whose
// numbers the tests carry.
//
// Data come from watches of Workflows and one ConfigMap, and from the last words of workers; they go out as Workflows, JSON Patches and Events of the ConfigMap, and as
// the pool's slots. The package may import the vocabulary, Argo's types and client-go.
package workflows
