// Package orchestrator is the vocabulary of nightshift: the words that documents, messages, decisions and people share. It has
// types and small pure methods only, and imports nothing but the standard library.
//
// # Rooms
//
//	planner, shard, document        pure: values in, values out; no clock, no environment, no log
//	schedules (at the top)          pure: when occurrences of a schedule are, and what becomes of each
//	arrivals                        pure: when the rows of a backlog came, from readings of it
//	forecast                        pure, too: what is to be expected of a recurring load
//	record                          the form in which decisions are kept
//	simulate, replay                worlds around the planner: of scenario files, and of what was recorded
//	state                           the JetStream layout: every subject, stream and bucket, with their guards
//	object, format                  URIs, and rows inside of objects
//	scorer                          the child process that holds a model
//	worker                          pulls a shard, scores it, commits it
//	dispatch                        loop B: jobs in, shards out, commits read, manifests written
//	calendar                        runs schedules: their occurrences become jobs, each once
//	control                         loop A: observe, planner.Compute, apply, record
//	local                           the engine that runs workers as processes of this machine
//	trace                           traces of spot capacity, which local pools replay and benchmarks decide in
//	service                         what people talk to: the NATS micro service
//
// control, dispatch and worker import this package, the pure ones, state, object, format and scorer, never an engine or a backlog
// adapter; those are handed in by cmd/nightshift through interfaces that stand at their consumer. depguard checks it.
//
// # A job's way
//
// A submit is validated, priced and stored (Job, JournalEntry). The planner opens the job; dispatch cuts its objects into ranges (Cut), and
// publishes them as messages (Shard). A worker whose Assignment names the job pulls one, scores the range, writes objects under
// names of its own, and stores one Commit: the first one decides. dispatch reads commits only, counts, and at the end writes the
// manifest. docs/protocol.md numbers every point where something may die on this way.
package orchestrator
