package planner

import (
	"cmp"
	"math"
	"slices"
)

// The numbers of the rule; docs/decisions/010-model-turns.md says where they come from.
const (
	marginPart  = .08      // of the time in which rows are due, see stock.margin
	marginRows  = 2        // means of a row, likewise
	spreadRows  = 1.5      // means of a row, see stock.spread
	worthEarly  = 40       // loads that the work of a model is worth when it begins though nothing is urgent
	earlyBefore = 6 * 3600 // seconds of workers in the time in which rows are due, from which on it takes more
	worthBusy   = 1        // the same for a busy pool
	busyPart    = .95      // of the pool that work may take before it is busy, less
	busySpread  = 2        // times the spread of how much work comes in the time in which it is due
	busyPeak    = .3       // workers, that are left for a peak
	lastMoment  = 3        // loads and rows before the last moment, another queue is left for this one
	leavePart   = .2       // of the margin that the other queue has to keep
)

// portion is the work of a model, or of one more worker for it, that waits for a worker.
type portion struct {
	stock   *stock
	first   float64
	workers float64 // that the model has with it
	slack   float64 // seconds that are left for the last row that can be on time, where it was put
	end     float64 // seconds until it is done there
	spare   bool    // without it all is on time too, by the mean
}

// course is what a worker does one after another.
type course struct {
	free  float64 // seconds until its end
	least float64 // slack above the margin, of all its portions
	first *stock  // what it begins with
}

// schedule puts the portions, first due first, on the worker that is free first, and begins what cannot wait, what is worth it, and what a busy pool should not
// leave for later.
func (r *round) schedule() {
	firstDue := r.portions()
	portions, fits := r.inOrder(slices.Clone(firstDue))
	waiting, courses := r.courses()
	lay(portions, courses)
	why := "the last moment at which all that waits, first due first, is on time with a margin"
	if !fits {
		why = "not all that waits can be on time, and what takes a worker longest for each of its rows comes last"
	}
	for _, one := range courses[:waiting] {
		switch {
		case one.first == nil:
		case one.least > 0:
			r.check = min(r.check, one.least)
		default:
			r.start(one.first, why)
		}
	}
	r.leave(firstDue)
	for _, one := range portions {
		one.stock.late = one.stock.late || one.slack < 0 && !one.spare
		if one.workers == 1 {
			r.atLast(one.stock)
		}
	}
	slices.SortStableFunc(portions, func(a, b portion) int { return cmp.Compare(b.stock.loads(), a.stock.loads()) })
	for _, one := range portions {
		r.early(one.stock)
	}
}

// inOrder puts last what has to be late so that the others are not: when the next one, first due first, would not be on time, the one that takes a worker
// longest for each of its rows, of all so far (Moore and Hodgson's rule for one worker).
func (r *round) inOrder(portions []portion) (list []portion, fits bool) {
	last := make([]portion, 0, len(portions))
	for range portions {
		_, courses := r.courses()
		at := lay(portions, courses)
		if at < 0 {
			break
		}
		worst := 0
		for i := range portions[:at+1] {
			if portions[i].each() > portions[worst].each() {
				worst = i
			}
		}
		last = append(last, portions[worst])
		portions = slices.Delete(portions, worst, worst+1)
	}
	return append(portions, last...), len(last) == 0
}

// each is how long a worker takes for a row of the portion, its part of the load included.
func (p portion) each() float64 {
	s := p.stock
	return s.mean + s.load*p.workers/(s.rows-s.aside)
}

// lay puts each portion, in their order, on the worker that is free first; it gives the first that will not be on time and would be if it began now, or -1.
func lay(portions []portion, courses []course) (late int) {
	late = -1
	for i, one := range portions {
		at := 0
		for i := range courses {
			if courses[i].free < courses[at].free {
				at = i
			}
		}
		if len(courses) > 0 {
			portions[i].slack = courses[at].add(one)
			portions[i].end = courses[at].free
		}
		if late < 0 && portions[i].slack < 0 && !one.spare && one.stock.slack(one.stock.load, one.workers) >= 0 {
			late = i
		}
	}
	return late
}

// mostPortions is how many workers at most are planned for one model: a list without an end has no bound on the time that a decision takes.
const mostPortions = 1000

