package planner

import (
	"fmt"
	"math"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	// sweepAge is the part of their time that rows of a model have waited when a worker begins it before it goes.
	sweepAge = .3
	// joinPart is the part of its margin that work keeps, or else a further worker is asked for.
	joinPart = .2
)

// takesTurns says that workers of the pool turn from one model to another.
func takesTurns(queues []*queue) bool {
	for _, q := range queues {
		if q.backlog.view.Model != queues[0].backlog.view.Model {
			return true
		}
	}
	return false
}

// levelTurns is how many workers the pool needs now, where they take turns: those that have something to do, and those that have to be asked for.
func (p *pool) levelTurns(w *world) (int, string) {
	p.round = newRound(w, p)
	present := p.present()
	r := p.round
	r.lead = p.starts().lead(1)
	age := 0.0
	if !p.memory.Grown.IsZero() {
		age = max(w.now.Sub(p.memory.Grown).Seconds(), 0)
	}
	for range min(present-len(r.servers), len(r.servers)+len(r.stocks)) { // of more than that there are no portions
		r.coming = append(r.coming, max(r.lead-age, 0))
	}
	r.decide(p.policy.Min < p.policy.Max)
	for _, one := range r.stocks {
		if one.doubt != "" {
			return present, "a backlog is not known: " + one.doubt + "; nothing changes on a guess"
		}
	}
	idle := 0
	for _, s := range r.servers {
		if s.worker.turns = s.serves != nil; s.waits() {
			idle++
		}
	}
	if more := r.more(p.policy.Max*p.slots() + 1 - present); more > 0 {
		return present + more, fmt.Sprintf("%s, or the turns of all models will not be in time: a new worker is counted on after %s", counted(more, "more worker"), span(r.lead))
	}
	if present == 0 {
		return 0, "nothing has to begin yet"
	}
	if idle > 0 {
		return max(present-idle, 0), fmt.Sprintf("%s: nothing that waits is worth another turn yet", counted(max(present-idle, 0), "worker"))
	}
	return present, "its workers do all that has to begin now"
}

// fewWorkers are tried one after the other; beyond them steps grow.
const fewWorkers = 8

// more is how many workers have to be asked for so that the models that wait are in time. The first waits for the last moment with a margin; others for most of the
// margin to be gone.
func (r *round) more(most int) (count int) {
	portions := r.portions()
	if len(r.servers)+len(r.coming) == 0 && most > 0 {
		courses := r.crew(1)
		lay(portions, courses)
		if courses[0].least > 0 && !r.hasLate() {
			r.check = min(r.check, courses[0].least)
			return 0
		}
		count = 1
	}
	for most = min(most, len(portions)); count < most; count = min(count+1+count/fewWorkers, most) {
		lay(portions, r.crew(count))
		if !r.short(portions) {
			break
		}
	}
	return count
}

// hasLate says that rows wait that are late already.
func (r *round) hasLate() bool {
	for _, one := range r.stocks {
		if one.aside > 0 {
			return true
		}
	}
	return false
}

// short says that something would be late, or nearly, that one more worker would do sooner.
func (r *round) short(portions []portion) bool {
	for _, one := range portions {
		if one.slack < joinPart*one.stock.margin() && one.slack < one.stock.slack(r.lead+one.stock.load, one.workers) {
			return true
		}
	}
	return false
}

// crew are the courses of the workers, with what they do now, and of so many that would be asked for.
func (r *round) crew(more int) []course {
	list := make([]course, 0, len(r.servers)+len(r.coming)+more)
	for _, s := range r.servers {
		free := s.free
		if s.serves != nil && s.serves != s.has {
			free = s.serves.load + s.serves.work()
		}
		list = append(list, course{free: free, least: math.Inf(1)})
	}
	for _, in := range r.coming {
		list = append(list, course{free: in, least: math.Inf(1)})
	}
	for range more {
		list = append(list, course{free: r.lead, least: math.Inf(1)})
	}
	return list
}

// sweep lets workers that would go begin what would ask for a worker again soon.
func (r *round) sweep() {
	for _, one := range r.portions() {
		if one.workers == 1 && one.first < (1-sweepAge)*one.stock.within {
			r.start(one.stock, "it has waited for a while, and before its worker goes it saves the start of another")
		}
	}
}

// startingFor is how long the worker has been starting.
func startingFor(w *world, view *orchestrator.WorkerView) float64 {
	if view.Asked.IsZero() {
		return 0
	}
	return max(w.now.Sub(view.Asked).Seconds(), 0)
}
