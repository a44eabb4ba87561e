package planner

import (
	"cmp"
	"math"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	// unhurried is within what time the rows of a queue are due that names none.
	unhurried = 24 * time.Hour
	// mostAge is how many times the time in which they are due rows may be late before they go before all others; leastAge is for how long they may be late at least,
	// so that a peak of some hours can pass first.
	mostAge  = 3
	leastAge = 24 * time.Hour
)

// stock is what waits for one model on the workers of a pool.
type stock struct {
	model   orchestrator.ModelRef
	queues  []*queue
	waiting []stretch // the oldest first
	doubt   string    // why it is not known what waits; empty: it is
	rows    float64
	aside   float64 // of them those that cannot be on time any more
	within  float64 // seconds within which rows are due
	mean    float64 // seconds of a row; 0: unknown
	load    float64 // seconds
	rate    float64 // rows that come in a second, as seen over ten minutes and over a day
	recent  float64 // as seen over ten minutes
	holders []*server
	keepers int    // of them, that do not turn to another model
	begun   bool   // a worker turns to it now
	late    bool   // it seems that rows will be late
	serving int    // workers
	why     string // it is served, or waits
}

// stretch is a number of rows that are due together, so many seconds from now.
type stretch struct{ due, rows float64 }

// gather puts the backlogs of a pool's queues together by model.
func (r *round) gather(now time.Time) map[orchestrator.ModelRef]*stock {
	count := 0
	for _, q := range r.pool.queues {
		if q.backlog != nil {
			count += len(q.backlog.view.Waiting)
		}
	}
	arena := make([]stretch, 0, count)
	all := make([]stock, 0, len(r.pool.queues))
	byModel := make(map[orchestrator.ModelRef]*stock, len(r.pool.queues))
	for _, q := range r.pool.queues {
		b := q.backlog
		if b == nil {
			continue
		}
		one := byModel[b.view.Model]
		if one == nil {
			all = append(all, stock{model: b.view.Model, within: math.Inf(1)})
			one = &all[len(all)-1]
			byModel[b.view.Model] = one
			r.stocks = append(r.stocks, one)
		}
		arena = one.add(q, now, arena)
	}
	return byModel
}

// add takes a queue's backlog in; its stretches come from the arena.
func (s *stock) add(q *queue, now time.Time, arena []stretch) []stretch {
	b := q.backlog
	within, due := q.within(now).Seconds(), dueTimes{policy: q.policy}
	s.queues = append(s.queues, q)
	s.within = min(s.within, within)
	s.load = b.speed.load
	if b.speed.known() {
		s.mean = 1 / b.speed.rows
	}
	s.rate += (b.view.RecentRate + b.view.DailyRate) / 2
	s.recent += b.view.RecentRate
	if b.doubt != "" {
		s.doubt = b.doubt
	}
	from := len(arena)
	for _, one := range b.view.Waiting {
		left := one.At.Sub(now).Seconds() + within
		if q.policy.Daily.Given() {
			left = due.left(one.At, now)
		}
		arena = append(arena, stretch{left, float64(one.Rows)})
	}
	mine := arena[from:len(arena):len(arena)]
	if b.next = math.Inf(1); len(mine) > 0 {
		b.next = mine[0].due
	}
	if len(s.queues) > 1 {
		slices.SortStableFunc(s.queues, func(a, b *queue) int { return cmp.Compare(a.backlog.next, b.backlog.next) })
		mine = slices.Concat(s.waiting, mine)
		slices.SortStableFunc(mine, func(a, b stretch) int { return cmp.Compare(a.due, b.due) })
	}
	s.waiting = mine
	return arena
}

// within is the time after their arrival in which rows of the queue's backlog are due.
func (q *queue) within(now time.Time) time.Duration {
	if seconds := q.span(now); seconds > 0 {
		return ofSeconds(seconds)
	}
	return unhurried
}

