package planner

import "time"

// How long a plan holds at most.
const (
	checkIdle = 30 * time.Second
	checkOpen = 5 * time.Second
)

// nextCheck is when something may look different: a delay is over, a deadline passes, or the last moment at which a new worker would still
// help to meet it.
func nextCheck(w *world) {
	w.nextCheck = w.now.Add(checkIdle)
	sooner := func(at time.Time) {
		if at.After(w.now) && at.Before(w.nextCheck) {
			w.nextCheck = at
		}
	}
	sooner(w.turnsAt)
	for _, p := range w.pools {
		if !p.memory.LowSince.IsZero() {
			sooner(p.memory.LowSince.Add(p.policy.ScaleDownDelay))
		}
		for _, at := range p.lentUntil {
			sooner(at)
		}
	}
	for _, k := range w.peaks {
		for _, at := range []time.Time{k.ask(k.needs), k.view.From, k.gone()} {
			sooner(at)
		}
	}
	for _, q := range w.queues {
		if q.backlog != nil && q.backlog.work != 0 {
			sooner(w.now.Add(checkOpen))
		}
	}
	for _, j := range w.jobs {
		if j.open {
			sooner(w.now.Add(checkOpen))
		}
		if j.view.Deadline.IsZero() {
			continue
		}
		sooner(j.view.Deadline)
		if p := j.pool(); p != nil {
			lead := p.start() + j.speed.slowLoad
			sooner(j.view.Deadline.Add(-time.Duration(lead * float64(time.Second))))
		}
	}
}
