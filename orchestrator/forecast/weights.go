package forecast

import "math"

// The weights of the candidates. The constants were chosen on generated series, see docs/decisions/014-forecast.md.
const (
	forget  = 1 - 1./28 // what an error still counts a period later
	power   = 24.       // of the errors' ratio, where there are many trials
	few     = 12.       // trials at which the power is half of that
	believe = .5        // trials that a candidate is believed to have erred as much as the daily naive one
	least   = 1e-6      // of the reference's error: who errs less is as good as that
)

// The candidates that are there whenever another is.
const (
	daily     = 0
	reference = 2
)

// scores are the errors of the candidates, of each trial; NaN where one said nothing.
type scores struct{ losses [][]float64 }

func (c *scores) add(s *series, one trial) {
	losses := make([]float64, len(one.said))
	for i, said := range one.said {
		losses[i] = math.NaN()
		if said != nil {
			losses[i] = s.loss(one.origin, said)
		}
	}
	c.losses = append(c.losses, losses)
}

// loss is the sum of the absolute errors of what was said.
func (s *series) loss(origin int, said []float64) float64 {
	loss := 0.0
	for h, value := range said {
		if t := origin + h; s.known[t] {
			loss += abs(s.values[t] - value)
		}
	}
	return loss
}

func abs(value float64) float64 { return math.Abs(value) }

// weights of the candidates that said something, in all 1: the less they erred the more.
func (c *scores) weights(said [][]float64) []float64 {
	count, typical := 0.0, 0.0
	for _, losses := range c.losses {
		count, typical = count*forget+1, typical*forget+losses[reference]
	}
	typical *= believe / max(count, 1)
	asDaily := c.ratio(daily, typical, 1)
	weights := make([]float64, len(said))
	best := math.Inf(1)
	for i := range said {
		if said[i] != nil {
			weights[i] = c.ratio(i, typical, asDaily) + least
			best = min(best, weights[i])
		}
	}
	sharp, sum := power*count/(count+few), 0.0
	for i := range said {
		if said[i] != nil {
			weights[i] = math.Pow(best/weights[i], sharp)
			sum += weights[i]
		}
	}
	for i := range weights {
		weights[i] /= max(sum, 1) // the best one has 1
	}
	return weights
}

// ratio of the errors of a candidate to those of the reference at the same origins, believed beforehand to be another one.
func (c *scores) ratio(i int, typical, believed float64) float64 {
	mine, others := 0.0, 0.0
	for _, losses := range c.losses {
		mine, others = mine*forget, others*forget
		if !math.IsNaN(losses[i]) {
			mine, others = mine+losses[i], others+losses[reference]
		}
	}
	if !(others+typical > 0) {
		if mine > 0 {
			return math.MaxFloat32 // the reference never erred
		}
		return believed
	}
	return (mine + believed*typical) / (others + typical)
}

// blend is the weighted mean; nil where nobody said something.
func (c *scores) blend(said [][]float64) []float64 {
	weights := c.weights(said)
	var blend []float64
	for i, one := range said {
		if one == nil {
			continue
		}
		if blend == nil {
			blend = make([]float64, len(one))
		}
		for h, value := range one {
			blend[h] += weights[i] * value
		}
	}
	return blend
}
