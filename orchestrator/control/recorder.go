package control

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/record"
)

// records is where batches of records go.
type records interface {
	PutRecords(ctx context.Context, batch []byte) error
}

// recorder keeps what was decided, and on what, for replay. Decisions do not wait for it: offer leaves the last one where run finds it.
type recorder struct {
	store     records
	documents string
	log       *slog.Logger
	offered   chan struct{}

	mu      sync.Mutex
	pending *decided // the last that run has not looked at; one that changes the size of a pool goes before one that does not
	count   int      // of decisions since the last record
	changes int      // by them, of the sizes of pools

	// What follows belongs to run.
	next   time.Time // before which nothing is looked at
	last   time.Time // of the last record
	kept   uint64    // what the last record says, but for times and progress
	lines  [][]byte  // not stored yet
	bytes  int       // of them
	since  time.Time // of the first of them
	missed int       // records that could not be stored
}

// decided is a decision as the loop leaves it: nothing of it is copied, and nobody changes it.
type decided struct {
	observation orchestrator.Observation
	plan        orchestrator.Plan
}

const (
	shortestRecord = time.Second      // between two records
	longestRecord  = time.Minute      // between two records while decisions are taken
	recordRate     = 64 << 10         // bytes a second, before compression: larger records come more rarely
	batchAge       = 10 * time.Second // after which a batch is stored
	batchBytes     = 4 << 20          // before compression
	batchMessage   = 900 << 10        // a larger one is halved: a message has its limit
	lastBatch      = 5 * time.Second  // to store the rest at the end
)

func newRecorder(store records, documents string, log *slog.Logger) *recorder {
	return &recorder{store: store, documents: documents, log: log, offered: make(chan struct{}, 1)}
}

// offer takes a decision. near are the jobs where they were too many to be looked at one by one; nil: they were not.
func (r *recorder) offer(observation orchestrator.Observation, near []orchestrator.JobView, plan orchestrator.Plan) {
	if near != nil {
		observation.Jobs = near
	}
	observation.Tables = nil // solved again where they are needed
	changes := changed(plan.Pools)
	r.mu.Lock()
	if r.pending == nil || changes > 0 || changed(r.pending.plan.Pools) == 0 {
		r.pending = &decided{observation, plan}
	}
	r.count, r.changes = r.count+1, r.changes+changes
	r.mu.Unlock()
	select {
	case r.offered <- struct{}{}:
	default:
	}
}

// changed is how many pools change their size.
func changed(pools []orchestrator.PoolPlan) (count int) {
	for _, pool := range pools {
		if pool.From != pool.Replicas {
			count++
		}
	}
	return count
}

// run records until ctx ends, and stores the rest.
func (r *recorder) run(ctx context.Context) {
	for ctx.Err() == nil {
		r.sleep(ctx)
		now := time.Now()
		if !now.Before(r.next) {
			r.look(now)
		}
		if len(r.lines) > 0 && (now.Sub(r.since) >= batchAge || r.bytes >= batchBytes) {
			r.flush(ctx)
		}
	}
	r.look(time.Now())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastBatch)
	defer cancel()
	r.flush(ctx)
}

// sleep waits until there is something to look at or to store.
func (r *recorder) sleep(ctx context.Context) {
	wait := time.Hour // nothing to do: a decision ends it
	r.mu.Lock()
	if r.pending != nil {
		wait = time.Until(r.next)
	}
	r.mu.Unlock()
	if len(r.lines) > 0 {
		wait = min(wait, time.Until(r.since.Add(batchAge)))
	}
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	select {
	case <-r.offered:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// look writes the last decision down, unless it says what the last record said.
func (r *recorder) look(now time.Time) {
	r.mu.Lock()
	pending := r.pending
	r.pending = nil
	r.mu.Unlock()
	if pending == nil {
		return
	}
	decision := &record.Decision{
		At: pending.plan.At, Observation: pending.observation, Pools: pending.plan.Pools, Jobs: withoutWaiting(pending.plan).Jobs,
	}
	r.next = now.Add(shortestRecord)
	says := outline(decision)
	if says == r.kept && decision.At.Sub(r.last) < longestRecord {
		return
	}
	r.mu.Lock()
	decision.Decisions, decision.Changes, decision.Missed = r.count, r.changes, r.missed
	r.count, r.changes = 0, 0
	r.mu.Unlock()
	line, err := record.Line(*decision)
	if err != nil {
		r.miss(1, err)
		return
	}
	r.kept, r.last = says, decision.At
	r.next = now.Add(min(max(time.Duration(len(line))*time.Second/recordRate, shortestRecord), longestRecord))
	if len(r.lines) == 0 {
		r.since = now
	}
	r.lines, r.bytes = append(r.lines, line), r.bytes+len(line)
}

// flush stores what was written down. What cannot be stored is left out: decisions of a service whose store is full matter more than their records.
func (r *recorder) flush(ctx context.Context) {
	r.put(ctx, r.lines)
	r.lines, r.bytes = nil, 0
}

// put stores lines in as many batches as they need.
func (r *recorder) put(ctx context.Context, lines [][]byte) {
	if len(lines) == 0 {
		return
	}
	batch, err := record.Pack(r.documents, lines)
	if err == nil && len(batch) > batchMessage && len(lines) > 1 {
		r.put(ctx, lines[:len(lines)/2])
		r.put(ctx, lines[len(lines)/2:])
		return
	}
	if err == nil {
		err = r.store.PutRecords(ctx, batch)
	}
	if err != nil {
		r.miss(len(lines), err)
	}
}

func (r *recorder) miss(count int, err error) {
	r.missed += count
	r.log.Warn("decisions are not recorded for replay", "records", count, "error", err)
}

// outline is what a decision says but for times, progress and words, whatever the order of its lists.
func outline(decision *record.Decision) (sum uint64) {
	add := func(parts ...any) {
		hash := fnv.New64a()
		_, _ = fmt.Fprintln(hash, parts...) // a hash takes everything
		sum += hash.Sum64()
	}
	for _, job := range decision.Observation.Jobs {
		add("job", job.Subject(), job.Epoch, job.State, job.Deadline, job.CutAll, job.Prepares)
	}
	for _, pool := range decision.Observation.Pools {
		available := -1
		if pool.Available != nil {
			available = *pool.Available
		}
		add("pool", pool.Name, pool.Replicas, available, pool.Reading.Err != "")
	}
	for _, worker := range decision.Observation.Workers {
		state := worker.State
		if state == orchestrator.WorkerBusy {
			state = orchestrator.WorkerIdle // it goes back and forth with every shard
		}
		add("worker", worker.Pool, worker.ID, state, worker.Draining)
	}
	for _, pool := range decision.Pools {
		add("plan", pool.Name, pool.Replicas)
	}
	for _, job := range decision.Jobs {
		add("late", job.Subject(), late(job.Reasons))
	}
	return sum
}

// late says whether a job's finish was expected after its deadline.
func late(reasons []orchestrator.Reason) bool {
	for _, reason := range reasons {
		if reason.Code == "late" {
			return true
		}
	}
	return false
}
