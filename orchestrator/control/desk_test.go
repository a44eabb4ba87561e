package control

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/state"
)

// desk is a loop on a real store. The dispatcher and the engines at its sides are records, which a test sets and reads.
type desk struct {
	t       *testing.T
	store   *state.Store
	jobs    *jobs
	engines map[string]*engine
	loop    *Loop

	mu     sync.Mutex
	policy orchestrator.Policy
	peaks  []orchestrator.Peak
	caps   []orchestrator.Cap
}

// jobs stands for the dispatcher: it records every plan that it was to apply, and the workers named with it.
type jobs struct {
	mu      sync.Mutex
	views   []orchestrator.JobView
	facts   []planner.Fact
	applied []applied
	onApply func() // called before the plan is recorded
}

type applied struct {
	plan    orchestrator.Plan
	workers []orchestrator.Presence
}

func (j *jobs) Views() []orchestrator.JobView {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.views)
}

func (j *jobs) TakeFacts() []planner.Fact {
	j.mu.Lock()
	defer j.mu.Unlock()
	facts := j.facts
	j.facts = nil
	return facts
}

func (j *jobs) Apply(plan orchestrator.Plan, workers []orchestrator.Presence) {
	if j.onApply != nil {
		j.onApply()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.applied = append(j.applied, applied{plan, workers})
}

func (j *jobs) set(views ...orchestrator.JobView) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.views = views
}

func (j *jobs) learn(facts ...planner.Fact) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.facts = append(j.facts, facts...)
}

// decisions is every plan applied so far.
func (j *jobs) decisions() []applied {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.applied)
}

// engine stands for what buys a pool's replicas: it records the sizes asked for, and has them at once.
type engine struct {
	pool    string
	onScale func() // called before the request is recorded

	mu       sync.Mutex
	replicas int
	slots    int // workers of a replica; 0: it does not say
	refuse   bool
	ended    []string
	requests []request
}

type request struct {
	Replicas int
	Leaving  []string
	At       time.Time
}

func (e *engine) Observe(context.Context) orchestrator.PoolView {
	e.mu.Lock()
	defer e.mu.Unlock()
	return orchestrator.PoolView{Name: e.pool, Replicas: e.replicas, Slots: e.slots, Reading: orchestrator.Reading{At: time.Now().UTC(), Source: "test"}}
}

func (e *engine) Ended() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ended
}

func (e *engine) Scale(_ context.Context, plan orchestrator.PoolPlan, leaving []string) error {
	if e.onScale != nil {
		e.onScale()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests = append(e.requests, request{plan.Replicas, leaving, time.Now()})
	if e.refuse {
		return errors.New("no machine to be had")
	}
	e.replicas = plan.Replicas
	if e.slots > 0 {
		e.slots = plan.Slots
	}
	return nil
}

func (e *engine) asked() []request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.requests)
}

// sizes is what was asked for, without the times.
func (e *engine) sizes() []request {
	requests := e.asked()
	for i := range requests {
		requests[i].At = time.Time{}
	}
	return requests
}

// open is a desk with pools of 1 to 4 replicas, each of which has the given number at present, and queue "fraud" that may use them all.
func open(t *testing.T, replicas int, pools ...string) *desk {
	t.Helper()
	nc := embeddedtest.Connect(t, embeddedtest.Start(t))
	d := &desk{t: t, jobs: &jobs{}, engines: map[string]*engine{}}
	var err error
	d.store, err = state.Create(t.Context(), nc, state.Config{MaxBytes: 1 << 20, PresenceTTL: time.Hour})
	d.must(err)
	for _, pool := range pools {
		d.engines[pool] = &engine{pool: pool, replicas: replicas}
		d.policy.Pools = append(d.policy.Pools, orchestrator.PoolPolicy{Name: pool, Min: 1, Max: 4, SlotsPerReplica: 1})
	}
	d.policy.Queues = []orchestrator.QueuePolicy{{Tenant: "default", Name: "fraud", Pools: pools, MaxOpenJobs: 5}}
	d.loop = d.fresh()
	return d
}

// fresh is a loop that knows nothing yet, as after a restart.
func (d *desk) fresh() *Loop {
	engines := map[string]Engine{}
	for pool, one := range d.engines {
		engines[pool] = one
	}
	return New(Config{
		Store: d.store, Jobs: d.jobs, Engines: engines, PresenceTTL: time.Minute, Documents: "as they are", Log: slog.New(slog.DiscardHandler),
		Speeds:   func() []orchestrator.Speed { return nil },
		Expected: func(time.Time) ([]orchestrator.Peak, []orchestrator.Cap) { return d.peaks, d.caps },
		Policy: func() orchestrator.Policy {
			d.mu.Lock()
			defer d.mu.Unlock()
			policy := d.policy
			policy.Pools = slices.Clone(policy.Pools)
			return policy
		},
	})
}

// run starts the loop. It ends with stop, at the latest with the test.
func (d *desk) run() (stop func()) {
	d.t.Helper()
	ctx, cancel := context.WithCancel(d.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.loop.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			d.t.Errorf("the loop ended with %v", err)
		}
	})
	d.t.Cleanup(stop)
	return stop
}

// restart is a new loop in the place of one that has stopped.
func (d *desk) restart() (stop func()) {
	d.t.Helper()
	d.loop = d.fresh()
	return d.run()
}

// least sets the Min of every pool.
func (d *desk) least(replicas int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.policy.Pools {
		d.policy.Pools[i].Min = replicas
	}
}

// decide waits for so many decisions more that begin after this call, waking the loop for each.
func (d *desk) decide(more int) {
	d.t.Helper()
	for range more {
		// The decision under way may have observed already: the second one from here begins after this call.
		for range 2 {
			before := len(d.jobs.decisions())
			d.loop.Wake()
			d.eventually("a decision", func() bool { return len(d.jobs.decisions()) > before })
		}
	}
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) eventually(what string, holds func() bool) {
	d.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(2 * time.Millisecond) { // a poll
		if time.Since(began) > 20*time.Second {
			d.t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// say is a worker's heartbeat.
func (d *desk) say(presence orchestrator.Presence) {
	d.t.Helper()
	d.must(d.store.PutPresence(d.t.Context(), presence))
}

// idle is the word of a worker that waits for work.
func idle(pool, id string, slot int) orchestrator.Presence {
	return orchestrator.Presence{Worker: id, Pool: pool, Slot: slot, State: orchestrator.WorkerIdle, At: time.Now().UTC()}
}

// waiting is a job that nobody has opened yet.
func waiting(id string) orchestrator.JobView {
	return orchestrator.JobView{
		JobKey: orchestrator.JobKey{Tenant: "default", Queue: "fraud", ID: id}, State: orchestrator.JobQueued, BatchRows: 10,
		Model: orchestrator.ModelRef{Name: "fraud", Digest: "d1"}, RowsLeft: 1000, RowsUncut: 1000, RowBytes: 10,
	}
}

// names are the workers of a decision.
func names(workers []orchestrator.Presence) []string {
	var list []string
	for _, worker := range workers {
		list = append(list, worker.Worker)
	}
	return list
}

// stored is a worker's assignment in the store, the zero value while there is none.
func (d *desk) stored(worker string) orchestrator.Assignment {
	d.t.Helper()
	assignment, _, err := d.store.Assignment(d.t.Context(), worker)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		d.t.Fatal(err)
	}
	return assignment
}

// firstDecision is the first plan of the loop that runs.
func (d *desk) firstDecision() applied {
	d.t.Helper()
	d.eventually("the first decision", func() bool { return len(d.jobs.decisions()) > 0 })
	return d.jobs.decisions()[0]
}
