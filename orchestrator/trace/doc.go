// Package trace reads and makes traces of spot capacity: how many replicas a provider grants, in ticks of one length. A local pool replays one
// (`interruptions:`), the benchmarks decide in them.
//
// A trace is JSON, as the published ones of B1 are, with one of two lists:
//
//	{"metadata": {"gap_seconds": 600}, "data": [0, 0, 1, 0]}       1: no capacity in this tick; 0: as much as is asked for
//	{"metadata": {"gap_seconds": 600}, "granted": [4, 4, 0, 2]}    so many replicas
//
// It imports the standard library. Data comes from files and seeds, and goes to cmd/nightshift, which hands it to the engine.
package trace
