package forecast

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var monday = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// The generated series have steps of two hours.
const (
	day  = 12
	each = 2 * time.Hour
)

// seasonal has a daily and a weekly season, noise of a tenth, and a level that wanders.
func seasonal(days int, seed uint64) History {
	random := rand.New(rand.NewPCG(seed, 0))
	values, level := make([]float64, days*day), 1000.
	for t := range values {
		if t%day == 0 {
			level *= 1 + .05*random.NormFloat64()
		}
		week := 1.
		if t/day%7 >= 5 {
			week = .5
		}
		values[t] = max(level*week*(1.2+math.Sin(2*math.Pi*float64(t)/day))*(1+.1*random.NormFloat64()), 0)
	}
	return History{monday, each, values}
}

func evaluated(t *testing.T, history History, settings Settings, first int) map[string]Evaluation {
	t.Helper()
	_, all := Evaluate(history, settings, first)
	by := map[string]Evaluation{}
	for _, one := range all {
		by[one.Model] = one
	}
	return by
}

// On a load with a known season the forecast is better than every peer, and its quantiles hold.
func TestSeasonal(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		by := evaluated(t, seasonal(63, seed), Settings{Period: day, Horizon: day}, 45*day)
		ours := by[Ours]
		for name, peer := range by {
			if ours.Errors.WAPE > peer.Errors.WAPE || ours.Errors.Pinball[2] > 1.05*peer.Errors.Pinball[2] {
				t.Errorf("seed %d: ours %+v, %s %+v", seed, ours.Errors, name, peer.Errors)
			}
		}
		if ours.Errors.WAPE > .13 || ours.Errors.Covered[1] < .90 || ours.Errors.Covered[1] > .995 || ours.Off > 0 {
			t.Errorf("seed %d: %+v, off at %d origins", seed, ours.Errors, ours.Off)
		}
	}
}

// A forecast says which models it is made of and how wrong it was, and may be made again as steps come without learning anew.
func TestPredict(t *testing.T) {
	t.Parallel()
	history := seasonal(56, 1)
	model := Fit(history.before(50*day), Settings{Period: day, Horizon: 2 * day})
	f := model.Predict(history.before(50 * day))
	sum := 0.
	for i, one := range f.Weights {
		sum += one.Weight
		if i > 0 && one.Weight > f.Weights[i-1].Weight {
			t.Errorf("weights are not sorted: %v", f.Weights)
		}
	}
	if sum < .99 || sum > 1.000001 || !f.On || f.Trials != 48 || len(f.Quarter) != 4 || !(f.Error.WAPE > 0) || f.Start != history.at(50*day) || f.Step != each {
		t.Errorf("%+v", f)
	}
	later := model.Predict(history.before(50*day + 5))
	if later.Start != history.at(50*day+5) || later.Steps[0] == f.Steps[5] {
		t.Errorf("five steps later it begins at %s with %+v; before that step was %+v", later.Start, later.Steps[0], f.Steps[5])
	}
	again := model.Predict(history.before(50 * day))
	if again.Steps[7] != f.Steps[7] {
		t.Errorf("using a model changes it: %+v, then %+v", f.Steps[7], again.Steps[7])
	}
}

// A forecast is off where it is worse than a naive one, where it has not been tried, and where nothing is known; and says so.
func TestOff(t *testing.T) {
	t.Parallel()
	settings := Settings{Period: day, Horizon: day}
	steps := make([]float64, 60*day) // a level that stays for nine days: nothing is better than the last day
	for i := range steps {
		steps[i] = 100 * float64(1+i/(9*day)%3)
	}
	for name, test := range map[string]struct {
		history History
		on      bool
		reason  string
	}{
		"a season":          {seasonal(42, 1), true, "the forecast is on: in 41 trials on the history, late ones counting most, it erred 0."},
		"steps":             {History{monday, each, steps}, false, "times as much as the daily naive one"},
		"always the same":   {History{monday, each, repeated(7, 20*day)}, true, "1.00 times as much"},
		"three days":        {seasonal(3, 1), false, "the forecast is off: it could be tried 2 times on the history, and has to be 5 times"},
		"less than a day":   {History{monday, each, repeated(7, day-1)}, false, "it could be tried 0 times"},
		"nothing is known":  {History{monday, each, repeated(math.NaN(), 20*day)}, false, "the forecast is off: nothing is known of the load"},
		"nothing ever came": {History{monday, each, repeated(0, 20*day)}, true, "1.00 times as much"},
	} {
		f := Fit(test.history, settings).Predict(test.history)
		if f.On != test.on || !strings.Contains(f.Reason, test.reason) {
			t.Errorf("%s: on %v: %s", name, f.On, f.Reason)
		}
		if strings.HasPrefix(f.Reason, "the forecast is on") != f.On {
			t.Errorf("%s: on %v, but %s", name, f.On, f.Reason)
		}
	}
}

