// Package faults kills, stops and starves a real installation while it works, and then compares its results, row by row, with those of an
// undisturbed run: real nightshift processes, a real NATS server as a process of its own, real scorers.
//
// Everything random comes from a seed that each test prints; NIGHTSHIFT_FAULT_SEED repeats one.
package faults
