// Package forecast says how much load is to be expected of each step of the coming days, with quantiles, and how wrong it was until now. It is for recurring load
// that has no schedule.
//
// The history of a load (History) comes from whoever observes it: the service from its readings of a backlog, `nightshift bench forecast` from a file. Fit learns from
// it, and Predict gives a Forecast. A forecast may only add capacity, and only while it is on.
//
// It is pure and total: values in, values out; no clock, no randomness, no error. Equal histories give equal forecasts, and what is forecast at a step
// depends on nothing after it. It may import the standard library, gonum and package orchestrator.
//
// # Parts
//
//	history.go     the history without gaps, and what is usual in each step
//	calendar.go    holidays, first and last days of months, and by how much they differ
//	simple.go      models without parameters
//	correction.go  models that correct the usual by how the last days differed from it: a regression
//	walk.go        the back-test: every model at every origin of the history, each knowing only what was before
//	weights.go     the models' weights, from their errors in the back-test
//	record.go      the quantiles, from the blend's own errors in the back-test
//	metrics.go     measures of error
//	forecast.go    Fit and Predict
//	peers.go, evaluate.go  published methods, and the comparison with them
//
// The rule is in docs/forecast.md, what was tried in docs/decisions/014-forecast.md.
package forecast
