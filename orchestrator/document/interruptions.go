package document

import (
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// Interruptions says which spot replicas of this machine are refused or taken away, and when: a trace from a file, or a synthetic one, exactly one of them.
type Interruptions struct {
	Trace     string     // path of a file
	Synthetic *Synthetic // nil: the trace is in a file
	Speed     float64    // how many times faster than it was recorded the trace is replayed
	Begin     time.Duration
}

// Synthetic is a trace that is made: all capacity comes and goes at once, for times of these means.
type Synthetic struct {
	Seed             int
	MeanUp, MeanDown time.Duration
}

func defaultInterruptions() *Interruptions { return &Interruptions{Speed: 1} }

// What planner.DefaultPrior takes for usual, too.
func defaultSynthetic() *Synthetic {
	return &Synthetic{Seed: 1, MeanUp: 2 * time.Hour, MeanDown: 45 * time.Minute}
}

const (
	mostSpeed = 1000
	mostSeed  = 1_000_000_000
)

func interruptionsFields(f visitor, interruptions *Interruptions) {
	f.text("trace", &interruptions.Trace, isPath)
	if f.optional("synthetic", interruptions.Synthetic != nil) {
		if interruptions.Synthetic == nil {
			interruptions.Synthetic = defaultSynthetic()
		}
		f.object("synthetic", func(f visitor) {
			f.whole("seed", &interruptions.Synthetic.Seed, 0, mostSeed)
			f.duration("meanUp", &interruptions.Synthetic.MeanUp, time.Minute, year)
			f.duration("meanDown", &interruptions.Synthetic.MeanDown, time.Minute, year)
		})
	}
	f.decimal("speed", &interruptions.Speed, mostSpeed)
	f.duration("begin", &interruptions.Begin, 0, year)
	switch file, synthetic := interruptions.Trace != "", interruptions.Synthetic != nil; {
	case !f.sound("trace", "synthetic"):
	case file && synthetic:
		f.problem("trace", "both trace and synthetic are given; allowed: exactly one of them")
	case !file && !synthetic:
		f.problem("", "neither trace nor synthetic is given; allowed: exactly one of them")
	}
}

// poolInterruptions visits the field of a pool; only spot replicas are taken away.
func poolInterruptions(f visitor, spec *PoolSpec) {
	if !f.optional("interruptions", spec.Interruptions != nil) {
		return
	}
	if spec.Interruptions == nil {
		spec.Interruptions = defaultInterruptions()
	}
	f.object("interruptions", func(f visitor) { interruptionsFields(f, spec.Interruptions) })
	if f.sound("engine") && spec.Engine != EngineLocal {
		f.problem("interruptions", "given with engine: %s, whose replicas are really taken away; allowed: with engine: local", spec.Engine)
	}
	if f.sound("capacityType") && spec.CapacityType != orchestrator.CapacitySpot {
		f.problem("interruptions", "only spot replicas are taken away, and capacityType is %s; allowed: together with capacityType: spot", spec.CapacityType)
	}
}

// timeScale is how many times faster than the clock the pool's capacity comes and goes.
func (s PoolSpec) timeScale() float64 {
	if s.Interruptions == nil {
		return 0
	}
	return s.Interruptions.Speed
}
