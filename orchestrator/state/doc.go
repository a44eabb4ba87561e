// Package state is the JetStream layout of nightshift: every subject, stream and bucket, and the guard on every write. There is no
// other database.
//
//	stream  NIGHTSHIFT_SHARDS    work queue  nightshift.shards.TENANT.QUEUE.JOB            pointers to ranges; one durable pull consumer per open job
//	stream  NIGHTSHIFT_JOURNAL   limits      nightshift.journal.TENANT.QUEUE.JOB           objects and cuts; guard: last sequence of the subject
//	stream  NIGHTSHIFT_COMMITS   limits      nightshift.commits.TENANT.QUEUE.JOB.EPOCH.N   one per shard and epoch; guard: no message on the subject
//	stream  NIGHTSHIFT_ATTEMPTS  limits      nightshift.attempts.TENANT.QUEUE.JOB.EPOCH.N  starts and ends; guard: last sequence of the subject
//	stream  NIGHTSHIFT_EVENTS    limits      nightshift.v1.TENANT.events.>                 CloudEvents for users, bounded by age and bytes
//	stream  NIGHTSHIFT_LOGS      limits      nightshift.logs.TENANT.QUEUE.JOB              scorers' stderr, bounded per job
//	stream  NIGHTSHIFT_RECORDS   limits      nightshift.records                            batches of decisions, bounded by age and bytes; package record
//	bucket  nightshift_jobs          TENANT.QUEUE.JOB   Job; guard: revision
//	bucket  nightshift_models        DIGEST             ModelSnapshot
//	bucket  nightshift_workers       WORKER             Presence, with a time to live
//	bucket  nightshift_assignments   WORKER             Assignment; guard: revision
//	bucket  nightshift_plans         pool, queue names  the last plan, the planner's memory, and what arrived at each queue
//	bucket  nightshift_consumers     WORKER             ConsumerWord, with a time to live; written by programs of users
//	bucket  nightshift_schedules     SCHEDULE           what was decided of its occurrences; guard: revision
//
// A full stream refuses new messages (Discard: new); nothing is dropped. Streams whose answers decide something are read from their
// leader (no direct gets).
//
// It imports orchestrator and nats.go, and is used by dispatch, worker, control, service and cmd.
package state