// A load that doubles at the ends of months does so in the forecast as soon as that has shown to help.
func TestEndOfMonth(t *testing.T) {
	t.Parallel()
	history := seasonal(240, 2)
	for i := range history.Values {
		if history.at(i).AddDate(0, 0, 1).Day() == 1 {
			history.Values[i] *= 2
		}
	}
	for _, test := range []struct {
		origin time.Time
		above  float64 // what is expected over what is usual
		below  float64
	}{
		{time.Date(2026, 7, 31, 0, 0, 0, 0, time.UTC), 0, 1.3},
		{time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC), 1.4, 2.2},
		{time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), 1.4, 2.2},
		{time.Date(2026, 12, 30, 0, 0, 0, 0, time.UTC), 0, 1.3},
	} {
		origin := int(test.origin.Sub(monday) / each)
		known := history.before(origin)
		f := Fit(known, Settings{Period: day, Horizon: day}).Predict(known)
		said, usual := 0., 0.
		for h, one := range f.Steps {
			said += one.Median
			usual += history.Values[origin-7*day+h]
		}
		if ratio := said / usual; ratio < test.above || ratio > test.below {
			t.Errorf("%s: %.2f times the week before, want %g to %g", test.origin.Format(time.DateOnly), ratio, test.above, test.below)
		}
	}
}

// Known holidays change what is forecast for one, and leave no mark on the week after. Peers know them, too.
func TestHolidays(t *testing.T) {
	t.Parallel()
	history := seasonal(105, 3)
	var holidays []time.Time
	for _, at := range []int{20, 41, 60, 81, 100} {
		holidays = append(holidays, history.at(at*day))
		for h := range day {
			history.Values[at*day+h] /= 5
		}
	}
	without := evaluated(t, history, Settings{Period: day, Horizon: day}, 95*day)
	with := evaluated(t, history, Settings{Period: day, Horizon: day, Holidays: holidays}, 95*day)
	for _, name := range []string{Ours, weeklyNaive} {
		if with[name].Errors.WAPE > .9*without[name].Errors.WAPE {
			t.Errorf("%s errs %.3f with holidays known, %.3f without", name, with[name].Errors.WAPE, without[name].Errors.WAPE)
		}
	}
	if ours := with[Ours].Errors.WAPE; ours > with[weeklyNaive].Errors.WAPE {
		t.Errorf("ours errs %.3f, the weekly naive one %.3f", ours, with[weeklyNaive].Errors.WAPE)
	}
}

// A holiday that goes on is not taken for an ordinary day, even if it is the first one: its morning says how its afternoon will be. The day after is ordinary.
func TestHolidayInProgress(t *testing.T) {
	t.Parallel()
	history, at := seasonal(60, 6), 50*day
	for h := range day {
		history.Values[at+h] /= 5
	}
	for _, test := range []struct {
		origin       int
		above, below float64
	}{{at + day/2, 0, .7}, {at + day, .6, 1.4}} {
		known := history.before(test.origin)
		f := Fit(known, Settings{Period: day, Horizon: day / 2, Holidays: []time.Time{history.at(at)}}).Predict(known)
		said, usual := 0., 0.
		for h, one := range f.Steps {
			said += one.Median
			usual += history.Values[test.origin-7*day+h]
		}
		if ratio := said / usual; ratio < test.above || ratio > test.below {
			t.Errorf("at %s: %.2f times the week before, want %g to %g", history.at(test.origin), ratio, test.above, test.below)
		}
	}
}

// Gaps are neither zeros nor errors: with a twentieth of the steps unknown, and a whole day, the forecast is nearly what it would have been.
func TestGaps(t *testing.T) {
	t.Parallel()
	history := seasonal(52, 4)
	gaps := History{history.Start, history.Step, append([]float64(nil), history.Values...)}
	random := rand.New(rand.NewPCG(4, 0))
	for i := range gaps.Values[:44*day] {
		if random.Float64() < .05 || i/day == 40 {
			gaps.Values[i] = math.NaN()
		}
	}
	settings := Settings{Period: day, Horizon: day}
	whole, holed := evaluated(t, history, settings, 44*day)[Ours], evaluated(t, gaps, settings, 44*day)[Ours]
	if holed.Errors.WAPE > 1.1*whole.Errors.WAPE {
		t.Errorf("it errs %.4f with gaps, %.4f without", holed.Errors.WAPE, whole.Errors.WAPE)
	}
}

// What peers are known for: a straight line with a season is followed by both smoothing methods.
func TestSmoothingPeers(t *testing.T) {
	t.Parallel()
	values := make([]float64, 30*day)
	for i := range values {
		values[i] = 500 + 2*float64(i) + 100*math.Sin(2*math.Pi*float64(i)/day)
	}
	s := newSeries(History{monday, each, values}, Settings{Period: day, Horizon: day})
	for _, peer := range peers[len(peers)-2:] {
		if loss := s.loss(29*day, peer.predict(s, 29*day, day)) / day / s.mean(29*day, 30*day); loss > .03 {
			t.Errorf("%s errs %.4f", peer.name, loss)
		}
	}
}

func BenchmarkFit(b *testing.B) {
	for name, test := range map[string]struct{ period, days int }{"half hours, 8 weeks": {48, 56}, "minutes, 8 weeks": {1440, 56}, "half hours, a year": {48, 365}} {
		random := rand.New(rand.NewPCG(1, 1))
		values := make([]float64, test.period*test.days)
		for i := range values {
			values[i] = 100 * (2 + math.Sin(2*math.Pi*float64(i)/float64(test.period))) * random.Float64()
		}
		history := History{monday, 24 * time.Hour / time.Duration(test.period), values}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Fit(history, Settings{Period: test.period, Horizon: test.period}).Predict(history)
			}
		})
	}
}
