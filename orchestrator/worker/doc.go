// Package worker is the shard runner: it pulls shards that its assignment names, scores their rows through a scorer process, writes
// objects under names of its own, and stores one commit per shard. It is the same on one machine, in a Ray actor and in a workflow pod.
//
// The steps of an attempt, and what happens when it dies between any two of them, are numbered in docs/protocol.md; comments here carry
// those numbers.
//
// Data comes from JetStream (assignments, shards) and from object stores (rows), goes through a scorer, and goes to object stores
// (parts, error objects) and JetStream (attempts, commits, presence, logs). It imports orchestrator, state, object, format and scorer.
package worker