// count says how many rows wait and how many of them cannot be on time any more.
func (s *stock) count() {
	if s.doubt != "" {
		s.waiting = nil
	}
	least := s.mean
	if len(s.holders) == 0 {
		least += s.load
	}
	for _, one := range s.waiting {
		s.rows += one.rows
		if one.due < least {
			s.aside += one.rows
		}
	}
}

// overdue says that rows have waited so long that they go before all others.
func (s *stock) overdue() bool {
	return s.oldest() < -max(mostAge*s.within, leastAge.Seconds())
}

// oldest is when the row is due that has waited longest.
func (s *stock) oldest() float64 {
	if len(s.waiting) == 0 {
		return math.Inf(1)
	}
	return s.waiting[0].due
}

// first is when the first row is due that can be on time.
func (s *stock) first() float64 {
	rows := -s.aside
	for _, one := range s.waiting {
		if rows += one.rows; rows > 0 {
			return one.due
		}
	}
	return math.Inf(1)
}

// slack is how many seconds later than in so many seconds so many workers may begin, and every row is on time that can be.
func (s *stock) slack(start, workers float64) float64 {
	least, rows := math.Inf(1), -s.aside
	for _, one := range s.waiting {
		if rows += one.rows; rows > 0 {
			least = min(least, one.due-start-math.Ceil(rows/workers)*s.mean)
		}
	}
	return least
}

// margin is the slack at which work begins: what comes in the meantime, and executions that take longer than the mean, grow with the root of the time; peaks with
// the time; the row itself may take much longer than a mean.
func (s *stock) margin() float64 {
	return math.Sqrt(s.within*(s.load+s.mean)) + marginPart*s.within + marginRows*s.mean
}

// spread is how much longer than their mean the rows may take that each of so many workers does: it grows with the root of their number.
func (s *stock) spread(workers float64) float64 {
	return spreadRows * s.mean * math.Sqrt(math.Ceil((s.rows-s.aside)/workers))
}

// work is how long one worker executes what waits and can be on time.
func (s *stock) work() float64 { return (s.rows - s.aside) * s.mean }

// loads is how many loads the work is worth.
func (s *stock) loads() float64 {
	if s.load == 0 {
		return math.Inf(1)
	}
	return s.work() / s.load
}

// urgent is how many rows a worker that has the model serves whatever else waits: those that can be on time, or all when the oldest go before everything.
func (s *stock) urgent() float64 {
	if s.overdue() {
		return s.rows
	}
	return s.rows - s.aside
}

// ageOnTime is the age up to which a worker that has the model takes the queue's rows before older ones, which cannot be on time any more; 0: the oldest go first.
func (s *stock) ageOnTime(q *queue, now time.Time) time.Duration {
	if s.overdue() || q.policy.Daily.Given() {
		return 0
	}
	return max(q.within(now)-ofSeconds(s.mean), 0)
}

// tell writes a plan for each queue.
func (s *stock) tell() {
	for _, q := range s.queues {
		if s.rows == 0 && s.serving == 0 && len(s.holders) == 0 && s.doubt == "" {
			continue
		}
		q.serving = startAt(len(s.holders))
		switch {
		case s.doubt != "":
			q.serving.change("hold", s.serving, "workers that have its model keep it while it is not known what waits: "+s.doubt)
		case s.rows == 0 && s.serving > 0:
			q.serving.change("empty", s.serving, "nothing waits; the model stays until another needs the worker")
		case s.why != "":
			q.serving.change("begin", s.serving, s.why)
		case s.serving < len(s.holders):
			q.serving.change("leave", s.serving, "a worker that has its model turns to one that cannot wait")
		case s.serving > 0:
			q.serving.change("serve", s.serving, "a worker serves the whole queue of the model it has")
		default:
			q.serving.change("wait", s.serving, "more rows may come before their load cannot wait any more")
		}
		if s.late || s.aside > 0 {
			q.serving.note("late", "rows will be late or are: more work waits than the workers of the pool can do in time; raise its replicas.max or the queue's finishWithin")
		}
	}
}
