package forecast

import "math"

// Errors say how far forecasts were from what came; docs/forecast.md defines them. One that nothing can be said of is NaN.
type Errors struct {
	Steps          int     // that were known
	WAPE           float64 // the sum of absolute errors over that of the values
	SMAPE          float64 // the mean of 2|y-f|/(|y|+|f|)
	MAE            float64 // the mean absolute error
	Pinball        [3]float64
	Covered        [2]float64 // the share of values that were at most the .9, the .95 quantile
	Underprovision float64    // what the .95 quantile lacked at the peaks of the periods, over these peaks
}

// The quantiles of Errors.Pinball.
var quantiles = [3]float64{.5, uppers[0], uppers[1]}

// quarters of a horizon, by which errors are also known.
const quarters = 4

// Tally adds up errors.
type Tally struct {
	horizon int
	all     sums
	by      [quarters]sums
}

// sums are what errors are computed from.
type sums struct {
	count, errs, came, symmetric float64
	pinball                      [3]float64
	covered                      [2]float64
	lacked, peaks                float64
}

func newTally(horizon int) Tally { return Tally{horizon: horizon} }

// Add one forecast, and what came.
func (t *Tally) Add(came, median, upper90, upper95 []float64, period int) {
	for h := range came {
		if unknown(came[h]) {
			continue
		}
		for _, s := range []*sums{&t.all, &t.by[t.quarter(h)]} {
			s.add(came[h], [3]float64{median[h], upper90[h], upper95[h]})
		}
	}
	for from := 0; from < len(came); from += period {
		peak := -1
		for h := from; h < min(from+period, len(came)); h++ {
			if !unknown(came[h]) && (peak < 0 || came[h] > came[peak]) {
				peak = h
			}
		}
		if peak < 0 {
			continue
		}
		for _, s := range []*sums{&t.all, &t.by[t.quarter(peak)]} {
			s.peaks += came[peak]
			s.lacked += max(came[peak]-upper95[peak], 0)
		}
	}
}

func (s *sums) add(came float64, said [3]float64) {
	s.count++
	s.came += came
	s.errs += abs(came - said[0])
	if sum := came + said[0]; sum > 0 {
		s.symmetric += 2 * abs(came-said[0]) / sum
	}
	for q, share := range quantiles {
		s.pinball[q] += pinball(share, came, said[q])
	}
	for q := range s.covered {
		if came <= said[1+q] {
			s.covered[q]++
		}
	}
}

// pinball is what a quantile loses at one value.
func pinball(share, came, said float64) float64 {
	if came >= said {
		return share * (came - said)
	}
	return (1 - share) * (said - came)
}

// quarter of the horizon in which a step lies.
func (t *Tally) quarter(h int) int { return h * quarters / t.horizon }

// Quarter is where a quarter of a horizon begins, and where it ends.
func Quarter(horizon, quarter int) (from, to int) {
	return (quarter*horizon + quarters - 1) / quarters, ((quarter+1)*horizon + quarters - 1) / quarters
}

// Errors of all steps.
func (t *Tally) Errors() Errors { return t.all.errors() }

// ByHorizon are the errors of each quarter of the horizon.
func (t *Tally) ByHorizon() []Errors {
	all := make([]Errors, quarters)
	for i := range all {
		all[i] = t.by[i].errors()
	}
	return all
}

func (s *sums) errors() Errors {
	e := Errors{Steps: int(s.count), WAPE: over(s.errs, s.came), SMAPE: over(s.symmetric, s.count), MAE: over(s.errs, s.count), Underprovision: over(s.lacked, s.peaks)}
	for q := range e.Pinball {
		e.Pinball[q] = over(s.pinball[q], s.count)
	}
	for q := range e.Covered {
		e.Covered[q] = over(s.covered[q], s.count)
	}
	return e
}

func over(a, b float64) float64 {
	if !(b > 0) {
		return math.NaN()
	}
	return a / b
}

// MASEScale is the mean absolute error of the daily naive forecast inside a history, by which MASE divides; NaN where there is none.
func MASEScale(history History, period int) float64 {
	errs, count := 0.0, 0.0
	for t := period; t < len(history.Values); t++ {
		if now, before := history.Values[t], history.Values[t-period]; !unknown(now) && !unknown(before) {
			errs += abs(now - before)
			count++
		}
	}
	return over(errs, count)
}
