package forecast

import (
	"math"
	"time"
)

// mostSteps and mostPeriods bound the history that is looked at: a year and some weeks. What is older is left out.
const (
	mostSteps   = 200_000
	mostPeriods = 400
)

// History is a load in steps of one length. An unknown value is NaN; one that is negative or infinite is taken as unknown.
type History struct {
	Start  time.Time // of the first step; days are those of its time zone
	Step   time.Duration
	Values []float64
}

// at is the beginning of a step.
func (h History) at(step int) time.Time { return h.Start.Add(time.Duration(step) * h.Step) }

// before is what was known at the beginning of a step.
func (h History) before(step int) History {
	return History{h.Start, h.Step, h.Values[:step]}
}

// recent leaves out unknown values at the beginning, and what is too old.
func (h History) recent(period int) History {
	from := max(len(h.Values)-min(mostSteps, mostPeriods*period), 0)
	for from < len(h.Values) && unknown(h.Values[from]) {
		from++
	}
	return History{h.at(from), h.Step, h.Values[from:]}
}

// mostLoad is more than any load; what is larger is taken as unknown, so that squares and sums stay finite.
const mostLoad = 1e100

func unknown(value float64) bool { return !(value >= 0 && value <= mostLoad) }

// Settings are what a forecast is asked for.
type Settings struct {
	Period   int         // steps of a day, or of what else comes again and again; a week is seven of them
	Horizon  int         // steps that are forecast
	Holidays []time.Time // the year, month and day of each count
}

// series is a history as the models see it: without gaps and holidays, and with what is usual in every step. Nothing in it at a step depends on later values.
type series struct {
	History
	values []float64 // an unknown one, and one of a holiday, is that of a week before
	known  []bool    // whether a value counts as an error of the models: it is known, and of no holiday
	days   calendar
	period int
	week   int       // steps of seven periods
	sums   []float64 // of the values before each step

	byWeek, byDay, ofFour []float64 // the median of eight weeks, of seven days, the mean of four weeks, of the same step; they reach one week or day beyond the end
}

func newSeries(history History, settings Settings) *series {
	n := len(history.Values)
	s := &series{
		History: history, values: make([]float64, n), known: make([]bool, n), sums: make([]float64, n+1),
		days: newCalendar(history, settings.Holidays, n+settings.Horizon), period: settings.Period, week: 7 * settings.Period,
	}
	for t, value := range history.Values {
		s.known[t] = !unknown(value) && s.days.kinds[t] != holiday
		if !s.known[t] {
			value = s.fill(t, value)
		}
		s.values[t] = value
		s.sums[t+1] = s.sums[t] + value
	}
	s.byWeek = s.sameStep(s.week, 8, medianOf)
	s.byDay = s.sameStep(s.period, 7, medianOf)
	s.ofFour = s.sameStep(s.week, 4, meanOf)
	return s
}

// fill is the value a week before, or a period before, or the value itself, or the one before.
func (s *series) fill(t int, value float64) float64 {
	switch {
	case t >= s.week:
		return s.values[t-s.week]
	case t >= s.period:
		return s.values[t-s.period]
	case !unknown(value):
		return value
	case t > 0:
		return s.values[t-1]
	}
	return 0
}

// sameStep has for each step, and for those until lag after the end, what so many values a multiple of the lag before come to; NaN where there is none.
func (s *series) sameStep(lag, count int, of func([]float64) float64) []float64 {
	usual := make([]float64, len(s.values)+lag)
	near := make([]float64, 0, count)
	for t := range usual {
		near = near[:0]
		for at := t - lag; at >= 0 && len(near) < count; at -= lag {
			near = append(near, s.values[at])
		}
		usual[t] = of(near)
	}
	return usual
}

// medianOf sorts what it is given; NaN of nothing.
func medianOf(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	for i := 1; i < n; i++ { // they are few
		for j := i; j > 0 && values[j] < values[j-1]; j-- {
			values[j], values[j-1] = values[j-1], values[j]
		}
	}
	return values[(n-1)/2]/2 + values[n/2]/2
}

func meanOf(values []float64) float64 {
	mean := 0.0
	for _, value := range values {
		mean += value / float64(len(values))
	}
	if len(values) == 0 {
		return math.NaN()
	}
	return mean
}

// mean of the values from a step, or from the beginning, until another.
func (s *series) mean(from, to int) float64 {
	from = max(from, 0)
	if to <= from {
		return math.NaN()
	}
	return max(s.sums[to]-s.sums[from], 0) / float64(to-from)
}

// seen is a value as it was, if its day is not over at the origin: a holiday that goes on shows in its first hours how it goes on.
func (s *series) seen(t, origin int) float64 {
	if value := s.Values[t]; s.days.kinds[t] == holiday && s.days.days[t] == s.days.days[origin] && !unknown(value) {
		return value
	}
	return s.values[t]
}

// lately is the mean of so many last values as they were seen.
func (s *series) lately(origin, steps int) float64 {
	sum := 0.0
	for t := origin - steps; t < origin; t++ {
		sum += s.seen(t, origin)
	}
	return sum / float64(steps)
}

// back is the last step before the origin that lies a multiple of the lag before t.
func back(t, origin, lag int) int {
	if t < origin {
		return t
	}
	return t - ((t-origin)/lag+1)*lag
}
