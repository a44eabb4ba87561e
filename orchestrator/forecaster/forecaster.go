package forecaster

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/arrivals"
	"nightshift.dev/nightshift/orchestrator/state"
)

// Queue is one to look after.
type Queue struct {
	orchestrator.QueueName
	Zone     *time.Location // of its days
	Holidays []time.Time    // the year, month and day of each count
	Drains   bool           // rows come from a source; else with jobs
	// ByTheClock says that the planner plans for the rate of the last day, not only for that of the last minutes.
	ByTheClock bool
}

// Config is what a forecaster works with.
type Config struct {
	Store  *state.Store
	Queues []Queue
	// Submitted is how many rows jobs have that were submitted from a time on, before another, by queue; -1 is unknown.
	Submitted func(from, to time.Time) map[orchestrator.QueueName]int64
	// Model is that of what comes to a queue.
	Model func(orchestrator.QueueName) orchestrator.ModelRef
	// Known are the peaks that are known without a forecast; nil: none. What comes with them is not expected a second time.
	Known func(now time.Time) []orchestrator.Peak
	Log   *slog.Logger
}

// Forecaster looks after queues. It is safe for concurrent use.
type Forecaster struct {
	config Config

	mu     sync.Mutex
	queues []*queue // by tenant, then by name
	named  map[orchestrator.QueueName]*queue
	peaks  []orchestrator.Peak // of the last look

	// Only Run uses these.
	counted    time.Time // the windows of submitted jobs are counted until then
	watched    time.Time // since when nobody was kept from submitting
	reconnects uint64
}

// New makes a forecaster; Run starts it.
func New(config Config) *Forecaster {
	f := &Forecaster{config: config, named: map[orchestrator.QueueName]*queue{}}
	for _, one := range config.Queues {
		known := &queue{Queue: one}
		f.queues, f.named[one.QueueName] = append(f.queues, known), known
	}
	slices.SortFunc(f.queues, func(a, b *queue) int {
		return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.QueueName.Queue, b.QueueName.Queue))
	})
	return f
}

const (
	// every is how often Run looks whether windows are over.
	every = 30 * time.Second
	// learnEvery is how old the last window that a queue's models have seen may be.
	learnEvery = time.Hour
	// restAfter is how many times as long as it learned Run rests then: a tenth of a core is used at most.
	restAfter = 9
	// settleAfter is how long after its end the rows of a window are counted that came with jobs.
	settleAfter = time.Minute
	// storeWithin bounds the time in which windows are stored.
	storeWithin = 10 * time.Second
)

// Run looks after the queues until ctx ends.
func (f *Forecaster) Run(ctx context.Context) error {
	if err := f.load(ctx); err != nil {
		return err
	}
	f.begin(time.Now().UTC())
	for ctx.Err() == nil {
		f.advance(ctx, time.Now().UTC())
		pause := every
		began := time.Now()
		if f.learn(began.UTC()) {
			pause = min(restAfter*time.Since(began), every)
		}
		f.look(time.Now().UTC())
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// load reads what was stored before.
func (f *Forecaster) load(ctx context.Context) error {
	for _, one := range f.queues {
		data, err := f.config.Store.Arrivals(ctx, one.QueueName)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		f.mu.Lock()
		// What was heard meanwhile is of a window that is not known whole, and is left out.
		if err := one.windows.UnmarshalBinary(data); err != nil {
			f.config.Log.Warn("what arrived at a queue before cannot be read, and is counted anew", "queue", one.QueueName, "error", err)
		}
		one.over = one.ends()
		f.mu.Unlock()
	}
	return nil
}

// begin watches submits from a time on.
func (f *Forecaster) begin(now time.Time) {
	f.watched, f.counted = now, now.Truncate(arrivals.Window)
	f.reconnects = f.config.Store.Conn().Stats().Reconnects
}

// Hear takes readings of sources.
func (f *Forecaster) Hear(readings []orchestrator.Backlog) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range readings {
		if known := f.named[orchestrator.QueueName{Tenant: one.Tenant, Queue: one.Queue}]; known != nil && known.Drains {
			known.windows.Add(one)
		}
	}
}

// advance takes the windows that are over: they are stored, and what is expected is said anew.
func (f *Forecaster) advance(ctx context.Context, now time.Time) {
	f.countJobs(now)
	for _, one := range f.queues {
		f.mu.Lock()
		one.windows.Until(now)
		over, data := one.news()
		f.mu.Unlock()
		if !over {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, storeWithin)
		err := f.config.Store.PutArrivals(bounded, one.QueueName, data)
		cancel()
		if err != nil && ctx.Err() == nil {
			f.config.Log.Warn("what arrived at a queue is not stored; it is tried again when the next window is over", "queue", one.QueueName, "error", err)
		}
		f.say(one)
	}
}

// countJobs counts the windows of queues of jobs. Of a window in which NATS could not be reached it is not known what would have been submitted.
func (f *Forecaster) countJobs(now time.Time) {
	conn := f.config.Store.Conn()
	if reconnects := conn.Stats().Reconnects; reconnects != f.reconnects || !conn.IsConnected() {
		f.reconnects, f.watched = reconnects, now
	}
	if now.Sub(f.counted) > 3*arrivals.Window { // this process did not run
		f.watched, f.counted = now, now.Truncate(arrivals.Window)
	}
	for to := f.counted.Add(arrivals.Window); !now.Before(to.Add(settleAfter)); to = f.counted.Add(arrivals.Window) {
		from := f.counted
		rows := f.config.Submitted(from, to)
		f.mu.Lock()
		for _, one := range f.queues {
			if one.Drains {
				continue
			}
			if came := rows[one.QueueName]; from.Before(f.watched) {
				one.windows.Count(from, arrivals.Unknown)
			} else {
				one.windows.Count(from, came)
			}
		}
		f.mu.Unlock()
		f.counted = to
	}
}

// learn lets the models of the queue learn that has waited longest, and says whether there was one.
func (f *Forecaster) learn(now time.Time) bool {
	f.mu.Lock()
	var next *queue
	for _, one := range f.queues {
		if one.due() && (next == nil || one.learned.Before(next.learned)) {
			next = one
		}
	}
	if next == nil {
		f.mu.Unlock()
		return false
	}
	history, holidays := next.history(), next.Holidays
	f.mu.Unlock()
	model := fit(history, holidays)
	f.mu.Lock()
	next.model, next.learned, next.learnedAt = model, history.Start.Add(time.Duration(len(history.Values))*history.Step), now
	f.mu.Unlock()
	f.say(next)
	return true
}

// say forecasts with what was learned, and logs when a forecast is switched on or off.
func (f *Forecaster) say(one *queue) {
	f.mu.Lock()
	model, history := one.model, one.history()
	f.mu.Unlock()
	if model == nil {
		return
	}
	said := model.Predict(history)
	f.mu.Lock()
	before := one.said
	one.said = &said
	f.mu.Unlock()
	if said.On != (before != nil && before.On) {
		f.config.Log.Info("what a forecast is used for has changed", "queue", one.QueueName, "on", said.On, "why", said.Reason)
	}
}
