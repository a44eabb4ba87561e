package calendar

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/state"
)

// Jobs is the dispatcher, as far as schedules concern it.
type Jobs interface {
	// Submit stores a job; the same idempotency key answers the same job.
	Submit(ctx context.Context, submission dispatch.Submission) (job orchestrator.Job, created bool, err error)
	// ByKey gives the job of an idempotency key; state.ErrNotFound: there is none.
	ByKey(ctx context.Context, tenant, queue, key string) (orchestrator.Job, error)
	// CancelBecause ends a job.
	CancelBecause(ctx context.Context, job orchestrator.Job, sentence string) (orchestrator.Job, error)
}

// Config is what a Calendar needs from outside.
type Config struct {
	Store *state.Store
	Jobs  Jobs
	// Documents are those of now; their schedules are what runs.
	Documents func() document.Set
	// Model resolves the model of a queue with a job's parameters over its own.
	Model func(queue string, parameters map[string]any) (orchestrator.ModelSnapshot, error)
	// Prewarm says what the work of an occurrence will ask for; nil: nobody knows.
	Prewarm func(peak orchestrator.Peak, now time.Time) *api.Prewarm
	Log     *slog.Logger
}

// Calendar runs schedules. It is safe for concurrent use.
type Calendar struct {
	config Config
	wake   chan struct{}

	mu      sync.Mutex
	entries []entry         // as last looked at, in the order of the documents
	urgent  map[string]bool // schedules whose records users have changed since
}

// entry is a schedule of the documents, with what is known of it.
type entry struct {
	schedule document.Schedule
	tenant   string
	model    orchestrator.ModelRef
	record   Record
	arrived  map[string]int64     // rows that came with each open occurrence; -1 is unknown
	look     time.Time            // when it is to be looked at again
	refused  map[string]time.Time // when runs could not be submitted, by identity
}

// New makes a calendar that knows the documents and no records yet.
func New(config Config) *Calendar {
	c := &Calendar{config: config, wake: make(chan struct{}, 1), urgent: map[string]bool{}}
	c.entries = c.documented()
	return c
}

// documented are the schedules of the documents, with what is known of them.
func (c *Calendar) documented() (entries []entry) {
	before := c.known()
	set := c.config.Documents()
	for _, schedule := range set.Schedules {
		queue, found := set.Queue(schedule.Spec.Queue)
		if !found {
			continue // decoding refuses such documents
		}
		var one entry
		if known := slices.IndexFunc(before, func(one entry) bool { return one.schedule.Name == schedule.Name }); known >= 0 {
			one = before[known]
		}
		one.schedule, one.tenant, one.model = schedule, queue.Spec.Tenant, orchestrator.ModelRef{Name: queue.Spec.Model}
		var parameters map[string]any
		if schedule.Spec.Submit != nil {
			parameters = schedule.Spec.Submit.Parameters
		}
		if model, err := c.config.Model(queue.Name, parameters); err == nil { // else a submit says what is wrong with it
			one.model = orchestrator.ModelRef{Name: model.Name, Digest: model.Digest}
		}
		entries = append(entries, one)
	}
	return entries
}

func (c *Calendar) known() []entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.entries)
}

// suspended says whether occurrences that are due are skipped, by the document or by a user.
func (e entry) suspended() bool { return e.schedule.Spec.Suspend || e.record.Paused != nil }

const (
	longestPause  = time.Minute            // a clock that is set is noticed within it
	shortestPause = 100 * time.Millisecond // after somebody else wrote first
	openPause     = time.Second            // while a run is open
	refusedPause  = 30 * time.Second       // between two tries of a submit that is refused
	atOnce        = 8                      // schedules that are looked at together
	lookWithin    = time.Minute            // bounds one look, and with it each submit
)

// Run looks at the schedules again and again until ctx ends.
func (c *Calendar) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		next := c.Pass(ctx, time.Now().UTC())
		timer := time.NewTimer(min(max(time.Until(next), shortestPause), longestPause))
		select {
		case <-timer.C:
		case <-c.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// Pass looks at every schedule whose time it is, and says when to do so again.
func (c *Calendar) Pass(ctx context.Context, now time.Time) time.Time {
	entries := c.documented()
	urgent := c.takeUrgent()
	var looks errgroup.Group
	looks.SetLimit(atOnce)
	for i := range entries {
		if one := &entries[i]; urgent[one.schedule.Name] || !one.look.After(now) || one.look.Sub(now) > longestPause { // the clock was set back
			looks.Go(func() error {
				bounded, cancel := context.WithTimeout(ctx, lookWithin)
				defer cancel()
				c.look(bounded, one, now)
				return nil
			})
		}
	}
	_ = looks.Wait() // none fails
	next := now.Add(longestPause)
	for _, one := range entries {
		if one.look.Before(next) {
			next = one.look
		}
	}
	c.mu.Lock()
	c.entries = entries
	c.mu.Unlock()
	return next
}

// again makes a schedule be looked at at once: a user has changed its record.
func (c *Calendar) again(name string) {
	c.mu.Lock()
	c.urgent[name] = true
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Calendar) takeUrgent() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	urgent := c.urgent
	c.urgent = map[string]bool{}
	return urgent
}
