package control

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/arrivals"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// Backlogs reads the sources of one account or cluster.
type Backlogs interface {
	// Read gives one reading of each source whose time has come, and says when to read again. What could not be read has an error.
	Read(ctx context.Context, now time.Time) ([]orchestrator.Backlog, time.Duration)
	// Rings names queues to which something has come, where a source can say so; nil: none can.
	Rings() <-chan string
}

// Drains is the dispatcher, as far as backlogs concern it.
type Drains interface {
	// Hear takes the readings that the last decision has seen: what it cuts of them, it cuts as that decision says.
	Hear(readings []orchestrator.Backlog)
	// Standing is what the standing jobs of each queue that has a source have recorded and not settled.
	Standing() []orchestrator.StandingView
}

const readWithin = 10 * time.Second

// backlogs are the newest readings, and what came before them.
type backlogs struct {
	drains Drains

	mu        sync.Mutex
	readings  map[string]orchestrator.Backlog // by tenant and queue
	histories map[string]*arrivals.History
}

func newBacklogs(drains Drains) *backlogs {
	return &backlogs{drains: drains, readings: map[string]orchestrator.Backlog{}, histories: map[string]*arrivals.History{}}
}

// watch reads until ctx ends, and calls changed when a decision may come out otherwise.
func (b *backlogs) watch(ctx context.Context, from Backlogs, changed func()) {
	for ctx.Err() == nil {
		asked, cancel := context.WithTimeout(ctx, readWithin)
		readings, next := from.Read(asked, time.Now().UTC())
		cancel()
		if ctx.Err() != nil {
			return
		}
		if b.take(readings) {
			changed()
		}
		select {
		case <-time.After(next):
		case <-from.Rings():
		case <-ctx.Done():
		}
	}
}

// take keeps readings and says whether a count has changed.
func (b *backlogs) take(readings []orchestrator.Backlog) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range readings {
		name := one.Tenant + " " + one.Queue
		before := b.readings[name]
		changed = changed || before.Arrived != one.Arrived || before.Pending != one.Pending || before.Err != one.Err || before.Identity != one.Identity
		if one.Err != "" && before.Err == "" && !before.At.IsZero() { // what was read last, with the error
			failed := before
			failed.At, failed.Err = one.At, one.Err
			one = failed
		}
		b.readings[name] = one
		if b.histories[name] == nil {
			b.histories[name] = &arrivals.History{}
		}
		b.histories[name].Add(one)
	}
	return changed
}

// newest are the readings by tenant and queue.
func (b *backlogs) newest() []orchestrator.Backlog {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.readings))
}

// views are what the planner looks at.
func (b *backlogs) views(now time.Time) []orchestrator.BacklogView {
	if b == nil {
		return nil
	}
	standing := b.drains.Standing()
	b.mu.Lock()
	defer b.mu.Unlock()
	views := make([]orchestrator.BacklogView, 0, len(standing))
	for _, one := range standing {
		name := one.Tenant + " " + one.Queue
		view := orchestrator.BacklogView{Tenant: one.Tenant, Queue: one.Queue, Model: one.Model, BatchRows: one.BatchRows}
		reading, read := b.readings[name]
		if view.Reading = reading.Reading; !read {
			view.Reading = orchestrator.Reading{At: now, Source: "backlog of queue " + one.Queue, Err: "it has not been read yet"}
		}
		if one.Ordered {
			view.MostWorkers = partsWaiting(reading)
		}
		if one.Reading && view.Reading.Err == "" {
			view.Reading.Err = "the records of its standing jobs have not been read yet"
		}
		if history := b.histories[name]; history != nil {
			recently, everyDay := history.Rates(now)
			view.RecentRate, view.DailyRate = recently.In, everyDay.In
			view.Waiting = history.Waiting(rowsWaiting(reading, one), reading.Oldest)
		}
		if one.External {
			b.external(&view, reading)
		}
		views = append(views, view)
	}
	return views
}

// external takes what the reading says of rows that consumers of the user's own take: nothing of it is recorded by us.
func (b *backlogs) external(view *orchestrator.BacklogView, reading orchestrator.Backlog) {
	view.MostWorkers, view.Held = reading.MostWorkers, reading.InFlight
	if reading.HoldsInFlight {
		view.Held = 0 // it waits, as far as anybody knows
	}
	if view.Waiting = nil; reading.Pending > 0 {
		view.Waiting = b.histories[reading.Tenant+" "+reading.Queue].Waiting(reading.Pending, reading.Oldest)
	}
	if view.Reading.Err == "" && reading.Pending < 0 {
		view.Reading.Err = "how much is pending is not known"
	}
}

// Backlogs are the newest readings, by tenant and queue.
func (l *Loop) Backlogs() []orchestrator.BacklogStatus {
	if l.backlogs == nil {
		return nil
	}
	return l.backlogs.status(time.Now().UTC())
}

func (b *backlogs) status(now time.Time) (list []orchestrator.BacklogStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(b.readings)) {
		one := orchestrator.BacklogStatus{Backlog: b.readings[name]}
		one.Recent, one.Daily = b.histories[name].Rates(now)
		list = append(list, one)
	}
	return list
}

// rowsWaiting is how many rows are neither settled nor, as positions that hold none, to be expected.
func rowsWaiting(reading orchestrator.Backlog, standing orchestrator.StandingView) int64 {
	beyond, behind := int64(0), int64(0)
	for _, part := range reading.Parts {
		recorded := part.Settled
		for _, one := range standing.Reach {
			if one.URI == part.URI {
				recorded = max(one.End, part.Settled)
			}
		}
		beyond += max(part.End-recorded, 0)
		behind += max(part.End-part.Settled, 0)
	}
	positions := beyond + standing.RowsLeft
	if reading.Pending >= 0 && behind > reading.Pending+max(reading.InFlight, 0) { // other subjects, holes
		return int64(float64(positions) * float64(reading.Pending+max(reading.InFlight, 0)) / float64(behind))
	}
	return positions
}

// partsWaiting is how many partitions have something that is not settled, at least one.
func partsWaiting(reading orchestrator.Backlog) int {
	count := 0
	for _, part := range reading.Parts {
		if part.End > part.Settled {
			count++
		}
	}
	return max(count, 1)
}

// expand replaces the orders to serve a backlog by those for the standing jobs of its queue: the first first, and behind them those all of whose rows are too old to be on
// time.
func expand(wanted orchestrator.Assignment, standing []orchestrator.StandingView, now time.Time) orchestrator.Assignment {
	if !slices.ContainsFunc(wanted.Jobs, func(one *orchestrator.Order) bool { return one.ID == planner.BacklogID }) {
		return wanted
	}
	var jobs []*orchestrator.Order
	for _, one := range wanted.Jobs {
		if one.ID != planner.BacklogID {
			jobs = append(jobs, one)
			continue
		}
		for _, queue := range standing {
			if queue.Tenant == one.Tenant && queue.Queue == one.Queue {
				onTime, late := split(queue, one.Within, now)
				jobs = append(append(jobs, onTime...), late...)
			}
		}
	}
	wanted.Jobs = jobs
	return wanted
}

// split tells standing jobs that hold rows up to an age from those that hold older ones only. 0: nobody asks.
func split(queue orchestrator.StandingView, age time.Duration, now time.Time) (within, older []*orchestrator.Order) {
	for i, one := range queue.Open {
		if arrived := queue.Arrived[i]; age > 0 && !arrived.IsZero() && now.Sub(arrived) > age {
			older = append(older, one)
		} else {
			within = append(within, one)
		}
	}
	return within, older
}
