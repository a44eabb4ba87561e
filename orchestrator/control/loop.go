package control

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/state"
)

// Engine buys and releases a pool's replicas.
type Engine interface {
	// Observe says how many replicas are asked for at present; its Reading says how well that is known.
	Observe(ctx context.Context) orchestrator.PoolView
	// Scale asks for the plan's number of replicas, each with so many workers. leaving are workers that drain and shall not be counted any more.
	Scale(ctx context.Context, plan orchestrator.PoolPlan, leaving []string) error
	// Ended are workers that have ended lately, as far as it knows: what they said last does not count until it expires.
	Ended() []string
}

// Jobs is the dispatcher, as far as decisions concern it.
type Jobs interface {
	// Views gives every job that has not ended, in any order.
	Views() []orchestrator.JobView
	// TakeFacts gives what commits taught about speeds since the last call.
	TakeFacts() []planner.Fact
	// Apply opens and cuts jobs as planned, and hears what workers say of themselves.
	Apply(plan orchestrator.Plan, workers []orchestrator.Presence)
}

// Config is what the loop works with.
type Config struct {
	Store   *state.Store
	Jobs    Jobs
	Engines map[string]Engine // by pool
	// Backlogs are read for Drains; both may be missing.
	Backlogs []Backlogs
	Drains   Drains
	// Expected is the work that is known to come and the maxima that hold while it does; nil: nothing is known.
	Expected func(now time.Time) ([]orchestrator.Peak, []orchestrator.Cap)
	Policy   func() orchestrator.Policy
	Speeds   func() []orchestrator.Speed // from the models' profiles
	// Documents is what Policy and Speeds follow from, as text without secrets: it is recorded beside the decisions.
	Documents string
	// Decided hears of every decision: on what, how long it took to compute, and what kept it from being applied whole (nil: nothing). nil: nobody asks.
	Decided func(observation orchestrator.Observation, plan orchestrator.Plan, took time.Duration, err error)
	// PresenceTTL is the age from which a worker's last word no longer counts.
	PresenceTTL time.Duration
	Log         *slog.Logger
}

// Loop decides again and again. Wake it when something happened.
type Loop struct {
	config      Config
	wake        chan struct{}
	assignments *assignments
	tables      tables
	recorder    *recorder
	backlogs    *backlogs // nil: there are none

	mu       sync.Mutex
	workers  presences
	near     []orchestrator.JobView // condensed, of the last decision; nil: few enough to be looked at afresh
	plan     orchestrator.Plan
	memory   orchestrator.Memory
	recorded time.Time
}

// New makes a loop; Run starts it.
func New(config Config) *Loop {
	l := &Loop{
		config: config, wake: make(chan struct{}, 1), workers: newPresences(),
		assignments: &assignments{store: config.Store, known: map[string]known{}},
		recorder:    newRecorder(config.Store, config.Documents, config.Log),
	}
	if config.Drains != nil {
		l.backlogs = newBacklogs(config.Drains)
	}
	return l
}

// Wake makes the loop decide soon. It never blocks.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

const (
	// shortestPause is the least time between two decisions: triggers that come together are decided on together.
	shortestPause = 10 * time.Millisecond
	// longestPause bounds what a planner may ask for.
	longestPause = 30 * time.Second
	// slowDecision is how long a decision may take before it is followed by a pause.
	slowDecision = 20 * time.Millisecond
	// longestRest bounds the pause that a slow decision is followed by.
	longestRest = time.Second
	// recordEvery is how often the memory is stored when no number has changed.
	recordEvery = time.Minute
	// firstPresences bounds how long a fresh loop waits for the words of workers that run already.
	firstPresences = 10 * time.Second
	// longestRecall bounds how long servers may take to elect who knows the memory.
	longestRecall = time.Minute
)

