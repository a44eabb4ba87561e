package forecast

// mostTrials bounds the origins of a back-test, in periods.
const mostTrials = 120

// mostSamples bounds what one origin gives to the regressions.
const mostSamples = 96

// walk goes through the history, period by period, and at each origin knows only what lies before it.
type walk struct {
	s       *series
	horizon int
	samples [][]sample            // of each correction
	beta    [][features]float64   // likewise
	open    []trial               // whose steps are not all past
	scores  scores                // of the candidates
	ours    *record               // of their blend
	naive   [naives]naiveOutcomes // beside it
}

// trial is what the candidates said at an origin.
type trial struct {
	origin int
	said   [][]float64 // of each candidate; nil: its history was too short
}

// naiveOutcomes are the errors of a naive model and of the blend, at the origins where both said something; old ones count less.
type naiveOutcomes struct{ errs, ours, came, trials float64 }

func newWalk(s *series, horizon int) *walk {
	w := &walk{s: s, horizon: horizon, samples: make([][]sample, len(corrections)), beta: make([][features]float64, len(corrections)), ours: newRecord(horizon, learningTrials)}
	for i := range w.beta {
		w.beta[i] = corrections[i].prior
	}
	return w
}

// candidates are the names of the models, in the order in which a walk asks them.
func candidates() []string {
	names := make([]string, 0, len(corrections)+len(simples))
	for _, one := range simples {
		names = append(names, one.name)
	}
	for _, one := range corrections {
		names = append(names, one.name)
	}
	return names
}

// trialOrigins are the last steps before the end whose distance from it is a multiple of the period, and before which there is a period at least.
func trialOrigins(end, period int) []int {
	var origins []int
	for origin := end - min(mostTrials, max(end-1, 0)/period)*period; origin < end; origin += period {
		if origin >= period {
			origins = append(origins, origin)
		}
	}
	return origins
}

// run walks to the end of the series.
func (w *walk) run() {
	end := len(w.s.values)
	for _, origin := range trialOrigins(end, w.s.period) {
		w.visit(origin)
	}
	w.close(end)
	w.learn(end, 4)
}

// visit an origin later than the ones before.
func (w *walk) visit(origin int) {
	w.close(origin)
	w.learn(origin, 2)
	said := w.say(w.s, origin)
	w.open = append(w.open, trial{origin, said})
	w.ours.add(w.s, origin, w.scores.blend(said))
	w.sample(origin)
}

// close scores the trials whose steps lie before the origin.
func (w *walk) close(origin int) {
	for len(w.open) > 0 && w.open[0].origin+w.horizon <= origin {
		one := w.open[0]
		w.open = w.open[1:]
		w.compare(one, w.ours.open[0].said)
		w.scores.add(w.s, one)
	}
	w.ours.close(w.s, origin)
}

// compare the blend with the naive models.
func (w *walk) compare(one trial, ours []float64) {
	if len(w.scores.losses) < learningTrials {
		return
	}
	for i := range naives {
		of := &w.naive[i]
		of.errs, of.ours, of.came = of.errs*forgetNaive, of.ours*forgetNaive, of.came*forgetNaive
		if one.said[i] != nil {
			of.errs += w.s.loss(one.origin, one.said[i])
			of.ours += w.s.loss(one.origin, ours)
			of.came += w.s.sums[one.origin+w.horizon] - w.s.sums[one.origin]
			of.trials++
		}
	}
}

// forgetNaive is what an error still counts a period later where the blend is compared with a naive model: half after ten.
const forgetNaive = .93

// learn fits the corrections to the samples whose steps lie before the origin.
func (w *walk) learn(origin, rounds int) {
	for i, one := range corrections {
		past := len(w.samples[i])
		for past > 0 && w.samples[i][past-1].origin+w.horizon > origin {
			past--
		}
		w.beta[i] = fit(w.samples[i][:past], origin, w.s.period, one.prior, w.beta[i], rounds)
	}
}

// say asks every candidate.
func (w *walk) say(s *series, origin int) [][]float64 {
	said := make([][]float64, 0, len(simples)+len(corrections))
	for _, one := range simples {
		said = append(said, one.predict(s, origin, w.horizon))
	}
	for i, one := range corrections {
		r, ok := one.rows(s, origin, w.horizon)
		if !ok {
			said = append(said, nil)
			continue
		}
		corrected := make([]float64, w.horizon)
		for h := range corrected {
			corrected[h] = max(r.usual[h]+dot(&r.x[h], &w.beta[i]), 0)
		}
		said = append(said, corrected)
	}
	return said
}

// sample keeps some steps of the origin, other ones each time.
func (w *walk) sample(origin int) {
	each := (w.horizon + mostSamples - 1) / mostSamples
	for i, one := range corrections {
		r, ok := one.rows(w.s, origin, w.horizon)
		if !ok {
			continue
		}
		for h := origin / w.s.period % each; h < w.horizon; h += each {
			if t := origin + h; t < len(w.s.values) && w.s.known[t] {
				w.samples[i] = append(w.samples[i], sample{r.x[h], w.s.values[t] - r.usual[h], origin})
			}
		}
	}
}
