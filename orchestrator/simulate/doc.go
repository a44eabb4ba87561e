// Package simulate is a world of time, work, pools, prices, kills and start delays in which policies decide how many workers run. Published policies stand
// here as small functions with their source named, and the exact optimum of a world that is known in advance stands beside them.
//
// # The deadline world
//
// Time goes in ticks. A job needs so much time of workers before its deadline. At the start of a tick it is seen how many spot workers are granted; those above
// are lost, before the decision. The policy then says how many spot and on-demand workers run during the tick. A worker that starts makes no progress
// for the length of a start and is billed meanwhile; a change of the capacity type is a start. Whole ticks are billed, the last one too; waiting is free.
// With a width of one this is the setting of "Can't Be Late: Optimizing Spot Instance Savings under Deadlines" (Wu et al., NSDI 2024); with more, that of
// batch inference on graded spot capacity.
//
// Installation.Planned lets planner.Compute decide in such a world, told no more than its documents say and what a policy may see.
//
// It does no I/O and knows no clock: values in, values out, the same for the same values. It imports the standard library, package orchestrator and package
// planner, nothing below it: it judges. Data comes from the benchmarks of cmd/nightshift, which read traces, and results go back to them.
package simulate
