package capacity

import (
	"cmp"
	"math"
	"slices"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	leastChance = 1e-4 // that is followed
	drifts      = .5   // of what the rate of changes would move; see decision 008
	settling    = 400  // ticks after which what is granted no longer depends on its beginning
)

// findGoes works out where every belief of the grid goes in a tick.
func (s *manySolver) findGoes(p *orchestrator.TableParameters) {
	forgets := func(weight float64) float64 { return 1 - math.Pow(1-weight, min(bases(&p.Prior, p.Tick), 100)) }
	meanWeight, changesWeight := forgets(leastMeanWeight), forgets(leastChangesWeight)
	s.goes = make([][]towards, s.rows())
	for changes, rate := range changeRates {
		chances := make([][]float64, 0, s.rows())
		for granted := range s.levels + 1 {
			for _, mean := range meanShares {
				belief := grants{float64(granted) / float64(s.levels), mean, rate}
				chances = append(chances, belief.goes(&p.Prior, s.levels, p.Tick))
			}
		}
		usual := s.usualChanges(chances, meanWeight)
		for cell, row := range chances {
			granted, mean := cell/len(meanShares), cell%len(meanShares)
			// The rate moves as this state differs from what is usual at this rate, so that a pool does not calm down by being as it is. The
			// more restless a pool, the more that is taken for its nature, which no quiet hour ends; see decision 008.
			moved := rate + (1-rate)*(1-rate)*changesWeight*(1-row[granted]-usual)
			var all []towards
			sum := float32(0)
			for _, rates := range locate(changeRates[:], moved).both() {
				for to, chance := range row {
					for _, means := range s.meanAfter(mean, to, meanWeight).both() {
						if weight := chance * rates.weight * means.weight; weight > leastChance {
							all = append(all, towards{s.rowOf(rates.at, to, means.at), to, float32(weight)})
							sum += float32(weight)
						}
					}
				}
			}
			for i := range all {
				all[i].chance /= sum
			}
			slices.SortStableFunc(all, func(a, b towards) int { return cmp.Compare(a.granted, b.granted) })
			s.goes[s.rowOf(changes, granted, mean)] = all
		}
	}
}

// meanAfter is where the mean goes when so many levels are granted.
func (s *manySolver) meanAfter(mean, granted int, weight float64) place {
	return locate(meanShares[:], meanShares[mean]+weight*(float64(granted)/float64(s.levels)-meanShares[mean]))
}

// usualChanges is the share of ticks that change what is granted, in the long run, at one rate.
func (s *manySolver) usualChanges(chances [][]float64, weight float64) (share float64) {
	now := make([]float64, len(chances))
	for i := range now {
		now[i] = 1 / float64(len(now))
	}
	for range settling {
		then := make([]float64, len(now))
		share = 0
		for cell, is := range now {
			share += is * (1 - chances[cell][cell/len(meanShares)])
			for to, chance := range chances[cell] {
				for _, means := range s.meanAfter(cell%len(meanShares), to, weight).both() {
					then[to*len(meanShares)+means.at] += is * chance * means.weight
				}
			}
		}
		now = then
	}
	return share
}
