// Package forecaster knows what arrived at each queue, learns from it again and again, and says what is expected to arrive: for people, and as peaks for
// the planner.
//
// Rows that arrive are counted by windows (package arrivals), of a queue that drains a source from its readings, of any other from the jobs that were submitted. They
// are stored when a window is over, and outlast a restart. Run learns (package forecast) off the path of decisions, one queue after the other, in a small part of
// its time. docs/forecast.md has the rules.
//
// It imports orchestrator, arrivals, forecast and state; the dispatcher, and whoever reads sources, are handed in.
package forecaster
