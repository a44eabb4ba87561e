// Package shard decides what the shards of a job are: how many rows the next one has (Size), where it begins and ends (Cutter), and
// what has to be done for the shards of one job after each thing that happened (Machine).
//
// It is pure: values in, values out. It imports the standard library and package orchestrator; it knows no clock, no randomness, no
// environment, no log and no context. The dispatcher owns one Machine per open job, feeds it what is durable and performs its
// effects; the planner calls Size.
//
// # The Machine's loop
//
//	machine := shard.NewMachine(job, epoch, closed, rowBytes)
//	for every journal entry, in order    { machine.Step(shard.JournalRead{Seq: ..., Entry: ...}) }
//	for every commit, of any epoch       { machine.Step(shard.CommitRead{Seq: ..., Commit: ...}) }
//	effects := machine.Step(shard.Found{Numbers: the current epoch's numbers in the shard stream})
//	loop: perform effects in order; wait for the next event; effects = machine.Step(event)
//
// Until Found the machine only listens: it may not publish before it knows which rows are settled already. Found is needed for a
// new job too (with no numbers).
//
// # Commits of several epochs
//
// A commit describes its whole shard, also that of a shard that ran again for its failed rows only: the worker puts the new rows together
// with those of the base. So one commit decides per shard: the latest counted one that scored, or else the latest that failed. A
// failed one does not take back what an earlier epoch has scored; the shard then counts as done with the rows that had failed.
package shard
