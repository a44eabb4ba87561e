package planner

import (
	"cmp"
	"math"
	"slices"

	"nightshift.dev/nightshift/orchestrator"
)

// Fact is what one commit of scored rows says about speed. Index shards and shards that were given up say nothing about it.
type Fact struct {
	Model, Pool string
	Rows        int64   // scored in the attempt
	Seconds     float64 // the attempt took on its worker
	LoadSeconds float64 // of them, loading the model; 0: it was loaded already
}

const (
	halfLife   = 300.0 // seconds of work after which a measurement weighs half
	loadWeight = 0.3   // of the newest load
)

// Learn takes new facts into the averages. The result shares nothing with the memory it was given. Facts that say nothing (no rows, no
// time, numbers that are no numbers) are left out.
func Learn(memory orchestrator.Memory, facts []Fact) orchestrator.Memory {
	memory = copyMemory(memory)
	for _, fact := range facts {
		work := fact.Seconds - saneSeconds(fact.LoadSeconds)
		if fact.Rows <= 0 || !(work > 0) || math.IsInf(work, 0) || math.IsNaN(fact.LoadSeconds) {
			continue
		}
		at, found := slices.BinarySearchFunc(memory.Speeds, fact, func(have orchestrator.SpeedMemory, fact Fact) int {
			return cmp.Or(cmp.Compare(have.Model, fact.Model), cmp.Compare(have.Pool, fact.Pool))
		})
		if !found {
			memory.Speeds = slices.Insert(memory.Speeds, at, orchestrator.SpeedMemory{Model: fact.Model, Pool: fact.Pool})
		}
		memory.Speeds[at] = learn(memory.Speeds[at], fact, work)
	}
	return memory
}

// learn averages over rows and seconds whose weight halves with every halfLife of newer work.
func learn(have orchestrator.SpeedMemory, fact Fact, work float64) orchestrator.SpeedMemory {
	rows, seconds := float64(fact.Rows), work
	if old := saneSpeed(have.RowsPerSecond); old > 0 && have.Rows > 0 {
		weight := math.Exp2(-work / halfLife)
		rows, seconds = rows+weight*float64(have.Rows), seconds+weight*float64(have.Rows)/old
	}
	have.RowsPerSecond = saneSpeed(rows / seconds)
	have.Rows = int64(math.Min(math.Round(rows), 1<<52))
	if load := saneSeconds(fact.LoadSeconds); load > 0 {
		if old := saneSeconds(have.LoadSeconds); old > 0 {
			load = (1-loadWeight)*old + loadWeight*load
		}
		have.LoadSeconds, have.Loads = load, remember(have.Loads, fact.LoadSeconds)
	}
	return have
}

// copyMemory is a copy in a fixed order that shares nothing with the original.
func copyMemory(memory orchestrator.Memory) orchestrator.Memory {
	return orchestrator.Memory{
		Pools: sorted(memory.Pools, func(a, b orchestrator.PoolMemory) int { return cmp.Compare(a.Name, b.Name) }),
		Speeds: sorted(memory.Speeds, func(a, b orchestrator.SpeedMemory) int {
			return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Pool, b.Pool))
		}),
		Models: slices.Clone(memory.Models),
	}
}
