// Package dispatch is loop B: jobs in, shards out, commits read, manifests written. It is the one writer of job records and journals.
//
// A Dispatcher holds every job that has a record; each job that is open has one runner, a goroutine that owns the job's shard.Machine,
// feeds it what has become durable, and performs its effects. Numbers in comments (C2, R1, ...) are those of docs/protocol.md.
//
// Data comes from submits (service), from the planner's decisions (control), from the journal and the commits (state); it goes to the job records,
// the shard stream, and the error file and manifest under the job's output. Rows never come here; what a scorer said of a failed row does, when
// error objects are joined. It imports orchestrator, api, shard, planner, state, object and format.
package dispatch
