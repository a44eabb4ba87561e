// Package control is loop A: observe, compute, apply, record.
//
// It observes jobs (through Jobs), pools (through Engine) and workers (their presence in JetStream), calls planner.Compute, which alone chooses
// numbers, and applies the plan: jobs are opened and told how to be cut, assignments are written, pools are resized; what has not changed is not
// written. The plan and the planner's memory are stored, so that a restart changes nothing.
//
// It imports orchestrator, planner and state; engines and the dispatcher are handed in.
package control
