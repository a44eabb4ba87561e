package forecast

// Ours is how the forecast is called among its peers.
const Ours = "nightshift"

// Evaluation is how a model did at all origins.
type Evaluation struct {
	Model   string
	Errors  Errors
	Quarter []Errors // by quarters of the horizon
	Off     int      // origins at which it was off; a peer never is
}

// Evaluate forecasts from an origin, and then from one every period later, each time with what was known then, as far as a whole horizon has come. It returns the
// origins and ours, then the peers. Peers know the same holidays, and their quantiles come from their own errors, as ours do.
func Evaluate(history History, settings Settings, first int) (origins []int, all []Evaluation) {
	for origin := first; origin+settings.Horizon <= len(history.Values); origin += settings.Period {
		origins = append(origins, origin)
	}
	ours := Evaluation{Model: Ours}
	tally := newTally(settings.Horizon)
	for _, origin := range origins {
		known := history.before(origin)
		said := Fit(known, settings).Predict(known)
		if !said.On {
			ours.Off++
		}
		var steps [3][]float64
		for _, one := range said.Steps {
			steps[0], steps[1], steps[2] = append(steps[0], one.Median), append(steps[1], one.P90), append(steps[2], one.P95)
		}
		tally.Add(history.Values[origin:origin+settings.Horizon], steps[0], steps[1], steps[2], settings.Period)
	}
	ours.Errors, ours.Quarter = tally.Errors(), tally.ByHorizon()
	all = append(all, ours)
	s := newSeries(history, settings)
	for _, peer := range peers {
		all = append(all, evaluatePeer(s, peer, settings.Horizon, first, origins))
	}
	return origins, all
}

// evaluatePeer lets a peer forecast at the origins, and before at those from which its quantiles come.
func evaluatePeer(s *series, peer simple, horizon, first int, origins []int) Evaluation {
	r := newRecord(horizon, 0)
	for _, origin := range trialOrigins(first, s.period) {
		r.close(s, origin)
		r.add(s, origin, peer.predict(s, origin, horizon))
	}
	tally := newTally(horizon)
	for _, origin := range origins {
		r.close(s, origin)
		raw := peer.predict(s, origin, horizon)
		one, kind := r.predict(s, origin, raw), r.kind()
		tally.Add(s.Values[origin:origin+horizon], one.said, one.upper[kind][0], one.upper[kind][1], s.period)
		r.add(s, origin, raw)
	}
	return Evaluation{Model: peer.name, Errors: tally.Errors(), Quarter: tally.ByHorizon()}
}
