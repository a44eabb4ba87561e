package main

import (
	"fmt"
	"path/filepath"
	"time"

	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/trace"
)

// A synthetic trace has the ticks of the published ones, and lasts four weeks.
const (
	syntheticGap   = 10 * time.Minute
	syntheticTicks = 4 * 7 * 24 * 6
)

// interruptedBy is the trace that a pool replays, each tick at its length in the trace's own time; no more than the pool's replicas are granted.
func interruptedBy(pool document.Pool) (trace.Trace, error) {
	interruptions := pool.Spec.Interruptions
	var replayed trace.Trace
	if made := interruptions.Synthetic; made != nil {
		replayed = trace.Make(trace.Shape{Seed: made.Seed, MeanUp: made.MeanUp, MeanDown: made.MeanDown, Gap: syntheticGap, Ticks: syntheticTicks})
	} else {
		path := interruptions.Trace
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(pool.Position.File), path)
		}
		var err error
		if replayed, err = trace.Read(path); err != nil {
			return trace.Trace{}, fmt.Errorf("pool %s: spec.interruptions.trace: %w", pool.Name, err)
		}
	}
	for tick, granted := range replayed.Granted {
		replayed.Granted[tick] = min(granted, pool.Spec.Replicas.Max)
	}
	return replayed, nil
}

// replayed is the time of the trace so long after the pool's first start.
func replayed(pool document.Pool, since time.Duration) time.Duration {
	interruptions := pool.Spec.Interruptions
	return interruptions.Begin + time.Duration(float64(since)*interruptions.Speed)
}

// workedOn is the part of a notice in which a worker may go on with its shard; the rest is for handing it back.
const workedOn = 0.75
