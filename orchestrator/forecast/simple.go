package forecast

import "math"

// simple is a model without parameters: what it says of the steps from an origin, of which only earlier values are known; nil where they are too few.
type simple struct {
	name    string
	predict func(s *series, origin, horizon int) []float64
}

// The naive models are the ones that a forecast has to be better than.
const (
	dailyNaive  = "daily naive"
	weeklyNaive = "weekly naive"
	naives      = 2 // they are the first candidates
)

// simples are the candidates without parameters.
var simples = []simple{
	{dailyNaive, func(s *series, origin, horizon int) []float64 { return s.lagged(origin, horizon, s.period) }},
	{weeklyNaive, func(s *series, origin, horizon int) []float64 { return s.lagged(origin, horizon, s.week) }},
	{"level of a period", func(s *series, origin, horizon int) []float64 { return s.level(origin, horizon, s.period) }},
	{"level of a week", func(s *series, origin, horizon int) []float64 { return s.level(origin, horizon, min(s.week, origin)) }},
	{"last steps", func(s *series, origin, horizon int) []float64 {
		return s.level(origin, horizon, max(s.period/48, 1))
	}},
	{"median of days", func(s *series, origin, horizon int) []float64 { return usual(s.byDay, origin, horizon, s.period) }},
	{"median of weeks", func(s *series, origin, horizon int) []float64 { return usual(s.byWeek, origin, horizon, s.week) }},
	{"four weeks, half level", (*series).ofFourWeeks},
}

// lagged repeats the last lag steps.
func (s *series) lagged(origin, horizon, lag int) []float64 {
	if origin < lag {
		return nil
	}
	said := make([]float64, horizon)
	for h := range said {
		said[h] = s.values[back(origin+h, origin, lag)]
	}
	return said
}

// level is the mean of so many last steps.
func (s *series) level(origin, horizon, steps int) []float64 {
	if origin < max(steps, 1) {
		return nil
	}
	return repeated(s.mean(origin-steps, origin), horizon)
}

func repeated(value float64, count int) []float64 {
	all := make([]float64, count)
	for i := range all {
		all[i] = value
	}
	return all
}

// usual is what an array of usual values says of the steps from an origin; beyond its reach its last lag steps are repeated.
func usual(of []float64, origin, horizon, lag int) []float64 {
	said := make([]float64, horizon)
	for h := range said {
		said[h] = of[back(origin+h, origin+lag, lag)]
		if math.IsNaN(said[h]) {
			return nil
		}
	}
	return said
}

// ofFourWeeks is the mean of the last four weeks, moved half the way to the level of the last period.
func (s *series) ofFourWeeks(origin, horizon int) []float64 {
	said := usual(s.ofFour, origin, horizon, s.week)
	if said == nil || origin < s.week+s.period {
		return said
	}
	came, expected := 0.0, 0.0
	for t := origin - s.period; t < origin; t++ {
		came += s.values[t]
		expected += s.ofFour[t]
	}
	if expected > 0 {
		for h := range said {
			said[h] *= .5 + .5*came/expected
		}
	}
	return said
}
