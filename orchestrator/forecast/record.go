package forecast

import (
	"math"
	"slices"
)

// record is what one model said at past origins, and what came: its effects of special days, its errors, and from them the quantiles of the next forecast.
type record struct {
	horizon  int
	learning int // trials that come first and do not count: too little is known then
	effects  effects
	open     []outcome          // whose steps are not all past
	errors   [][bands][]float64 // of the last trials, by step, in the units of each kind of band; NaN: not known
	pinballs [bands]float64     // what each kind of band lost so far
	tally    Tally
}

// outcome is what was said at an origin, before and after the effects of special days, and the quantiles of each kind of band.
type outcome struct {
	origin    int
	raw, said []float64
	upper     [bands][2][]float64
}

// The kinds of bands: errors may be as large everywhere, or as large as what is said.
const (
	absolute = iota
	relative
	bands
)

const (
	bandTrials  = 42 // from whose errors quantiles are taken
	bandBuckets = 48 // the steps of a horizon in so many groups at most
	bandErrors  = 6  // that one trial gives to a group
)

// uppers are the quantiles above the median.
var uppers = [2]float64{.9, .95}

func newRecord(horizon, learning int) *record {
	return &record{horizon: horizon, learning: learning, tally: newTally(horizon)}
}

// add what a model says at an origin; nil: nothing.
func (r *record) add(s *series, origin int, raw []float64) {
	if raw != nil {
		r.open = append(r.open, r.predict(s, origin, raw))
	}
}

// close learns from the trials whose steps lie before the origin.
func (r *record) close(s *series, origin int) {
	for len(r.open) > 0 && r.open[0].origin+r.horizon <= origin {
		one := r.open[0]
		r.open = r.open[1:]
		came := s.Values[one.origin : one.origin+r.horizon]
		if r.learning > 0 {
			r.learning--
		} else {
			kind := r.kind()
			r.tally.Add(came, one.said, one.upper[kind][0], one.upper[kind][1], s.period)
			r.learn(one, came)
		}
		r.effects.add(s, one.origin, one.raw)
	}
}

func (r *record) learn(one outcome, came []float64) {
	var errors [bands][]float64
	for kind := range bands {
		unit := units(kind, one.said)
		errors[kind] = make([]float64, r.horizon)
		for h := range came {
			errors[kind][h] = math.NaN()
			if unknown(came[h]) {
				continue
			}
			if unit[h] > 0 {
				errors[kind][h] = (came[h] - one.said[h]) / unit[h]
			}
			for q, share := range uppers {
				r.pinballs[kind] += pinball(share, came[h], one.upper[kind][q][h])
			}
		}
	}
	r.errors = append(r.errors, errors)
	if len(r.errors) > bandTrials {
		r.errors = r.errors[1:]
	}
}

// units in which errors are counted.
func units(kind int, said []float64) []float64 {
	unit := repeated(1, len(said))
	if kind == relative {
		level := meanOf(said)
		for h := range unit {
			unit[h] = said[h] + level/10
		}
	}
	return unit
}

func (r *record) kind() int {
	if r.pinballs[relative] < r.pinballs[absolute] {
		return relative
	}
	return absolute
}

// predict applies the effects of special days, and gives quantiles.
func (r *record) predict(s *series, origin int, raw []float64) outcome {
	one := outcome{origin: origin, raw: raw, said: r.effects.apply(s, origin, raw)}
	for h := range one.said { // what is multiplied for a special day may pass all bounds
		one.said[h] = min(one.said[h], mostLoad)
	}
	for kind := range bands {
		one.upper[kind] = r.band(kind, one.said)
	}
	return one
}

// band gives the quantiles from the errors of past trials at about the same distance from their origins.
func (r *record) band(kind int, said []float64) (upper [2][]float64) {
	for q := range upper {
		upper[q] = slices.Clone(said)
	}
	width := (r.horizon + bandBuckets - 1) / bandBuckets
	each := max(3*width/bandErrors, 1)
	unit := units(kind, said)
	var near []float64
	for from := 0; from < r.horizon; from += width {
		near = near[:0]
		for i, errors := range r.errors {
			for h := max(from-width, 0) + i%each; h < min(from+2*width, r.horizon); h += each {
				if one := errors[kind][h]; !math.IsNaN(one) {
					near = append(near, one)
				}
			}
		}
		slices.Sort(near)
		for q, share := range uppers {
			errs := quantile(near, share)
			for h := from; h < min(from+width, r.horizon); h++ {
				upper[q][h] = min(said[h]+max(errs, 0)*unit[h], mostLoad)
			}
		}
	}
	return upper
}

// quantile of sorted errors, such that the next one of the same kind lies below it with so much probability; 0 of none.
func quantile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := int(math.Ceil(share*float64(len(sorted)+1))) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}
