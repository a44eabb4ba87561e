package capacity

import (
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// basis is the unit of ages and lengths of runs, and the time that the chances of a prior are for.
const basis = 10 * time.Minute

// Scaled is the prior of a pool whose capacity comes and goes so many times faster than by the clock.
func Scaled(prior orchestrator.SpotPrior, faster float64) orchestrator.SpotPrior {
	if faster > 0 && faster != 1 {
		prior.Unit = max(time.Duration(math.Min(float64(basis)/faster, math.MaxInt64/2)), time.Millisecond)
	}
	return prior
}

// Basis is what stands for ten minutes, the unit of ages and lengths of runs.
func Basis(prior *orchestrator.SpotPrior) time.Duration {
	if prior.Unit > 0 {
		return prior.Unit
	}
	return basis
}

// What is believed of a pool before any of its runs has ended.
const (
	firstUp     = 2.5 // logarithm of bases: two hours
	firstDown   = 1.5 // 45 minutes
	firstWeight = 3   // runs that this counts as
	leastWeight = .2  // of a new run
)

// Begin is the memory of a pool that is looked at for the first time.
func Begin(now time.Time, available bool) orchestrator.SpotMemory {
	return orchestrator.SpotMemory{
		Available: available, Since: now, Up: orchestrator.RunMemory{MeanLog: firstUp}, Down: orchestrator.RunMemory{MeanLog: firstDown},
	}
}

// Observe is the memory after a look.
func Observe(prior *orchestrator.SpotPrior, memory orchestrator.SpotMemory, now time.Time, available bool) orchestrator.SpotMemory {
	if memory.Since.IsZero() {
		return Begin(now, available)
	}
	if available == memory.Available {
		return memory
	}
	ended := &memory.Down
	if memory.Available {
		ended = &memory.Up
	}
	length := max(now.Sub(memory.Since), Basis(prior)/600)
	ended.MeanLog += weight(ended.Runs) * (math.Log(bases(prior, length)) - ended.MeanLog)
	ended.Runs++
	memory.Available, memory.Since = available, now
	return memory
}

func weight(runs int) float64 { return max(leastWeight, 1/float64(runs+firstWeight)) }

// bases is a length of time in units of the basis.
func bases(prior *orchestrator.SpotPrior, length time.Duration) float64 {
	return float64(length) / float64(Basis(prior))
}

// state is a belief as the hazard and the table take it.
type state struct {
	available bool
	age       float64 // of the run, in bases, with the tick that begins now
	up, down  float64 // averages of logarithms
}

// stateOf is the belief at a time when the present tick begins.
func stateOf(prior *orchestrator.SpotPrior, memory orchestrator.SpotMemory, now time.Time, tick time.Duration) state {
	return state{memory.Available, bases(prior, max(now.Sub(memory.Since), 0)+tick), memory.Up.MeanLog, memory.Down.MeanLog}
}
