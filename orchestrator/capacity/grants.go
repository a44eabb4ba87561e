package capacity

import (
	"math"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// What is believed of the numbers that a pool grants before it was looked at often. The averages begin as if that had been seen in six looks.
const (
	firstChanges       = .2
	firstLooks         = 6
	leastMeanWeight    = 1. / 6  // of a new look: an hour
	leastChangesWeight = 1. / 36 // six hours
	mostLooks          = 36      // counted
)

// ObserveGrants is the memory after a look at how many workers are granted. A look counts when ten minutes have passed since the last one that did.
func ObserveGrants(prior *orchestrator.SpotPrior, memory orchestrator.GrantMemory, now time.Time, granted int) orchestrator.GrantMemory {
	if memory.At.IsZero() {
		return orchestrator.GrantMemory{At: now, Granted: granted, Mean: float64(granted), Changes: firstChanges}
	}
	if now.Sub(memory.At) < Basis(prior) {
		return memory
	}
	if prior.Unit == 0 { // the hours of a replay are not those of its trace
		observeHour(&memory, now, granted)
	}
	looked, changed := 1/float64(memory.Looks+firstLooks), 0.0
	if granted != memory.Granted {
		changed = 1
	}
	memory.Mean += max(leastMeanWeight, looked) * (float64(granted) - memory.Mean)
	memory.Changes += max(leastChangesWeight, looked) * (changed - memory.Changes)
	memory.At, memory.Granted, memory.Looks = now, granted, min(memory.Looks+1, mostLooks)
	return memory
}

// grants is a belief as the chances and the table take it. Numbers are shares of the width.
type grants struct {
	granted, mean float64
	changes       float64
}

// grantsOf is the belief of a pool for so many workers at most.
func grantsOf(prior *orchestrator.SpotPrior, memory orchestrator.GrantMemory, now time.Time, granted, width int) grants {
	if memory.At.IsZero() {
		memory = ObserveGrants(prior, memory, now, granted)
	}
	share := func(count float64) float64 { return min(max(count/float64(width), 0), 1) }
	return grants{share(float64(granted)), share(memory.Mean), min(max(memory.Changes, 0), 1)}
}

const (
	stayTerms = 7
	goTerms   = 12
)

// restless is the logarithm of the odds of a change, within the bounds of what it was fitted to.
func restless(changes float64) float64 {
	changes = min(max(changes, .01), .95)
	return math.Log(changes / (1 - changes))
}

// stayFeatures are the terms of the chance that the number stays.
func (g grants) stayFeatures() [stayTerms]float64 {
	odds, off := restless(g.changes), math.Abs(g.granted-g.mean)
	return [stayTerms]float64{1, odds, off, off * odds, g.mean, odds * odds, math.Sqrt(off)}
}

// goFeatures are the terms of the weight of another number, where it goes if it does not stay.
func (g grants) goFeatures(to float64) [goTerms]float64 {
	odds, far, off := restless(g.changes), math.Log(math.Abs(to-g.granted)), math.Abs(to-g.mean)
	features := [goTerms]float64{far, far * odds, off, off * odds}
	switch to {
	case 0:
		features[4], features[5], features[6], features[7] = 1, odds, g.mean, g.granted
	case 1:
		features[8], features[9], features[10], features[11] = 1, odds, g.mean, g.granted
	}
	return features
}

// weightsOf are the weights of the chance to stay at a share of the width.
func weightsOf(prior *orchestrator.GrantPrior, share float64) *[stayTerms]float64 {
	switch share {
	case 0:
		return &prior.None
	case 1:
		return &prior.All
	}
	return &prior.Some
}

// referenceLevels is how many numbers lay between none and all where priors are fitted: of more between them each is as much less likely.
const referenceLevels = 15

// between is the weight of a number for how many there are.
func between(to, levels int) float64 {
	if to == 0 || to == levels {
		return 1
	}
	return referenceLevels / float64(levels-1)
}

// goes are the chances of every number of levels after a tick.
func (g grants) goes(prior *orchestrator.SpotPrior, levels int, tick time.Duration) []float64 {
	chances, at, sum := make([]float64, levels+1), int(math.Round(g.granted*float64(levels))), 0.0
	g.granted = float64(at) / float64(levels)
	stays := logistic(inner(weightsOf(&prior.Grants, g.granted)[:], g.stayFeatures()))
	if tick != Basis(prior) {
		stays = math.Pow(stays, bases(prior, tick))
	}
	for to := range chances {
		if to == at {
			continue
		}
		features := g.goFeatures(float64(to) / float64(levels))
		chances[to] = between(to, levels) * math.Exp(min(inner(prior.Grants.To[:], features), 50))
		sum += chances[to]
	}
	for to := range chances {
		chances[to] *= (1 - stays) / max(sum, math.SmallestNonzeroFloat64)
	}
	chances[at] = stays
	return chances
}

func inner[F [stayTerms]float64 | [goTerms]float64](weights []float64, features F) (sum float64) {
	for i := range weights {
		sum += weights[i] * features[i]
	}
	return sum
}

// StayGranted is the chance that as many workers of so many are granted after a tick as are now.
func StayGranted(prior *orchestrator.SpotPrior, memory orchestrator.GrantMemory, now time.Time, granted, width int, tick time.Duration) float64 {
	width = max(width, 1)
	levels := levelsOf(width)
	belief := grantsOf(prior, memory, now, granted, width)
	return belief.goes(prior, levels, tick)[int(math.Round(belief.granted*float64(levels)))]
}
