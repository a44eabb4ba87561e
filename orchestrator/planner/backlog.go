package planner

import (
	"cmp"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// backlog is the work of a queue that arrives item by item.
type backlog struct {
	view       orchestrator.BacklogView
	speed      speed
	work       float64 // seconds of one worker, waiting and held; -1: unknown
	doubt      string  // why it is not known; empty: it is
	unmeasured bool    // because nobody has measured the model
}

// addBacklogs gives each queue of the policy what has been read of its backlog.
func (w *world) addBacklogs(observation orchestrator.Observation) {
	if len(observation.Backlogs) == 0 {
		return
	}
	speeds := newSpeeds(observation)
	for _, view := range sorted(observation.Backlogs, compareBacklogs) {
		for _, q := range w.queues {
			if q.policy.Tenant == view.Tenant && q.policy.Name == view.Queue && q.backlog == nil && q.pool != nil {
				q.backlog = newBacklog(view, speeds.of(view.Model.Name, q.pool.policy.Name), w.doubt(view.Reading))
			}
		}
	}
}

// compareBacklogs orders by name; of several of one queue the newest reading comes first.
func compareBacklogs(a, b orchestrator.BacklogView) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Queue, b.Queue), b.Reading.At.Compare(a.Reading.At), cmp.Compare(a.Model.Name, b.Model.Name),
		cmp.Compare(a.Held, b.Held), cmp.Compare(len(a.Waiting), len(b.Waiting)))
}

func newBacklog(view orchestrator.BacklogView, s speed, doubt string) *backlog {
	b := &backlog{view: view, speed: s, work: -1, doubt: doubt}
	if byTime := func(a, b orchestrator.Arrival) int { return a.At.Compare(b.At) }; !slices.IsSortedFunc(view.Waiting, byTime) {
		b.view.Waiting = sorted(view.Waiting, byTime)
	}
	if !s.known() && b.doubt == "" {
		b.unmeasured = true
		b.doubt = "nobody knows how fast model " + view.Model.Name + " is"
	}
	if s.known() {
		b.work = b.seconds(view.Held)
		for _, one := range view.Waiting {
			b.work += b.seconds(one.Rows)
		}
	}
	return b
}

// seconds of one worker for so many rows.
func (b *backlog) seconds(rows int64) float64 {
	return float64(min(max(rows, 0), mostRows)) / b.speed.rows
}

// rate is how many workers keep up with what has arrived lately.
func (b *backlog) rate() float64 { return min(saneSpeed(b.view.RecentRate)/b.speed.rows, endless) }

// item is what has to be done by a time.
type item struct {
	left  float64 // seconds until it is due
	ahead float64 // seconds of work up to its end
}

// items are those of all backlogs by the time when they are due, which is the order in which they are done.
func items(queues []*queue, now time.Time) []item {
	count := 0
	for _, q := range queues {
		count += len(q.backlog.view.Waiting) + 1
	}
	list := make([]item, 0, count)
	for _, q := range queues {
		b := q.backlog
		if b.view.Held > 0 && len(b.view.Waiting) == 0 {
			list = append(list, item{q.policy.FinishWithin.Seconds(), b.seconds(b.view.Held)})
		}
		for i, one := range b.view.Waiting {
			work := b.seconds(one.Rows)
			if i == 0 {
				work += b.seconds(b.view.Held) // is done before
			}
			list = append(list, item{(q.policy.FinishWithin - now.Sub(one.At)).Seconds(), work})
		}
	}
	if len(queues) > 1 {
		slices.SortStableFunc(list, func(a, b item) int { return cmp.Compare(a.left, b.left) })
	}
	for i := 1; i < len(list); i++ {
		list[i].ahead += list[i-1].ahead
	}
	return list
}
