package planner

import (
	"fmt"
	"sort"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	// drainShare of the limit is the time in which workers beyond the recent rate should have at least something to do.
	drainShare = 0.5
	// helpShare of the limit is the least time that a new worker is given to help: what would be due sooner is late already.
	helpShare = 0.05
	// beyondRounding is work too little to be short of.
	beyondRounding = 1e-6
)

// level keeps each pool at the level that the backlogs of its queues need: see docs/backlog.md.
func level(w *world) {
	for _, p := range w.pools {
		queues := p.backlogs()
		if len(queues) == 0 {
			continue
		}
		var wanted int
		var why string
		if takesTurns(queues) && !p.external {
			wanted, why = p.levelTurns(w)
		} else {
			wanted, why = newLeveling(w, p, queues).decide(w.interval.Seconds())
		}
		wanted, others := min(wanted, endless), p.wanted
		p.wanted = min(others+wanted, endless)
		p.replicas.change("level", p.inReplicas(p.wanted), why)
		p.leveled = wanted
		if most, capped := mostOf(queues); wanted > most {
			p.leveled = most
			p.wanted = min(others+most, endless)
			if allowed := counted(most, "worker"); capped {
				p.replicas.change("cap", p.inReplicas(p.wanted), fmt.Sprintf("schedules let its queues have at most %s now", allowed))
			} else {
				p.replicas.change("queue_max", p.inReplicas(p.wanted), fmt.Sprintf("its queues may have at most %s%s", allowed, inOrderWhy(queues)))
			}
		}
		if useful := usefulOf(queues); p.leveled > useful {
			p.leveled = useful
			p.wanted = min(others+useful, endless)
			p.replicas.change("useful", p.inReplicas(p.wanted), fmt.Sprintf("more than %s would find nothing to do at once", counted(useful, "consumer")))
		}
	}
}

// backlogs are the queues that prefer the pool and of whose backlog something has been read.
func (p *pool) backlogs() []*queue {
	var queues []*queue
	for _, q := range p.queues {
		if q.backlog != nil {
			queues = append(queues, q)
		}
	}
	return queues
}

// mostOf is how many workers the queues may have together, and whether a cap of one of them has a say in that.
func mostOf(queues []*queue) (most int, capped bool) {
	for _, q := range queues {
		each, by := q.most()
		most, capped = min(most+each, endless), capped || by
	}
	return most, capped
}

// inOrderWhy says what bounds queues whose rows are scored in their order.
func inOrderWhy(queues []*queue) string {
	for _, q := range queues {
		if q.inOrder {
			return fmt.Sprintf("; rows of queue %s are scored in their order, one worker for each partition that has some", q.policy.Name)
		}
	}
	return ""
}

// leveling is one decision on the level of a pool.
type leveling struct {
	items    []item
	work     float64 // seconds of one worker, of all items
	rate     float64 // workers that keep up with what arrives
	limit    float64 // seconds from an item's arrival until it is due, the shortest of all queues; 0: none
	soon     float64 // seconds in which a new worker is given time to help
	next     float64 // seconds until what arrives now is due
	expected float64 // seconds of one worker, of what will arrive and be due then
	daily    float64 // workers that would have kept up with the last day
	most     int     // workers that there may be
	tariff   tariff
	doubt    string // why the work is not known; empty: it is
	probe    int    // workers that a first measurement needs
	starts   starts
	load     float64   // seconds
	present  int       // workers that are asked for and have nothing else to do
	ready    int       // of them, that can work
	loading  int       // of them
	starting []float64 // seconds since the others were asked for
}

func newLeveling(w *world, p *pool, queues []*queue) *leveling {
	l := &leveling{starts: p.starts(), present: p.present()}
	for _, q := range queues {
		b := q.backlog
		if why := b.unknown(); why != "" {
			if b.doubt == "" && len(b.view.Waiting) > 0 {
				l.probe = 1
			}
			l.doubt = fmt.Sprintf("the backlog of queue %s is not known: %s", q.policy.Name, why)
			return l
		}
		l.work += b.work
		l.rate += b.rate()
		l.load = max(l.load, b.speed.load)
		if within := q.span(w.now); within > 0 && (l.limit == 0 || within < l.limit) {
			l.limit, l.soon = within, helpShare*within
			if q.policy.Daily.Given() {
				l.soon = helpShare * min(within, clockLimit)
			}
		}
	}
	l.items = items(queues, w.now)
	l.crew(p, w.now)
	most, _ := mostOf(queues)
	l.most = max(min(p.policy.Max*p.slots()-p.wanted, most, usefulOf(queues)), 0)
	l.tariff = tariffOf(p.policy, w.now)
	l.foresee(queues, w.now)
	l.expect()
	return l
}

// expect adds what will have arrived, at the recent rate, when it is too late for a new worker to help with what comes last: where starts take longer than the limit, to
// look at what is there already is not enough.
func (l *leveling) expect() {
	ahead := l.lead(1) + l.soon - l.limit
	if ahead > 0 && l.limit > 0 {
		l.items = append(l.items, item{l.limit + ahead, l.work + l.rate*ahead})
	}
}

