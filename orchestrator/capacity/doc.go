// Package capacity knows when to run on spot and when on on-demand capacity so that a deadline is met at the least expected cost.
//
// It has these parts, each usable alone:
//
//	belief.go, hazard.go   how likely spot capacity is to come or to go, from what a pool has seen and a prior
//	solve.go, table.go     the best decision for every state that may come, solved once and looked up
//	grants.go, goes.go     the same of how many workers are granted
//	solve_many.go, choose_many.go   what is to be expected of many workers, and the best decision by one look ahead
//	safe.go                which decisions leave the deadline safe whatever spot capacity does
//
// It is pure: values in, values out, no clock. Solve takes a second; the planner only looks up. Package planner imports it, and
// hands Solve and Fit on to those who may not (cmd, simulate). It imports the standard library, package orchestrator and gonum.
//
// # The belief
//
// The chance that spot capacity stays as it is for another ten minutes depends on how long it has been so, and on how long such
// runs, and the runs of the other kind, have lasted in this pool: a hazard whose run lengths are learned as time goes on. It is a logistic function of
// 1, a, own, other, a own, a a, own own, a other, where a is the logarithm of the age of the run in units of ten minutes, and own and other are
// the averages of the logarithms of the past lengths of runs of this and of the other kind. The
// averages begin with a belief (runs of 45 min without and of 2 h with capacity) that counts as three runs, and never give a new run less weight than a fifth.
// The coefficients are a SpotPrior, fitted to traces that are not the pool's own by Newton's method with a small ridge.
//
// # The table
//
// A backward stochastic dynamic programme over the ticks left, availability, the age of the run, both averages, what runs, and the
// work left. See solve.go for the grid.
//
// # Many workers
//
// A table for many workers is over the ticks left, the slack of the account, the on-demand workers, what is granted, its mean and its rate of changes. It holds expected
// costs, since what is best depends on more than its state: how many spot workers run. See docs/decisions/008-a-table-for-many-workers.md.
package capacity
