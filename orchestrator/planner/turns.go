package planner

import (
	"cmp"
	"math"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// BacklogID stands for the identifier of a job in the order to serve a backlog, which whoever hands out assignments replaces by the queue's standing jobs.
const BacklogID = "backlog"

// turns says which model each worker of a pool serves, where workers hold one model each and work arrives item by item; see docs/turns.md.
func turns(w *world) {
	for _, p := range w.pools {
		if p.external {
			continue // its workers take what they like
		}
		if p.round == nil {
			if p.round = newRound(w, p); p.round != nil {
				p.round.decide(false)
			}
		}
		if p.round != nil {
			p.round.tell(w)
		}
	}
}

// decide says what each worker does; workers that have nothing to do may go, or not.
func (r *round) decide(mayGo bool) {
	r.stay()
	r.overdue()
	r.schedule()
	if mayGo {
		r.sweep()
	}
	r.parked()
}

// round is one decision about the workers of a pool.
type round struct {
	pool    *pool
	stocks  []*stock
	servers []*server
	most    int       // workers that there may be
	check   float64   // seconds until something is urgent
	busy    bool      // hardly more workers than the work that comes needs
	lead    float64   // seconds after which a worker that is asked for can load
	coming  []float64 // the same of those that were asked for and not heard of yet
}

// server is a worker that takes part.
type server struct {
	worker *worker
	has    *stock // of the model that it has; nil: none
	serves *stock // what it shall serve next; nil: it waits
	idle   bool
	free   float64 // seconds until it is free, as far as is known
}

// waits says that nothing was decided for an idle worker.
func (s *server) waits() bool { return s.idle && s.serves == nil }

// worth is what it costs in a second, on average, when the worker's model goes: it is loaded again once rows have come and waited.
func (s *server) worth() float64 {
	switch {
	case s.has == nil || s.has.rate == 0 && s.has.doubt == "":
		return 0
	case s.has.doubt != "":
		return math.Inf(1)
	}
	missed := s.has.load / (1/s.has.rate + s.has.within)
	if others := float64(s.has.keepers - 1); others > 0 {
		missed *= min(s.has.rate*s.has.mean/others, 1) // the part of their time that the others would be at it
	}
	return missed
}

// newRound gathers the backlogs of the queues that prefer the pool, and its workers; nil: there are no backlogs.
func newRound(w *world, p *pool) *round {
	r := &round{pool: p, check: math.Inf(1)}
	byModel := r.gather(w.now)
	if len(r.stocks) == 0 {
		return nil
	}
	servers := make([]server, 0, len(p.workers))
	for _, one := range p.workers {
		if one.drains || one.view.State == orchestrator.WorkerFailed {
			continue
		}
		servers = append(servers, server{worker: one, has: byModel[one.view.Model], idle: !one.busy() && one.view.State == orchestrator.WorkerIdle})
		s := &servers[len(servers)-1]
		r.servers = append(r.servers, s)
		if s.has != nil {
			s.has.holders = append(s.has.holders, s)
			s.has.keepers++
		}
		s.free = s.busyFor(w, p)
	}
	offered, mean, within := 0.0, 0.0, math.Inf(1)
	for _, s := range r.stocks {
		s.count()
		offered += s.recent * s.mean
		mean += s.mean / float64(len(r.stocks))
		within = min(within, s.within)
	}
	r.most = max(len(r.servers), p.policy.Max*p.slots())
	workers := float64(r.most)
	r.busy = offered > workers*(busyPart-busySpread*math.Sqrt(mean/(within*max(workers, 1))))-busyPeak
	return r
}

// busyFor is how long the worker is not free, as far as is known: a mean row, or as long again as it has been at it.
func (s *server) busyFor(w *world, p *pool) (seconds float64) {
	if s.idle {
		return 0
	}
	if s.worker.view.State == orchestrator.WorkerStarting {
		seconds = max(p.starts().lead(1)-startingFor(w, s.worker.view), 0)
	}
	if s.has != nil {
		seconds += s.has.mean
		if s.worker.view.State == orchestrator.WorkerLoading {
			seconds += s.has.load
		} else if !s.worker.view.Since.IsZero() {
			seconds = max(seconds, w.now.Sub(s.worker.view.Since).Seconds())
		}
	}
	return seconds
}

// stay lets idle workers serve the queue of the model that they have.
func (r *round) stay() {
	for _, one := range r.stocks {
		serving := 0.0
		for _, s := range one.holders {
			if s.idle && (serving < one.urgent() || one.doubt != "") {
				serving++
				s.serves = one
			}
		}
		each := one.work() / max(1, float64(len(one.holders)))
		for _, s := range one.holders {
			s.free += each
		}
	}
}

// overdue gives rows that have waited far too long a worker before all others: the oldest first, each model once. A worker that serves such rows goes on.
func (r *round) overdue() {
	for range r.stocks {
		var worst *stock
		for _, one := range r.stocks {
			if one.overdue() && len(one.holders) == 0 && !one.begun && (worst == nil || one.oldest() < worst.oldest()) {
				worst = one
			}
		}
		if worst == nil {
			return
		}
		victim := r.victim(func(s *server) bool { return s.waits() })
		if victim == nil {
			victim = r.victim(func(s *server) bool { return s.idle && s.serves == s.has && !s.has.overdue() && s.has.doubt == "" })
		}
		if victim == nil {
			return
		}
		victim.begin(worst, "its rows have waited far longer than they should, and go before all others")
	}
}

// parked gives rows that cannot be on time any more to workers that have nothing else to do: those that have the model first, then the oldest.
func (r *round) parked() {
	for _, s := range r.servers {
		if s.waits() && s.has != nil && s.has.aside > 0 {
			s.serves = s.has
		}
	}
	late := slices.Clone(r.stocks)
	slices.SortStableFunc(late, func(a, b *stock) int { return cmp.Compare(a.oldest(), b.oldest()) })
	for _, one := range late {
		if one.aside > 0 && !one.begun && len(one.holders) == 0 {
			r.start(one, "its rows are late already, and a worker has nothing to do")
		}
	}
}

// victim is the worker whose model is missed least.
func (r *round) victim(may func(*server) bool) (victim *server) {
	for _, s := range r.servers {
		if may(s) && (victim == nil || s.worth() < victim.worth()) {
			victim = s
		}
	}
	return victim
}

// begin lets the worker turn to the model.
func (s *server) begin(one *stock, why string) {
	if s.has != nil && s.has != one {
		s.has.keepers--
	}
	s.serves, one.begun = one, true
	if one.why = why; one.mean == 0 {
		one.why = "its speed is not known, and a first measurement is worth most"
	}
}

// start lets the idle worker begin whose model is missed least.
func (r *round) start(one *stock, why string) {
	if victim := r.victim(func(s *server) bool { return s.waits() && s.worth() < math.Inf(1) }); victim != nil {
		victim.begin(one, why)
	}
}

// tell writes the orders, and when to look again.
func (r *round) tell(w *world) {
	for _, s := range r.servers {
		one := s.serves
		if one == nil {
			one = s.has
		}
		if one == nil || s.worker.drains {
			continue
		}
		one.serving++
		for _, q := range one.queues {
			s.worker.turn = append(s.worker.turn, &orchestrator.Order{
				JobKey: orchestrator.JobKey{Tenant: q.policy.Tenant, Queue: q.policy.Name, ID: BacklogID}, Model: one.model, Within: one.ageOnTime(q, w.now),
			})
		}
	}
	if !math.IsInf(r.check, 1) {
		at := w.now.Add(time.Duration(math.Ceil(1000*min(r.check, checkIdle.Seconds()))) * time.Millisecond) // rounded up: then it is so far
		if w.turnsAt.IsZero() || at.Before(w.turnsAt) {
			w.turnsAt = at
		}
	}
	for _, one := range r.stocks {
		one.tell()
	}
}