// crew counts the workers that may work for backlogs, by what they have left of their starts. Those that were asked for and not heard of yet are as old as the
// last request.
func (l *leveling) crew(p *pool, now time.Time) {
	heard := 0
	for _, one := range p.workers {
		switch {
		case one.drains || one.view.State == orchestrator.WorkerFailed || one.holds != nil:
			continue
		case one.view.State == orchestrator.WorkerStarting:
			age := 0.0
			if !one.view.Asked.IsZero() {
				age = max(now.Sub(one.view.Asked).Seconds(), 0)
			}
			l.starting = append(l.starting, age)
		case one.view.State == orchestrator.WorkerLoading:
			l.loading++
		default:
			l.ready++
		}
		heard++
	}
	l.ready = min(l.ready, l.present)
	l.loading = min(l.loading, l.present-l.ready)
	if left := l.present - l.ready - l.loading; left < len(l.starting) {
		l.starting = l.starting[:left]
	}
	age := 0.0
	if !p.memory.Grown.IsZero() {
		age = max(now.Sub(p.memory.Grown).Seconds(), 0)
	}
	for len(l.starting) < l.present-l.ready-l.loading {
		l.starting = append(l.starting, age)
	}
}

// decide gives the number of workers and why.
func (l *leveling) decide(interval float64) (int, string) {
	if l.doubt != "" {
		return max(l.present, l.probe), l.doubt + "; nothing changes on a guess"
	}
	if l.limit == 0 {
		return l.keepUp()
	}
	return l.byPrice(interval)
}

// usual is the level where the price does not change, or not before something has to be done.
func (l *leveling) usual(interval float64) (int, string) {
	more := l.short()
	if more > 0 && more <= l.most && l.present == 0 && l.canWait(more, interval) {
		return 0, fmt.Sprintf("no worker needs to start yet: %s of work, which %s will do in time later too", span(l.work), counted(more, "worker"))
	}
	if more > 0 {
		return l.present + more, fmt.Sprintf("%s, or work will be late: %s of work, the last of it due in %s; a new worker is counted on after %s", counted(more, "more worker"),
			span(l.work), span(l.items[len(l.items)-1].left), span(l.lead(len(l.starting)+more)))
	}
	enough := l.enough()
	switch {
	case enough >= l.present:
		return l.present, fmt.Sprintf("%s of work will be in time, and %s keep up with what arrives", span(l.work), workers(l.rate))
	case l.ready < l.present:
		return l.present, fmt.Sprintf("%s would do, but nobody goes while others start", counted(enough, "worker"))
	}
	return enough, fmt.Sprintf("%s: %s of work, and %s keep up with what arrives", counted(enough, "worker"), span(l.work), workers(l.rate))
}

func workers(rate float64) string { return fmt.Sprintf("%.2f workers", rate) }

// lead is when a number of workers that are asked for now can be counted on.
func (l *leveling) lead(workers int) float64 { return l.starts.lead(workers) + l.load }

// short is how many more workers have to be asked for so that nothing will be late that can still be helped; each of them does as much as its start costs.
func (l *leveling) short() int {
	if l.inTime(0, 0) {
		return 0
	}
	most := max(whole(l.items[len(l.items)-1].ahead/max(l.lead(1), 1)), 1)
	return min(1+sort.Search(most, func(more int) bool { return l.inTime(1+more, 0) }), most)
}

// canWait says whether as many new workers would do it in time if they were asked for with the next decision.
func (l *leveling) canWait(more int, interval float64) bool {
	return l.items[0].left >= l.lead(more)+interval+l.soon && l.inTime(more, interval)
}

// inTime says whether all items will be done in time by the ready workers, those that start, and so many more that are asked for in so many seconds.
func (l *leveling) inTime(more int, wait float64) bool {
	lead := l.lead(len(l.starting) + more)
	for _, one := range l.items {
		left := l.helped(one.left, lead+wait)
		if one.ahead <= float64(l.ready)*left+beyondRounding {
			continue
		}
		if one.ahead > float64(l.ready)*left+l.coming(left, lead)+float64(more)*max(left-lead-wait, 0)+beyondRounding {
			return false
		}
	}
	return true
}

// helped is when an item is due, or else by when a new worker could be of help.
func (l *leveling) helped(left, lead float64) float64 { return max(left, lead+l.soon) }

// keepUp is the level of queues whose work is never due: as many workers as keep up with what arrives, one at least while there is work.
func (l *leveling) keepUp() (int, string) {
	count := whole(l.rate)
	if l.work > 0 {
		count = max(count, 1)
	}
	return count, fmt.Sprintf("%s: %s of work that is never due, and %s keep up with what arrives", counted(count, "worker"), span(l.work), workers(l.rate))
}

// coming is what those that load or start can do in so many seconds. One that takes longer than it should is expected within a standard deviation.
func (l *leveling) coming(left, lead float64) float64 {
	work := float64(l.loading) * max(left-l.load, 0)
	for _, age := range l.starting {
		work += max(left-max(lead-age, l.starts.deviation), 0)
	}
	return work
}

// enough is how many of the workers that are ready keep up with what arrives, do what waits within half of the limit, and leave nothing late.
func (l *leveling) enough() int {
	count := int(min(l.rate+l.work/(drainShare*l.limit), endless))
	if count == 0 && l.work > 0 {
		count = 1
	}
	for _, one := range l.items {
		if count >= l.ready || one.left <= 0 {
			return max(count, l.ready)
		}
		count = max(count, whole(one.ahead/one.left))
	}
	return count
}
