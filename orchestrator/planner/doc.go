// Package planner chooses: how many replicas each pool shall have, which jobs are open, what every worker does, how the rest of each job is
// cut, and when to ask again. Compute is the only place of nightshift where a number of workers is chosen.
//
// It is pure and total: one Observation, one Policy and one time in, one Plan out; no error, no clock, no log. Equal inputs give equal
// plans, in whatever order their lists come. It imports the standard library, package orchestrator, package shard (for
// the size of a shard) and package capacity (for spot against on-demand). control calls it for `run` and `plan`, simulate for `simulate` and
// `replay`; they differ only in who observes and who applies.
//
// # How to read it
//
// It is one package, though a large one, because every step reads and changes the same world, and none of them means anything without the list.
// compute.go holds the list of steps, in order. Each step is one short file. A step changes the size of a pool or the workers of a job only through
// a draft, which records where the number came from, so that the chain of reasons always leads from the old number to the new one.
//
//	world.go   the observation, put in order: pools, queues, jobs by urgency, workers by slot
//	backlog.go work that arrives item by item; starts.go how long workers take to start
//	supply.go  who could work for a queue, and when
//	speed.go   which speed counts; learn.go how speeds are learned from commits
//	draft.go   a number and its reasons
//
// # Codes
//
// Of a pool's replicas: price, demand, level, useful, split, queue_max, cheapest, busy, max, min, step, fruitless, no_gain, consumers, hold, delay; and, changing nothing: infeasible. Of a job's workers: waiting, no_queue, no_pool, share; and, changing
// nothing: late, cut. Of the workers that serve a queue's backlog: begin, leave, serve, wait, empty, hold; and, changing nothing: late. Codes are for machines and stay; sentences are for people and may change.
//
// # Rules that hold whatever the step
//
// Unknown is not zero: a pool whose reading is missing, failed or stale keeps its size. A worker that holds a shard is not planned
// away because demand falls, unless a split over spot and on-demand capacity decides. Only a bound that a person wrote makes a pool smaller at once; anything
// else waits for the pool's scale-down delay, except a growth that turns out to have brought nothing. What the next decision must remember is in Plan.Memory.
package planner
