package planner

import (
	"cmp"
	"math"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// backlog is the work of a queue that arrives item by item.
type backlog struct {
	view  orchestrator.BacklogView // its waiting rows oldest first, counts above 0
	speed speed
	work  float64 // seconds of one worker, waiting and held; -1: unknown
	doubt string  // why the reading does not count; empty: it does
	next  float64 // seconds until the first that waits is due; infinite: nothing waits, or it is never due
	// heldUnknown says that workers may hold rows that nobody counts.
	heldUnknown bool
}

// addBacklogs gives each queue what has been read of its backlog.
func (w *world) addBacklogs(observation orchestrator.Observation, queues map[queueName]*queue, speeds speeds) {
	all := make([]backlog, 0, len(observation.Backlogs))
	for _, view := range inOrder(observation.Backlogs, compareBacklogs) {
		q := queues[queueName{view.Tenant, view.Queue}]
		if q == nil || q.backlog != nil || q.pool == nil {
			continue
		}
		all = append(all, backlog{view: *view, doubt: w.doubt(view.Reading), speed: speeds.of(view.Model.Name, q.pool.policy.Name)})
		q.backlog = &all[len(all)-1]
		q.backlog.measure()
		if most := view.MostWorkers; most > 0 && !q.policy.External && (q.policy.MaxWorkers <= 0 || most < q.policy.MaxWorkers) {
			q.policy.MaxWorkers, q.inOrder = most, true
		}
	}
}

// compareBacklogs orders by name; of several of one queue the newest reading comes first.
func compareBacklogs(a, b *orchestrator.BacklogView) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Queue, b.Queue), b.Reading.At.Compare(a.Reading.At), cmp.Compare(a.Model.Name, b.Model.Name),
		cmp.Compare(a.Model.Digest, b.Model.Digest), cmp.Compare(a.Held, b.Held), cmp.Compare(a.RecentRate, b.RecentRate),
		cmp.Compare(a.DailyRate, b.DailyRate), cmp.Compare(a.MostWorkers, b.MostWorkers), cmp.Compare(a.Reading.Err, b.Reading.Err), slices.CompareFunc(a.Waiting, b.Waiting, compareArrivals))
}

func compareArrivals(a, b orchestrator.Arrival) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Rows, b.Rows))
}

// measure cuts absurd numbers and turns rows into seconds of one worker.
func (b *backlog) measure() {
	view := &b.view
	b.heldUnknown = view.Held < 0
	view.Waiting, view.Held = saneArrivals(view.Waiting), min(max(view.Held, 0), mostRows)
	view.RecentRate, view.DailyRate = saneRate(view.RecentRate), saneRate(view.DailyRate)
	b.work = -1
	if b.speed.known() {
		b.work = b.seconds(view.Held)
		for _, one := range view.Waiting {
			b.work += b.seconds(one.Rows)
		}
	}
}

// unknown says why nobody knows how much work it is; empty: it is known.
func (b *backlog) unknown() string {
	if b.doubt == "" && !b.speed.known() {
		return "nobody knows how fast model " + b.view.Model.Name + " is"
	}
	return b.doubt
}

// seconds of one worker for so many rows.
func (b *backlog) seconds(rows int64) float64 {
	return float64(rows) / b.speed.rows
}

// rate is how many workers keep up with what has arrived lately.
func (b *backlog) rate() float64 { return min(b.view.RecentRate/b.speed.rows, endless) }

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
		b, due := q.backlog, dueTimes{policy: q.policy}
		if b.view.Held > 0 && len(b.view.Waiting) == 0 {
			list = append(list, item{due.left(now, now), b.seconds(b.view.Held)})
		}
		for i, one := range b.view.Waiting {
			work := b.seconds(one.Rows)
			if i == 0 {
				work += b.seconds(b.view.Held) // is done before
			}
			list = append(list, item{due.left(one.At, now), work})
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

// saneArrivals are the same, unless some are out of order or count nothing.
func saneArrivals(list []orchestrator.Arrival) []orchestrator.Arrival {
	last := time.Time{}
	for _, one := range list {
		if one.Rows <= 0 || one.Rows > mostRows || one.At.Before(last) {
			list = slices.DeleteFunc(slices.Clone(list), func(one orchestrator.Arrival) bool { return one.Rows <= 0 })
			for i := range list {
				list[i].Rows = min(list[i].Rows, mostRows)
			}
			slices.SortFunc(list, func(a, b orchestrator.Arrival) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Rows, b.Rows)) })
			return list
		}
		last = one.At
	}
	return list
}

// saneRate is 0 for what is no rate.
func saneRate(rows float64) float64 {
	if !(rows > 0) {
		return 0
	}
	return math.Min(rows, 1e12)
}
