// Package poolslots is what an engine knows of its pool's slots, and what stands in the store: read once, written with the guard of its revision, and read anew
// after a write that failed. Package raycluster and package workflows use it. It imports orchestrator alone.
package poolslots
