package forecast

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Model is what has been learned from a history. It is not changed by its use.
type Model struct {
	settings Settings
	walk     *walk
}

// Forecast is what is expected of each step after a history.
type Forecast struct {
	Start   time.Time
	Step    time.Duration
	Steps   []Quantiles
	Weights []Weight // of the models whose weighted mean it is, the largest first
	On      bool     // whether capacity may be added for it
	Reason  string   // why, in a sentence
	Trials  int      // of the back-test
	Error   Errors   // of the back-test
	Quarter []Errors // likewise, by quarters of the horizon
}

// Quantiles of a step: what comes is at most so much with a probability of .5, .9 and .95. NaN where nothing is known.
type Quantiles struct{ Median, P90, P95 float64 }

// Weight of a model.
type Weight struct {
	Model  string
	Weight float64
}

const (
	// learningTrials come first, and do not count: where nothing has been tried, all models have a say, however wrong.
	learningTrials = 2
	// leastTrials is how often a forecast must have been tried after them before it is used.
	leastTrials = 3
)

// Fit learns from a history: a back-test whose origins are whole periods before its end. Settings must have a period and a horizon of at least one step.
func Fit(history History, settings Settings) *Model {
	settings.Period, settings.Horizon = max(settings.Period, 1), max(settings.Horizon, 1)
	w := newWalk(newSeries(history.recent(settings.Period), settings), settings.Horizon)
	w.run()
	w.s, w.samples = nil, nil // a prediction needs neither, and they are most of what is held
	return &Model{settings, w}
}

// Predict what comes after a history: that of the fit, or the same some steps later.
func (m *Model) Predict(history History) Forecast {
	s := newSeries(history.recent(m.settings.Period), m.settings)
	origin := len(s.values)
	said := m.walk.say(s, origin)
	f := Forecast{Start: history.at(len(history.Values)), Step: history.Step, Steps: make([]Quantiles, m.settings.Horizon)}
	f.Error, f.Quarter, f.Trials = m.walk.ours.tally.Errors(), m.walk.ours.tally.ByHorizon(), len(m.walk.scores.losses)
	f.On, f.Reason = m.walk.verdict()
	blend := m.walk.scores.blend(said)
	if blend == nil {
		f.On, f.Reason = false, "the forecast is off: nothing is known of the load"
		for h := range f.Steps {
			f.Steps[h] = Quantiles{math.NaN(), math.NaN(), math.NaN()}
		}
		return f
	}
	one, kind := m.walk.ours.predict(s, origin, blend), m.walk.ours.kind()
	for h := range f.Steps {
		f.Steps[h] = Quantiles{one.said[h], one.upper[kind][0][h], one.upper[kind][1][h]}
	}
	f.Weights = sortedWeights(m.walk.scores.weights(said))
	return f
}

// sortedWeights leaves out who has no say: less than one in a thousand.
func sortedWeights(weights []float64) []Weight {
	var all []Weight
	for i, name := range candidates() {
		if weights[i] >= .001 {
			all = append(all, Weight{name, weights[i]})
		}
	}
	slices.SortStableFunc(all, func(a, b Weight) int { return cmp.Compare(b.Weight, a.Weight) })
	return all
}

// verdict says whether the blend errs no more than the naive models, and why.
func (w *walk) verdict() (on bool, reason string) {
	trials := len(w.scores.losses)
	if trials < learningTrials+leastTrials {
		return false, fmt.Sprintf("the forecast is off: it could be tried %d times on the history, and has to be %d times", trials, learningTrials+leastTrials)
	}
	worst, of := 0.0, 0
	for i, one := range w.naive {
		if one.trials < leastTrials {
			continue
		}
		if ratio := ratioOf(one); ratio > worst {
			worst, of = ratio, i
		}
	}
	name := simples[of].name
	if worst > 1+1e-6 {
		return false, fmt.Sprintf("the forecast is off: in %d trials on the history, late ones counting most, it erred %.2f times as much as the %s one", trials, worst, name)
	}
	return true, fmt.Sprintf("the forecast is on: in %d trials on the history, late ones counting most, it erred %.2f times as much as the %s one", trials, worst, name)
}

// ratioOf is the error of the blend over that of a naive model; 1 where neither erred.
func ratioOf(one naiveOutcomes) float64 {
	if rounding := 1e-9 * one.came; one.errs+rounding > 0 {
		return (one.ours + rounding) / (one.errs + rounding)
	}
	return 1
}