// Run decides until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	recall := func() (struct{}, error) { return struct{}{}, l.recall(ctx) }
	if _, err := backoff.Retry(ctx, recall, backoff.WithMaxElapsedTime(longestRecall), backoff.WithNotify(func(err error, _ time.Duration) {
		l.config.Log.Warn("what the last decision remembers cannot be read; trying again", "error", err)
	})); err != nil {
		return err
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	defer l.tables.wait()
	recording, stopRecording := context.WithCancel(context.WithoutCancel(ctx)) // the last decision too
	watching.Go(func() { l.recorder.run(recording) })
	defer stopRecording()
	for _, from := range l.config.Backlogs {
		watching.Go(func() { l.backlogs.watch(ctx, from, l.Wake) })
	}
	present := make(chan struct{})
	watching.Go(func() { l.watchPresence(ctx, sync.OnceFunc(func() { close(present) })) })
	select {
	case <-present:
	case <-time.After(firstPresences):
		l.config.Log.Warn("the first decision does not know all workers: their words are not read yet", "after", firstPresences)
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		began := time.Now()
		pause := l.once(ctx, began.UTC())
		// With very many jobs a decision takes a while: leave most of the time to those who submit them.
		if took := time.Since(began); took > slowDecision {
			l.rest(ctx, min(4*took, longestRest))
		}
		l.sleep(ctx, pause)
	}
	l.keepMemory(ctx)
	return nil
}

// recall reads what the next decision has to know of those before: without it nothing is decided.
func (l *Loop) recall(ctx context.Context) error {
	var memory orchestrator.Memory
	if err := l.config.Store.Plan(ctx, "memory", &memory); err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	l.mu.Lock()
	l.memory = memory
	l.mu.Unlock()
	return l.assignments.load(ctx)
}

func (l *Loop) rest(ctx context.Context, pause time.Duration) {
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}

// sleep waits for a trigger, at most the given time, and then lets triggers gather.
func (l *Loop) sleep(ctx context.Context, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-l.wake:
		l.rest(ctx, shortestPause)
	case <-timer.C:
	case <-ctx.Done():
	}
}

// once observes, computes, applies and records, and says when to do so again.
func (l *Loop) once(ctx context.Context, now time.Time) time.Duration {
	readings := l.backlogs.newest() // the decision sees these, or newer ones
	observation, workers := l.observe(ctx, now)
	began := time.Now()
	plan := planner.Compute(observation, l.config.Policy(), now)
	took := time.Since(began)
	l.tables.want(plan.Tables, l.Wake)
	l.mu.Lock()
	l.plan, l.memory = plan, plan.Memory
	near := l.near
	l.mu.Unlock()
	l.recorder.offer(observation, near, plan)
	err := l.apply(ctx, observation, plan, workers)
	if l.config.Drains != nil {
		l.config.Drains.Hear(readings)
	}
	if l.config.Decided != nil {
		l.config.Decided(observation, plan, took, err)
	}
	if err != nil && ctx.Err() == nil {
		l.config.Log.Warn("the plan is not applied whole; the next one starts from a new observation", "error", err)
		return time.Second
	}
	l.record(ctx, plan, now)
	return min(max(plan.NextCheck.Sub(now), shortestPause), l.longest())
}

func (l *Loop) observe(ctx context.Context, now time.Time) (orchestrator.Observation, []orchestrator.Presence) {
	facts := l.config.Jobs.TakeFacts()
	var ended []string
	for _, engine := range l.config.Engines { // which may be busy: nobody else waits for them meanwhile
		ended = append(ended, engine.Ended()...)
	}
	l.mu.Lock()
	l.memory = planner.Learn(l.memory, facts)
	for _, id := range ended {
		l.workers.remove(id)
	}
	for id, worker := range l.workers.all {
		if now.Sub(worker.At) > l.config.PresenceTTL {
			l.workers.remove(id) // its heartbeats have stopped
		}
	}
	l.mu.Unlock()
	jobs := l.config.Jobs.Views()
	var near []orchestrator.JobView
	if len(jobs) > fewJobs {
		near = planner.Condense(jobs, fewJobs/2)
	}
	l.mu.Lock()
	l.near = near
	l.mu.Unlock()
	return l.observation(ctx, jobs), l.Workers()
}

