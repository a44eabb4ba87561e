package forecast

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// A correction is a regression of what differs from the usual value on how the last days differed from theirs.

// correction is a kind of usual value, and what may move it.
type correction struct {
	name  string
	rows  func(s *series, origin, horizon int) (rows, bool)
	prior [features]float64 // believed until the history says otherwise
}

var corrections = []correction{
	{"corrected week", func(s *series, origin, horizon int) (rows, bool) {
		return s.seasonal(s.byWeek, s.week, origin, horizon)
	}, [features]float64{2: .5}},
	{"corrected day", func(s *series, origin, horizon int) (rows, bool) {
		return s.seasonal(s.byDay, s.period, origin, horizon)
	}, [features]float64{2: .5}},
	{"corrected level", (*series).flat, [features]float64{}},
}

const features = 13

// rows are the usual values and features of the steps from an origin.
type rows struct {
	usual []float64
	x     [][features]float64
}

// seasonal rows begin from an array of usual values; false where the history is too short.
func (s *series) seasonal(array []float64, lag, origin, horizon int) (rows, bool) {
	said := usual(array, origin, horizon, lag)
	if said == nil || origin < lag+s.period {
		return rows{}, false
	}
	r := rows{said, make([][features]float64, horizon)}
	ratio := func(steps int) float64 {
		differs, of := 0.0, 0.0
		for t := max(origin-steps, lag); t < origin; t++ {
			differs += s.seen(t, origin) - array[t]
			of += array[t]
		}
		if !(of > 0) {
			return 0
		}
		return min(differs/of, 4)
	}
	week, day, quarter, hours := ratio(s.week), ratio(s.period), ratio(max(s.period/4, 1)), ratio(max(s.period/16, 1))
	four := usual(s.ofFour, origin, horizon, s.week)
	level := s.mean(origin-s.week, origin)
	for h := range r.x {
		base := said[h]
		soon, later := s.decays(h)
		yesterday := back(origin+h, origin, s.period)
		differed := 0.0
		if yesterday >= lag {
			differed = s.values[yesterday] - array[yesterday]
		}
		mean, last := base, base
		if four != nil {
			mean, last = four[h], s.values[back(origin+h, origin, s.week)]
		}
		r.x[h] = [features]float64{
			level - base, base * week, base * day, base * quarter, base * quarter * soon, base * quarter * later, base * hours, base * hours * soon, base * hours * later,
			differed, differed * later, mean - base, last - base,
		}
	}
	return r, true
}

// decays say how much of what is now still counts after some steps: of two kinds.
func (s *series) decays(h int) (soon, later float64) {
	share := float64(h) / float64(s.period)
	return math.Exp(-12 * share), math.Exp(-3 * share)
}

// flat rows begin from the level of the last period.
func (s *series) flat(origin, horizon int) (rows, bool) {
	if origin < 2*s.period {
		return rows{}, false
	}
	level := s.mean(origin-s.period, origin)
	r := rows{repeated(level, horizon), make([][features]float64, horizon)}
	week := s.mean(origin-s.week, origin) - level
	quarter, hours, last := s.lately(origin, max(s.period/4, 1))-level, s.lately(origin, max(s.period/16, 1))-level, s.lately(origin, max(s.period/48, 1))-level
	byDay, byWeek := usual(s.byDay, origin, horizon, s.period), usual(s.byWeek, origin, horizon, s.week)
	for h := range r.x {
		soon, later := s.decays(h)
		yesterday := s.values[back(origin+h, origin, s.period)] - level
		weekly, lastWeek := 0.0, 0.0
		if byWeek != nil {
			weekly, lastWeek = byWeek[h]-level, s.values[back(origin+h, origin, s.week)]-level
		}
		r.x[h] = [features]float64{
			week, quarter, quarter * later, hours, hours * later, last, last * later, last * soon,
			yesterday, yesterday * later, byDay[h] - level, weekly, lastWeek,
		}
	}
	return r, true
}

// sample is what is kept of an origin for the regression.
type sample struct {
	x      [features]float64
	y      float64 // what came, less what was usual
	origin int
}

// fit is the correction with the least absolute error, by weighted least squares again and again, drawn to the prior. Older samples count less.
func fit(samples []sample, origin, period int, prior, begin [features]float64, rounds int) [features]float64 {
	if len(samples) == 0 {
		return prior
	}
	weights := make([]float64, len(samples))
	var scale [features]float64
	total := 0.0
	last, weight := -1, 0.0
	for i, one := range samples {
		if one.origin != last {
			last, weight = one.origin, math.Exp2(-float64(origin-one.origin)/float64(period)/halfLife)
		}
		weights[i] = weight
		total += weight
		for a, x := range one.x {
			scale[a] += weights[i] * x * x
		}
	}
	perOrigin := float64(len(samples)) / float64(origins(samples))
	beta := begin
	for range rounds {
		next, ok := reweighted(samples, weights, total, scale, perOrigin/total, &prior, beta)
		if !ok {
			return prior
		}
		beta = next
	}
	return beta
}

const (
	halfLife = 60. // periods after which a sample counts half
	ridge    = .5  // how many origins the prior counts as
)

func origins(samples []sample) int {
	count, last := 0, -1
	for _, one := range samples {
		if one.origin != last {
			count, last = count+1, one.origin
		}
	}
	return count
}

// reweighted is one round: errors of the last one decide what a sample counts.
func reweighted(samples []sample, weights []float64, total float64, scale [features]float64, share float64, prior *[features]float64, beta [features]float64) ([features]float64, bool) {
	errors := make([]float64, len(samples))
	mean := 0.0
	for i := range samples {
		errors[i] = abs(samples[i].y - dot(&samples[i].x, &beta))
		mean += errors[i] / float64(len(samples))
	}
	if !(mean > 0) {
		return beta, true // there is nothing to gain
	}
	sum := 0.0
	for i := range errors {
		errors[i] = weights[i] / max(errors[i], mean/10)
		sum += errors[i]
	}
	var a [features][features]float64
	var b [features]float64
	for i := range samples {
		x, k := &samples[i].x, errors[i]*total/sum
		y := samples[i].y - dot(x, prior)
		for r := range features {
			kx := k * x[r]
			b[r] += kx * y
			for c := r; c < features; c++ {
				a[r][c] += kx * x[c]
			}
		}
	}
	return solve(&a, &b, scale, ridge*share, prior)
}

// solve the normal equations with a ridge in units of each feature.
func solve(a *[features][features]float64, b *[features]float64, scale [features]float64, ridge float64, prior *[features]float64) (beta [features]float64, ok bool) {
	matrix := mat.NewSymDense(features, nil)
	largest := slices.Max(scale[:])
	for r := range features {
		for c := r; c < features; c++ {
			matrix.SetSym(r, c, a[r][c])
		}
		matrix.SetSym(r, r, a[r][r]+ridge*scale[r]+1e-9*largest)
	}
	var factor mat.Cholesky
	if !(largest > 0) || !factor.Factorize(matrix) {
		return beta, false
	}
	var solution mat.VecDense
	if err := factor.SolveVecTo(&solution, mat.NewVecDense(features, b[:])); err != nil {
		return beta, false
	}
	for r := range beta {
		beta[r] = prior[r] + solution.AtVec(r)
		if math.IsNaN(beta[r]) || math.IsInf(beta[r], 0) {
			return beta, false
		}
	}
	return beta, true
}

func dot(x, beta *[features]float64) float64 {
	sum := 0.0
	for i := range x {
		sum += x[i] * beta[i]
	}
	return sum
}