// portions are what waits for a worker, first due first: models that no worker has, and what the workers that have a model cannot do in time.
func (r *round) portions() (list []portion) {
	for _, s := range r.stocks {
		if s.rows <= s.aside {
			continue
		}
		have, start := len(s.holders), s.load
		switch {
		case have == 0 && s.begun:
			have = 1
		case have == 0:
			list = append(list, portion{stock: s, first: s.first(), workers: 1})
			have = 1
		default:
			start = s.holders[0].free - s.work()/float64(have)
		}
		for ; have < min(r.most, mostPortions) && float64(have) < s.rows-s.aside; have++ {
			left := s.slack(start, float64(have))
			if left >= r.spare(s, have) {
				break
			}
			list = append(list, portion{stock: s, first: s.first(), workers: float64(have + 1), spare: left >= 0})
		}
		s.late = s.slack(start, float64(have)) < 0
	}
	slices.SortStableFunc(list, func(a, b portion) int { return cmp.Compare(a.first, b.first) })
	return list
}

// spare is the slack below which so many workers are too few for a model. A busy pool, which lacks loads, keeps one row.
func (r *round) spare(s *stock, workers int) float64 {
	if r.busy {
		return s.mean
	}
	return s.spread(float64(workers))
}

// courses are those of the workers that wait, and after them the others.
func (r *round) courses() (waiting int, list []course) {
	list = make([]course, 0, len(r.servers))
	for _, s := range r.servers {
		if s.waits() {
			list = append(list, course{least: math.Inf(1)})
		}
	}
	waiting = len(list)
	for _, s := range r.servers {
		if !s.waits() {
			list = append(list, course{free: s.free, least: math.Inf(1)})
		}
	}
	return waiting, list
}

// add puts the portion at the end; it gives the slack.
func (c *course) add(one portion) (slack float64) {
	s := one.stock
	slack = s.slack(c.free+s.load, one.workers)
	c.least = min(c.least, slack-s.margin())
	if s.mean == 0 {
		c.least = math.Inf(-1) // a first measurement is worth most
	}
	if c.first == nil {
		c.first = s
	}
	c.free += s.load + s.work()/one.workers
	return slack
}

// leave lets a worker leave the queue of its model for what is due first when the last moment of all that waits has come, first due first, did all workers turn to it.
func (r *round) leave(portions []portion) {
	waiting := slices.DeleteFunc(portions, func(one portion) bool { return one.workers > 1 || one.stock.begun })
	lay(waiting, make([]course, len(r.servers)))
	for _, one := range waiting {
		if one.slack >= 0 && one.slack <= lastMoment*(one.stock.load+one.stock.mean) {
			r.leaveFor(waiting[0].stock, one.end, "the last moment of all that waits has come, and the queue that the worker leaves can wait for its return")
			return
		}
	}
}

// atLast lets a worker leave the queue of its model for another whose last moment has come.
func (r *round) atLast(one *stock) {
	if !one.begun && one.rows > one.aside && len(one.holders) == 0 && one.slack(one.load, 1) <= lastMoment*(one.load+one.mean) {
		r.leaveFor(one, one.load+one.work(), "its last moment has come, and the queue that the worker leaves can wait for its return")
	}
}

// leaveFor lets the worker begin whose own queue can wait longest for its return after so many seconds, unless none can or a worker has nothing to do.
func (r *round) leaveFor(one *stock, seconds float64, why string) {
	var victim *server
	most := 0.0
	for _, s := range r.servers {
		if s.waits() {
			return
		}
		if s.idle && s.serves == s.has && s.has.doubt == "" && !s.has.overdue() {
			if left := s.has.slack(seconds+s.has.load, float64(len(s.has.holders))) - leavePart*s.has.margin(); left > most {
				victim, most = s, left
			}
		}
	}
	if victim != nil {
		one.late = false
		victim.begin(one, why)
	}
}

// early lets an idle worker begin what is worth its load.
func (r *round) early(one *stock) {
	worth, why := float64(worthEarly), "its work is worth the load many times"
	if r.busy {
		worth, why = worthBusy, "the pool is busy, and its work is worth more than its load"
	}
	worth *= max(1, one.within*float64(len(r.servers))/earlyBefore)
	if !one.begun && one.loads() >= worth {
		r.start(one, why)
	}
}
