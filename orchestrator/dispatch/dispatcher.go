package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/state"
)

// Config is what a Dispatcher needs from outside.
type Config struct {
	Store   *state.Store
	Catalog Catalog
	Events  Events
	// Drained are the queues whose work is the backlog of a source, which Sources begins and settles.
	Drained []orchestrator.QueueName
	Sources Sources
	// Steps gives the Workflows of a place, or why this service cannot run any there.
	Steps func(orchestrator.StepsPlace) (Steps, error)
	// Estimate is the planner's answer for a job that is not cut yet.
	Estimate func(planner.Request) orchestrator.Estimate
	Log      *slog.Logger
	// Wake is called when something happened that the planner should look at; it must not block.
	Wake func()
}

// Catalog answers what the documents say at present.
type Catalog interface {
	// Queue gives a tenant's queue; ok is false when there is none of that name.
	Queue(tenant, name string) (queue Queue, ok bool)
	// Snapshot resolves the queue's model with a job's parameters over its own.
	Snapshot(queue string, parameters map[string]any) (orchestrator.ModelSnapshot, error)
	// Price is what one worker of a pool costs per hour.
	Price(pool string) orchestrator.Money
}

// Events tells users of a job's states.
type Events interface {
	Announce(ctx context.Context, job orchestrator.Job) error
}

// Queue is what a submit has to know of a queue.
type Queue struct {
	Name          string
	Tenant        string
	ReadRoots     []string // URI prefixes, with parameters of the connection
	WriteRoots    []string
	Output        string // URI prefix of results, ends in "/"
	OutputFormat  orchestrator.Format
	MaxObjects    int
	MaxQueued     int
	FinishWithin  time.Duration              // 0: no deadline of its own
	Daily         orchestrator.DailyDeadline // likewise, by the clock
	Cheapest      bool                       // whenever it is cheap: no job has a deadline
	ExpireAfter   time.Duration              // 0: never
	FinishedJobs  int                        // ended jobs kept
	KeepFinished  time.Duration
	KeepKeys      time.Duration // how long the idempotency key of a deleted job answers
	ConfirmAbove  *orchestrator.Money
	MaxUpload     int64
	Inbox         string
	Drains        bool          // its work is the backlog of a source
	External      bool          // consumers of the user's own take its rows: no standing jobs
	Key           string        // column of its rows that names them; may be empty
	RollEvery     time.Duration // a standing job is given no more after that
	RollRows      int64         // likewise
	Results       orchestrator.ResultsTo
	Steps         orchestrator.StepsPlace // of its jobs; without a namespace they have none
	Ordered       bool                    // rows of one partition are scored one after another
	AllQueueNames []string                // of the tenant, for suggestions; filled when the queue is not found, too
}

// Dispatcher holds all jobs. It is safe for concurrent use.
type Dispatcher struct {
	config Config

	mu sync.Mutex
	book
	ready chan struct{} // closed when the stored jobs have been read

	models   sync.Map // digests of the snapshots known to be stored
	facts    []Fact   // learned since the planner last asked
	standing standing
	runners  sync.WaitGroup
	lifetime context.Context
}

// New makes a dispatcher; Run brings it to life.
func New(config Config) *Dispatcher {
	return &Dispatcher{config: config, book: newBook(), ready: make(chan struct{}), standing: newStanding()}
}

// Run reads the stored jobs, takes up those that were open (R1), and follows what others write, until ctx ends and all runners have.
func (d *Dispatcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer d.runners.Wait()
	defer cancel()
	d.lifetime = ctx
	d.runners.Go(func() { d.sweepRecords(ctx) })
	d.runners.Go(func() { d.keepStanding(ctx) })
	for {
		err := d.config.Store.WatchJobs(ctx, d.adopt, d.follow)
		if ctx.Err() != nil {
			return nil
		}
		d.config.Log.Warn("the watch on jobs ended and begins again", "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

// Ready is closed when the stored jobs have been read.
func (d *Dispatcher) Ready() <-chan struct{} { return d.ready }

// adopt takes over what is stored when the watch begins.
func (d *Dispatcher) adopt(stored []state.JobChange) {
	for _, change := range stored {
		d.follow(change)
	}
	select {
	case <-d.ready:
	default:
		close(d.ready)
	}
	d.mu.Lock()
	for key, known := range d.jobs {
		if known.job.State.Open() || known.job.State == orchestrator.JobFinalizing || d.sweepsLate(known.job) || owes(known.job) || known.stands() {
			d.startLocked(key, known)
		}
	}
	d.mu.Unlock()
	d.config.Wake()
}

// follow takes over one record as it was written, by us or by another orchestrator (R5).
func (d *Dispatcher) follow(change state.JobChange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.jobs[change.Key]
	switch {
	case change.Gone:
		d.remove(change.Key)
	case known == nil:
		d.put(change.Key, change.Job, change.Revision)
	case change.Revision > known.revision:
		counts := known.job.Counts
		d.put(change.Key, change.Job, change.Revision)
		if known.runner != nil && !known.job.State.Final() {
			known.job.Counts = counts // the runner's are newer
		}
	}
}

// errUnchanged is returned by a change that finds nothing to do.
var errUnchanged = errors.New("nothing to change")

// update changes a job's record under its guard; when somebody else wrote first, the change is made again on what they wrote (R5).
func (d *Dispatcher) update(ctx context.Context, key orchestrator.JobKey, change func(*orchestrator.Job) error) (orchestrator.Job, error) {
	for range 20 {
		job, revision, err := d.read(ctx, key)
		if err != nil {
			return job, err
		}
		before := job.State
		if err := change(&job); err != nil {
			return job, err
		}
		job.Updated = time.Now().UTC()
		if job.State != before {
			if job.Times == nil {
				job.Times = map[orchestrator.JobState]time.Time{}
			}
			job.Times[job.State] = job.Updated
		}
		next, err := d.config.Store.UpdateJob(ctx, job, revision)
		if errors.Is(err, state.ErrConflict) {
			if err := d.refresh(ctx, key); err != nil {
				return job, err
			}
			continue
		}
		if err != nil {
			return job, err
		}
		d.follow(state.JobChange{Key: key, Job: job, Revision: next})
		if job.State != before {
			d.announce(ctx, job)
		}
		return job, nil
	}
	return orchestrator.Job{}, fmt.Errorf("update job %s: %w", key.ID, state.ErrConflict)
}

// read gives a copy of a job as it is known here.
func (d *Dispatcher) read(ctx context.Context, key orchestrator.JobKey) (orchestrator.Job, uint64, error) {
	d.mu.Lock()
	known, ok := d.jobs[key]
	if ok {
		defer d.mu.Unlock()
		return copyOf(known.job), known.revision, nil
	}
	d.mu.Unlock()
	return d.config.Store.Job(ctx, key)
}

// refresh reads the stored record over the known one.
func (d *Dispatcher) refresh(ctx context.Context, key orchestrator.JobKey) error {
	job, revision, err := d.config.Store.Job(ctx, key)
	if err != nil {
		return err
	}
	d.follow(state.JobChange{Key: key, Job: job, Revision: revision})
	return nil
}

// copyOf copies what a change may write through.
func copyOf(job orchestrator.Job) orchestrator.Job {
	times := make(map[orchestrator.JobState]time.Time, len(job.Times)+1)
	for at, when := range job.Times {
		times[at] = when
	}
	job.Times = times
	job.Closed = append([]uint64(nil), job.Closed...)
	return job
}
