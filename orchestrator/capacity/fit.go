package capacity

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/mat"

	"nightshift.dev/nightshift/orchestrator"
)

// History is what was seen of one pool at equal distances of a basis: whether there was spot capacity.
type History []bool

const (
	ridge          = 1 // keeps the weights near those of the default prior where nothing tells
	newtonRounds   = 30
	newtonAccuracy = 1e-6
)

// Fit finds the prior under which the histories, and all that the default prior was fitted to, are likely. Histories should be of pools other than those it
// is used for. The default prior stands for its own looks, spread evenly over the grid of beliefs, which keeps the fit sane where the histories have seen nothing.
func Fit(name string, histories []History) (orchestrator.SpotPrior, error) {
	prior := orchestrator.SpotPrior{Name: name, Grants: DefaultPrior.Grants}
	up, down := samples(histories)
	for _, one := range []struct {
		seen          []sample
		from, weights *[terms]float64
	}{{append(up, believed(true)...), &DefaultPrior.Up, &prior.Up}, {append(down, believed(false)...), &DefaultPrior.Down, &prior.Down}} {
		weights, err := newton(one.seen, *one.from)
		if err != nil {
			return orchestrator.SpotPrior{}, fmt.Errorf("fit spot prior %s: %w", name, err)
		}
		*one.weights = weights
	}
	return prior, nil
}

// sample is one look, or many of one belief with the chance of what they saw.
type sample struct {
	features [terms]float64
	stayed   float64
	weight   float64
}

// samples are what every look says of the one before.
func samples(histories []History) (up, down []sample) {
	for _, history := range histories {
		if len(history) == 0 {
			continue
		}
		start := time.Unix(0, 0)
		memory := Begin(start, history[0])
		for i, available := range history[1:] {
			seen := sample{features: features(stateOf(&DefaultPrior, memory, start.Add(time.Duration(i)*basis), basis)), weight: 1}
			if available == memory.Available {
				seen.stayed = 1
			}
			if memory.Available {
				up = append(up, seen)
			} else {
				down = append(down, seen)
			}
			memory = Observe(&DefaultPrior, memory, start.Add(time.Duration(i+1)*basis), available)
		}
	}
	return up, down
}

// believed is what the default prior says of every point of the grid.
func believed(available bool) (all []sample) {
	for _, age := range ages {
		for _, up := range means {
			for _, down := range means {
				belief := state{available, age, up, down}
				all = append(all, sample{features(belief), stay(&DefaultPrior, belief, basis), defaultLooks / float64(cells)})
			}
		}
	}
	return all
}

// newton maximises the likelihood less the ridge, by Newton's method from a first guess.
func newton(seen []sample, from [terms]float64) ([terms]float64, error) {
	weights := from
	for range newtonRounds {
		gradient, curvature := mat.NewVecDense(terms, nil), mat.NewSymDense(terms, nil)
		for i := range terms {
			gradient.SetVec(i, ridge*(from[i]-weights[i]))
			curvature.SetSym(i, i, ridge)
		}
		for _, one := range seen {
			chance := logistic(dot(weights, one.features))
			for i, x := range one.features {
				gradient.SetVec(i, gradient.AtVec(i)+one.weight*(one.stayed-chance)*x)
				for j := i; j < terms; j++ {
					curvature.SetSym(i, j, curvature.At(i, j)+one.weight*chance*(1-chance)*x*one.features[j])
				}
			}
		}
		var factor mat.Cholesky
		var step mat.VecDense
		if !factor.Factorize(curvature) {
			return weights, fmt.Errorf("the curvature is not positive after weights %v", weights)
		}
		if err := factor.SolveVecTo(&step, gradient); err != nil {
			return weights, err
		}
		for i := range weights {
			weights[i] += step.AtVec(i)
		}
		if mat.Norm(&step, math.Inf(1)) < newtonAccuracy {
			break
		}
	}
	return weights, nil
}