// fewJobs is how many an estimate looks at one by one. A submit must not become slower with the length of the queue, so that beyond it jobs are
// condensed, as they were at the last decision.
const fewJobs = 64

// Nearby is what an estimate looks at now.
func (l *Loop) Nearby(ctx context.Context) orchestrator.Observation {
	l.mu.Lock()
	near := l.near
	l.mu.Unlock()
	if near == nil {
		near = l.config.Jobs.Views()
	}
	return l.observation(ctx, near)
}

// observation adds to the jobs what is known of workers and pools.
func (l *Loop) observation(ctx context.Context, jobs []orchestrator.JobView) orchestrator.Observation {
	l.mu.Lock()
	memory := l.memory
	l.mu.Unlock()
	observation := orchestrator.Observation{Jobs: jobs, Speeds: l.config.Speeds(), Memory: memory, Tables: l.tables.all(), Backlogs: l.backlogs.views(time.Now().UTC())}
	if l.config.Expected != nil {
		observation.Peaks, observation.Caps = l.config.Expected(time.Now().UTC())
	}
	for _, worker := range l.Workers() {
		observation.Workers = append(observation.Workers, orchestrator.WorkerView{
			ID: worker.Worker, Pool: worker.Pool, Slot: worker.Slot, State: worker.State, Model: worker.Model, Job: worker.Job,
			Since: worker.Since, Draining: l.assignments.draining(worker.Worker) || worker.State == orchestrator.WorkerDraining, Seen: worker.At,
			LoadFailures: worker.LoadFailures, Memory: worker.Used,
			Asked: worker.Started, // a moment later than that: the rest of its start is not counted too short
		})
	}
	for _, pool := range l.pools() {
		observation.Pools = append(observation.Pools, l.config.Engines[pool].Observe(ctx))
		observation.Workers = append(observation.Workers, l.consumersOf(ctx, pool)...)
	}
	return observation
}

