package forecast

import "math"

// peers are published methods that a forecast is compared with. Where the history is too short for one, the daily naive one stands in, or the level.
var peers = []simple{
	{dailyNaive, orDaily(simples[daily].predict)},
	{weeklyNaive, orDaily(simples[1].predict)},
	{"mean of four weeks", orDaily(func(s *series, origin, horizon int) []float64 { return usual(s.ofFour, origin, horizon, s.week) })},
	{"four weeks, half level", orDaily((*series).ofFourWeeks)},
	{"holt-winters", orDaily((*series).holtWinters)},
	{"theta", orDaily((*series).theta)},
}

func orDaily(predict func(s *series, origin, horizon int) []float64) func(s *series, origin, horizon int) []float64 {
	return func(s *series, origin, horizon int) []float64 {
		said := predict(s, origin, horizon)
		if said == nil {
			said = s.lagged(origin, horizon, s.period)
		}
		if said == nil {
			said = s.level(origin, horizon, origin)
		}
		return said
	}
}

// peerPeriods is how much of the history those are fitted to that go through all of it again and again.
const peerPeriods = 84

// smoothing is a state of additive Holt-Winters, and what it erred so far.
type smoothing struct {
	alpha, beta, gamma float64
	level, trend       float64
	season             []float64
	squares            float64
}

// holtWinters is the additive method; the three rates are those of a grid with the least squared errors one step ahead.
func (s *series) holtWinters(origin, horizon int) []float64 {
	if origin < 2*s.period {
		return nil
	}
	values := s.values[max(origin-peerPeriods*s.period, 0):origin]
	var best smoothing
	for _, alpha := range []float64{.02, .05, .1, .2, .4, .8} {
		for _, beta := range []float64{0, .001, .01} {
			for _, gamma := range []float64{.02, .05, .1, .2, .4} {
				one := smooth(values, s.period, alpha, beta, gamma)
				if best.season == nil || one.squares < best.squares {
					best = one
				}
			}
		}
	}
	said := make([]float64, horizon)
	for h := range said {
		said[h] = max(best.level+float64(h+1)*best.trend+best.season[(len(values)+h)%s.period], 0)
	}
	return said
}

func smooth(values []float64, period int, alpha, beta, gamma float64) smoothing {
	first, second := meanOf(values[:period]), meanOf(values[period:2*period])
	s := smoothing{alpha: alpha, beta: beta, gamma: gamma, level: first, trend: (second - first) / float64(period), season: make([]float64, period)}
	for i := range s.season {
		s.season[i] = values[i] - first
	}
	for t := period; t < len(values); t++ {
		seasonal := &s.season[t%period]
		err := values[t] - s.level - s.trend - *seasonal
		before := s.level
		s.level = alpha*(values[t]-*seasonal) + (1-alpha)*(s.level+s.trend)
		s.trend = beta*(s.level-before) + (1-beta)*s.trend
		*seasonal = gamma*(values[t]-s.level) + (1-gamma)**seasonal
		s.squares += err * err
	}
	return s
}

// theta is the method of Assimakopoulos and Nikolopoulos, computed as simple exponential smoothing with half the slope as drift, of the series without its daily season.
func (s *series) theta(origin, horizon int) []float64 {
	if origin < 2*s.period {
		return nil
	}
	values := s.values[max(origin-peerPeriods*s.period, origin%s.period):origin]
	index := seasonIndex(values, s.period)
	n := len(values)
	adjusted := make([]float64, n)
	for t, value := range values {
		adjusted[t] = value / index[t%s.period]
	}
	slope := slopeOf(adjusted)
	best, level, rate := math.Inf(1), 0.0, 0.0
	for _, alpha := range []float64{.02, .05, .1, .2, .4, .8} {
		at, squares := adjusted[0], 0.0
		for _, value := range adjusted[1:] {
			squares += (value - at) * (value - at)
			at += alpha * (value - at)
		}
		if squares < best {
			best, level, rate = squares, at, alpha
		}
	}
	start := (1 - math.Pow(1-rate, float64(n))) / rate
	said := make([]float64, horizon)
	for h := range said {
		said[h] = max((level+slope/2*(float64(h)+start))*index[(n+h)%s.period], 0)
	}
	return said
}

// seasonIndex is the mean of each step of a period over the mean of all, not below a twentieth.
func seasonIndex(values []float64, period int) []float64 {
	index, mean := make([]float64, period), meanOf(values)
	for t, value := range values {
		index[t%period] += value * float64(period) / float64(len(values))
	}
	for i := range index {
		if mean > 0 {
			index[i] = max(index[i]/mean, .05)
		} else {
			index[i] = 1
		}
	}
	return index
}

// slopeOf the straight line through values.
func slopeOf(values []float64) float64 {
	n := float64(len(values))
	middle, mean := (n-1)/2, meanOf(values)
	above, below := 0.0, 0.0
	for t, value := range values {
		x := float64(t) - middle
		above += x * (value - mean)
		below += x * x
	}
	return above / below
}
