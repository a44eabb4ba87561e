package planner

import (
	"math"

	"nightshift.dev/nightshift/orchestrator"
)

// A measured speed counts once it rests on this much.
const (
	enoughRows    = 10_000
	enoughSeconds = 5
)

// Bases of a speed, best first.
const (
	basisMeasured = "measured"
	basisProfile  = "profile"
	basisUnknown  = "unknown"
)

// speed is how fast one worker scores, and how long it loads the model first.
type speed struct {
	rows     float64 // per second; 0: unknown
	load     float64 // seconds, the average
	slowLoad float64 // the 0.95 quantile
	basis    string
}

func (s speed) known() bool { return s.rows > 0 }

// speeds finds the speed of a model on a pool.
type speeds map[speedName]speed

type speedName struct{ model, pool string }

// newSpeeds prefers what was measured, once it rests on enough, to what a document or an engine says.
func newSpeeds(observation orchestrator.Observation) speeds {
	found := make(speeds, len(observation.Speeds)+len(observation.Memory.Speeds))
	for _, given := range observation.Speeds {
		basis := basisProfile
		if given.Basis == basisMeasured {
			basis = basisMeasured
		}
		found.offer(given.Model, given.Pool, speed{rows: saneSpeed(given.RowsPerSecond), load: saneSeconds(given.LoadSeconds), slowLoad: saneSeconds(given.LoadSeconds), basis: basis})
	}
	learned := make(speeds, len(observation.Memory.Speeds))
	for _, given := range observation.Memory.Speeds {
		one := speed{
			rows: saneSpeed(given.RowsPerSecond), load: saneSeconds(given.LoadSeconds), slowLoad: slow(given.Loads, saneSeconds(given.LoadSeconds)), basis: basisMeasured,
		}
		if one.known() && (given.Rows >= enoughRows || float64(given.Rows)/one.rows >= enoughSeconds) {
			learned.offer(given.Model, given.Pool, one)
		}
	}
	for name, one := range learned {
		if one.load == 0 {
			one.load, one.slowLoad = found[name].load, found[name].slowLoad // no load has been measured yet
		}
		found[name] = one
	}
	return found
}

// offer keeps the better of two: measured before profile, then the slower one, which promises less.
func (s speeds) offer(model, pool string, one speed) {
	name := speedName{model, pool}
	have, exists := s[name]
	better := one.basis == basisMeasured && have.basis == basisProfile
	worse := one.basis == basisProfile && have.basis == basisMeasured
	if one.known() && (!exists || better || (!worse && (one.rows < have.rows || one.rows == have.rows && one.load > have.load))) {
		s[name] = one
	}
}

func (s speeds) of(model, pool string) speed {
	if one, exists := s[speedName{model, pool}]; exists {
		return one
	}
	return speed{basis: basisUnknown}
}

// elsewhere is the speed on a pool; where nobody knows it the slowest of those on other pools, for the time being.
func (s speeds) elsewhere(model string, p *pool, others []*pool) speed {
	best := s.of(model, p.policy.Name)
	if best.known() {
		return best
	}
	for _, other := range others {
		if one := s.of(model, other.policy.Name); one.known() && (!best.known() || one.rows < best.rows) {
			best = one
			best.basis = basisProfile
		}
	}
	return best
}

// saneSpeed is 0 (unknown) for what is no speed.
func saneSpeed(rows float64) float64 {
	if !(rows > 0) || math.IsInf(rows, 0) {
		return 0
	}
	return math.Min(math.Max(rows, 1e-9), 1e12)
}

// saneSeconds is 0 for what is no length of time, and at most some eleven days.
func saneSeconds(seconds float64) float64 {
	if !(seconds > 0) {
		return 0
	}
	return math.Min(seconds, 1e6)
}