func (l *Loop) pools() []string {
	names := make([]string, 0, len(l.config.Engines))
	for name := range l.config.Engines {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// apply: jobs are opened before workers are told to pull from them; workers drain before a pool shrinks, a pool grows before its new workers are known.
func (l *Loop) apply(ctx context.Context, observation orchestrator.Observation, plan orchestrator.Plan, workers []orchestrator.Presence) error {
	l.config.Jobs.Apply(plan, workers)
	var failed error
	leaving, follows := map[string][]string{}, map[string]uint64{}
	for _, worker := range workers {
		follows[worker.Worker] = worker.Epoch
	}
	var standing []orchestrator.StandingView
	if l.config.Drains != nil && len(plan.Queues) > 0 {
		standing = l.config.Drains.Standing()
	}
	for _, wanted := range plan.Workers {
		if consumer, err := l.leave(observation.Workers, wanted); consumer {
			failed = errors.Join(failed, err)
			continue
		}
		wanted = expand(wanted, standing, plan.At)
		if err := l.assignments.put(ctx, wanted, follows[wanted.Worker]); err != nil {
			failed = errors.Join(failed, err)
		}
		if wanted.Drain {
			pool := poolOf(observation.Workers, wanted.Worker)
			leaving[pool] = append(leaving[pool], wanted.Worker)
		}
	}
	failed = errors.Join(failed, l.assignments.forget(ctx, workers))
	for _, pool := range plan.Pools {
		engine, ok := l.config.Engines[pool.Name]
		slots := slotsOf(observation.Pools, pool)
		if !ok || pool.Beside != nil || pool.Replicas == pool.From && pool.Slots == slots {
			continue
		}
		if err := engine.Scale(ctx, pool, leaving[pool.Name]); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		l.config.Log.Info("pool resized", "pool", pool.Name, "from", pool.From, "to", pool.Replicas, "slots", pool.Slots, "why", pool.Why())
	}
	return failed
}

func poolOf(workers []orchestrator.WorkerView, id string) string {
	for _, worker := range workers {
		if worker.ID == id {
			return worker.Pool
		}
	}
	return ""
}

// slotsOf is how many workers a replica of the pool has; what the engine does not say is as planned.
func slotsOf(views []orchestrator.PoolView, pool orchestrator.PoolPlan) int {
	for _, view := range views {
		if view.Name == pool.Name && view.Slots > 0 {
			return view.Slots
		}
	}
	return pool.Slots
}

// record stores the memory when a number has changed, and now and then.
func (l *Loop) record(ctx context.Context, plan orchestrator.Plan, now time.Time) {
	acted := slices.ContainsFunc(plan.Pools, func(pool orchestrator.PoolPlan) bool { return pool.From != pool.Replicas && pool.Beside == nil })
	if !acted && now.Sub(l.recorded) < recordEvery {
		return
	}
	l.recorded = now
	err := errors.Join(l.config.Store.PutPlan(ctx, "memory", plan.Memory), l.config.Store.PutPlan(ctx, "plan", withoutWaiting(plan)))
	if err != nil && ctx.Err() == nil {
		l.config.Log.Warn("the plan is not recorded", "error", err)
	}
}

// withoutWaiting leaves out the jobs that wait: any number of them may, and a record has to fit into a message.
func withoutWaiting(plan orchestrator.Plan) orchestrator.Plan {
	open := make(map[orchestrator.JobKey]bool, len(plan.Open))
	for _, key := range plan.Open {
		open[key] = true
	}
	plan.Jobs = slices.DeleteFunc(slices.Clone(plan.Jobs), func(job orchestrator.JobPlan) bool { return !open[job.JobKey] })
	return plan
}

// keepMemory stores what was learned since the last record, so that the next start knows it.
func (l *Loop) keepMemory(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	l.mu.Lock()
	memory := planner.Learn(l.memory, l.config.Jobs.TakeFacts())
	l.mu.Unlock()
	if err := l.config.Store.PutPlan(ctx, "memory", memory); err != nil {
		l.config.Log.Warn("what was learned since the last record is lost", "error", err)
	}
}

// Plan is the last decision.
func (l *Loop) Plan() orchestrator.Plan {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.plan
}

// Workers gives the last word of every worker, sorted by name.
func (l *Loop) Workers() []orchestrator.Presence {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.workers.sorted()
}

// WorkersIn gives the last word of every worker of a pool, in any order.
func (l *Loop) WorkersIn(pool string) []orchestrator.Presence {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.workers.in(pool)
}

// watchPresence keeps the workers' last words, and says when it has read those that were there.
func (l *Loop) watchPresence(ctx context.Context, caughtUp func()) {
	for ctx.Err() == nil {
		err := l.config.Store.WatchPresence(ctx, func(change state.PresenceChange) {
			l.mu.Lock()
			before, known := l.workers.all[change.Worker]
			if change.Gone {
				l.workers.remove(change.Worker)
			} else {
				l.workers.put(change.Presence)
			}
			l.mu.Unlock()
			if change.Gone || !known || before.State != change.Presence.State || change.Presence.Failure != nil || !ended(change.Presence).Equal(ended(before)) {
				l.Wake()
			}
		}, caughtUp)
		if ctx.Err() == nil {
			l.config.Log.Warn("the watch on workers ended and begins again", "error", err)
		}
		l.rest(ctx, time.Second)
	}
}

// ended is when a scorer of the worker was last ended for want of memory.
func ended(worker orchestrator.Presence) (last time.Time) {
	for _, use := range worker.Used {
		if use.EndedAt.After(last) {
			last = use.EndedAt
		}
	}
	return last
}
