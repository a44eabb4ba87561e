// Package arrivals turns what was read of a source, again and again, into what a decision looks at: when the rows that wait arrived, and how many arrive
// in a second.
//
// History is for what is decided now, Windows for what comes again and again.
//
// It is pure: values in, values out. It imports the standard library and package orchestrator; it knows no clock, no randomness, no environment, no log
// and no context. Readings come from the adapters of backlogs by way of control; what it says goes into the planner's observation.
package arrivals
