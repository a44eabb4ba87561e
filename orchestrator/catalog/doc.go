// Package catalog holds the documents of an installation as files say them, resolved for use: paths made absolute, artifacts hashed,
// the interpreter of the Python scorer host found.
//
// It imports orchestrator, document and dispatch's types; data comes from files, and goes to dispatch (queues, model snapshots, prices) and to
// the planner (policy, speeds from profiles).
package catalog
