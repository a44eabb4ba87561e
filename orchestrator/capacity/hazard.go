package capacity

import (
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

const terms = 8

// features are the terms of the logistic function, within the bounds of what it was fitted to.
func features(s state) [terms]float64 {
	age, own, other := math.Log(max(s.age, ages[0])), s.down, s.up
	if s.available {
		own, other = s.up, s.down
	}
	own, other = bounded(own), bounded(other)
	return [terms]float64{1, age, own, other, age * own, age * age, own * own, age * other}
}

func bounded(mean float64) float64 { return min(max(mean, means[0]), means[len(means)-1]) }

// stay is the chance that capacity is after a tick as it is now.
func stay(prior *orchestrator.SpotPrior, s state, tick time.Duration) float64 {
	weights := &prior.Down
	if s.available {
		weights = &prior.Up
	}
	chance := logistic(dot(*weights, features(s)))
	if tick != Basis(prior) {
		chance = math.Pow(chance, bases(prior, tick))
	}
	return chance
}

func dot(a, b [terms]float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// Stay is the chance that capacity is after a tick as it is now.
func Stay(prior *orchestrator.SpotPrior, memory orchestrator.SpotMemory, now time.Time, tick time.Duration) float64 {
	return stay(prior, stateOf(prior, memory, now, tick), tick)
}

// DefaultPrior was fitted to the SkyNomad probe of H100 capacity at GCP (github.com/andylizf/skynomad-artifact, 62b9aaa: 13 zones, two weeks of October 2025, every
// ten minutes): whether 1, 6, 11 or 16 of 16 nodes were granted, where that was neither always nor never so.
var DefaultPrior = orchestrator.SpotPrior{
	Name: "gcp-h100-2025-10",
	Up:   [terms]float64{-0.8329, 1.0892, 1.2429, -0.0613, -0.1489, -0.0400, -0.1163, 0.1114},
	Down: [terms]float64{-0.9742, 1.0292, 1.5090, -0.1156, -0.2127, 0.0131, -0.1785, 0.0707},
	// All looks of all 13 zones, at what was granted of 16.
	Grants: orchestrator.GrantPrior{
		None: [stayTerms]float64{1.8283, -0.7023, -0.5872, 0.0206, -0.5872, 0.0066, -2.5492},
		Some: [stayTerms]float64{0.8279, -1.0227, -0.2384, 2.1819, -1.5253, -0.0493, -2.6939},
		All:  [stayTerms]float64{0.6357, -0.6937, -0.4942, 0.5789, 1.1299, -0.0037, -1.2596},
		To:   [goTerms]float64{-0.5461, 0.1460, -1.6267, -0.2567, 1.7134, -0.1798, -2.1696, 2.0028, 1.5869, -0.1052, 2.5480, -2.0321},
	},
}

// defaultLooks is how many looks the default prior was fitted to.
const defaultLooks = 92_000
