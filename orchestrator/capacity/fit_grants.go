package capacity

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/mat"

	"nightshift.dev/nightshift/orchestrator"
)

// GrantHistory is how many of so many workers a pool granted, at equal distances of a basis.
type GrantHistory struct {
	Width   int
	Granted []int
}

// leastSeen is how many looks a prior is fitted to at least: two days.
const leastSeen = 288

// seenGrants is one look: the belief before it, and what it saw.
type seenGrants struct {
	belief grants
	levels int
	to     int
}

// FitGrants finds the prior under which the histories are likely, by Newton's method with a ridge of 1 towards nothing. Histories should be of pools other than those it is used for.
// Where there are fewer than two days of looks it is the default prior.
func FitGrants(name string, histories []GrantHistory) (orchestrator.SpotPrior, error) {
	prior := DefaultPrior
	prior.Name = name
	seen := lookAt(histories)
	if len(seen) < leastSeen {
		return prior, nil
	}
	prior.Grants = orchestrator.GrantPrior{}
	for _, share := range []float64{0, .5, 1} {
		weights := weightsOf(&prior.Grants, share)
		var choices []choiceSeen
		for _, one := range seen {
			if at := one.belief.granted; weightsOf(&prior.Grants, at) == weights {
				features, taken := one.belief.stayFeatures(), 1
				if one.to == int(math.Round(at*float64(one.levels))) {
					taken = 0
				}
				choices = append(choices, choiceSeen{[][]float64{features[:], make([]float64, stayTerms)}, []float64{1, 1}, taken})
			}
		}
		if err := newtonChoices(choices, weights[:]); err != nil {
			return prior, fmt.Errorf("fit spot prior %s: %w", name, err)
		}
	}
	var choices []choiceSeen
	for _, one := range seen {
		at, choice := int(math.Round(one.belief.granted*float64(one.levels))), choiceSeen{}
		for to := range one.levels + 1 {
			if to == at {
				continue
			}
			if to == one.to {
				choice.taken = len(choice.features)
			}
			features := one.belief.goFeatures(float64(to) / float64(one.levels))
			choice.features, choice.many = append(choice.features, features[:]), append(choice.many, between(to, one.levels))
		}
		if one.to != at {
			choices = append(choices, choice)
		}
	}
	if err := newtonChoices(choices, prior.Grants.To[:]); err != nil {
		return prior, fmt.Errorf("fit spot prior %s: %w", name, err)
	}
	return prior, nil
}

// lookAt goes through histories as the planner would.
func lookAt(histories []GrantHistory) (seen []seenGrants) {
	for _, history := range histories {
		width, now := max(history.Width, 1), time.Unix(0, 0)
		levels, memory := levelsOf(width), orchestrator.GrantMemory{}
		for i, granted := range history.Granted {
			granted = min(max(granted, 0), width)
			if i > 0 {
				to := int(math.Round(float64(granted) / float64(width) * float64(levels)))
				belief := grantsOf(&DefaultPrior, memory, now, memory.Granted, width)
				belief.granted = math.Round(belief.granted*float64(levels)) / float64(levels)
				seen = append(seen, seenGrants{belief, levels, to})
			}
			memory = ObserveGrants(&DefaultPrior, memory, now.Add(time.Duration(i)*basis), granted)
		}
	}
	return seen
}

// choiceSeen is which of several was taken, and the features of each.
type choiceSeen struct {
	features [][]float64
	many     []float64 // how many each stands for
	taken    int
}

const mostStep = 1 // of a weight in one round, so that Newton's method does not overshoot

// newtonChoices maximises the likelihood of a multinomial logistic function, less the ridge, beginning with the given weights.
func newtonChoices(seen []choiceSeen, weights []float64) error {
	size := len(weights)
	for range newtonRounds {
		gradient, curvature := mat.NewVecDense(size, nil), mat.NewSymDense(size, nil)
		for i, weight := range weights {
			gradient.SetVec(i, -ridge*weight)
			curvature.SetSym(i, i, ridge)
		}
		for _, one := range seen {
			one.add(weights, gradient, curvature)
		}
		var factor mat.Cholesky
		var step mat.VecDense
		if !factor.Factorize(curvature) {
			return fmt.Errorf("the curvature is not positive after weights %v", weights)
		}
		if err := factor.SolveVecTo(&step, gradient); err != nil {
			return err
		}
		length := mat.Norm(&step, math.Inf(1))
		step.ScaleVec(1/max(length/mostStep, 1), &step)
		for i := range weights {
			weights[i] += step.AtVec(i)
		}
		if length < newtonAccuracy {
			break
		}
	}
	return nil
}

// add adds one choice to the gradient and the curvature of the likelihood.
func (c choiceSeen) add(weights []float64, gradient *mat.VecDense, curvature *mat.SymDense) {
	chances, mean, sum := make([]float64, len(c.features)), make([]float64, len(weights)), 0.0
	for i, features := range c.features {
		for k, weight := range weights {
			chances[i] += weight * features[k]
		}
		chances[i] = c.many[i] * math.Exp(chances[i])
		sum += chances[i]
	}
	for i, features := range c.features {
		chances[i] /= sum
		for k := range weights {
			mean[k] += chances[i] * features[k]
		}
	}
	for k := range weights {
		gradient.SetVec(k, gradient.AtVec(k)+c.features[c.taken][k]-mean[k])
	}
	for i, features := range c.features {
		for k := range weights {
			part := chances[i] * (features[k] - mean[k])
			for l := k; l < len(weights); l++ {
				curvature.SetSym(k, l, curvature.At(k, l)+part*(features[l]-mean[l]))
			}
		}
	}
}
