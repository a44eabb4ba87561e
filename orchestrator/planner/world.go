package planner

import (
	"cmp"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// Numbers beyond all reason are cut to these.
const (
	mostReplicas = 1 << 20
	mostSlots    = 1 << 10
	endless      = 1 << 30 // workers, shards
	mostWeight   = 1000
	mostRows     = 1 << 52
)

// world is the observation put in order, and what the steps make of it.
type world struct {
	now        time.Time
	staleAfter time.Duration
	interval   time.Duration          // until the next decision at the latest
	prior      orchestrator.SpotPrior // what is believed of spot capacity
	tables     []*orchestrator.Table
	lacking    []orchestrator.TableParameters // tables that would have been looked at
	pools      []*pool                        // of the policy, by name
	queues     []*queue                       // of the policy, by tenant and name
	jobs       []*job                         // not ended, by urgency
	peaks      []*peak                        // by when they begin
	models     map[orchestrator.ModelRef]int  // of the jobs, numbered from 1
	memory     orchestrator.Memory
	workers    []orchestrator.Assignment
	nextCheck  time.Time
	turnsAt    time.Time // when it may be another model's turn
}

// pool is one pool of the policy and what is known of it.
type pool struct {
	policy   orchestrator.PoolPolicy
	view     orchestrator.PoolView
	observed bool
	doubt    string // why the size is not known; empty: it is
	memory   orchestrator.PoolMemory
	queues   []*queue  // those that prefer it, most urgent first
	workers  []*worker // by slot
	groups   []group   // the same as replicas
	line     []*job    // of the queues that use it, by urgency
	replicas draft
	wanted   int      // workers that the queues ask for
	busy     int      // replicas that hold shards and stay
	leveled  int      // of them, for backlogs
	wished   int      // replicas, were the size known
	splits   bool     // a queue that splits its work uses it
	capped   bool     // a cap makes it smaller
	external bool     // its workers are the user's own consumers
	consumed []*queue // the external queues that list it
	needs    []*need  // memory, by model
	models   map[string]orchestrator.ModelPolicy
	fit      int    // workers of a replica that there is memory for
	round    *round // the turns of its models; nil: not decided
	firm     int    // workers that what cannot wait needs
	reserved int    // workers that are kept for peaks
	added    int    // of them, those that nobody else wants
	reserves []reserve
	// lentUntil is when workers that are kept for peaks, and do something else, begin to be ready for them.
	lentUntil []time.Time
}

// slots is the number of workers of a replica.
func (p *pool) slots() int { return p.fit }

// replicaOf is the replica that a slot is in: slots are counted as if all were used.
func (p *pool) replicaOf(slot int) int { return slot / p.policy.SlotsPerReplica }

// planned is the number of workers that the plan buys.
func (p *pool) planned() int { return p.replicas.to * p.slots() }

// working is how many workers the queues that prefer the pool have, there and on the other pool of those that split their work, and what one of them costs an hour.
func (p *pool) working() (workers int, price orchestrator.Money) {
	workers = p.planned()
	price = p.policy.Price.Times(float64(workers) / float64(p.slots()))
	for _, q := range p.queues {
		other, more := q.onDemand, q.onOnDemand
		if q.pool == q.onDemand {
			other, more = q.spot, q.onSpot
		}
		if q.splits {
			more = min(more, other.planned())
			workers += more
			price = price.Add(other.policy.Price.Times(float64(more) / float64(other.slots())))
		}
	}
	if workers == 0 {
		return 0, p.policy.Price.Times(1 / float64(p.slots()))
	}
	return workers, price.Times(1 / float64(workers))
}

// queue is one queue of the policy.
type queue struct {
	policy orchestrator.QueuePolicy
	pools  []*pool // those it lists that exist
	pool   *pool   // the first of them, or one of its capacity type that is cheaper; nil: none
	// What a million rows cost on each; empty: there is nothing to compare.
	rowPrices []float64
	measures  string // the model of unknown speed for which it uses its on-demand pool; empty: none
	// The first of them of each capacity type, or a cheaper one; nil: none.
	spot, onDemand *pool
	splits         bool              // it splits its work over both; see split.go
	onSpot         int               // workers, where it does
	onOnDemand     int               // likewise
	safe           bool              // likewise: its deadlines will be met whatever spot capacity does
	jobs           []*job            // by urgency
	backlog        *backlog          // nil: its work comes as jobs only
	serving        draft             // workers that serve its backlog
	shardRows      int64             // of its standing jobs
	foreseen       int               // workers that are kept for what its forecast expects
	inOrder        bool              // its backlog's partitions bound its workers
	ahead          int               // likewise
	ready          int               // workers of the preferred pool that can work for it at once
	wanted         int               // workers
	urgent         int               // of them, that its deadlines need
	capped         *orchestrator.Cap // the lowest of those that hold now; nil: none does
}

// job is one job that has not ended.
type job struct {
	view    *orchestrator.JobView // of the observation, or of a sane copy
	model   int                   // its number in the world
	queue   *queue                // nil: its queue is not in the policy
	speed   speed
	work    float64 // seconds of one worker; -1: unknown
	feed    int     // workers that find shards of a usual size
	most    int     // workers that find a batch
	open    bool
	busy    int // workers that hold a shard of it
	given   int // workers that it has been given
	workers draft
	plan    orchestrator.JobPlan
	begins  float64             // seconds until it is its turn; -1: unknown
	order   *orchestrator.Order // of every worker that has it; nil: none has yet
}

// pool is the one the job's queue prefers; nil: none.
func (j *job) pool() *pool {
	if j.queue == nil {
		return nil
	}
	return j.queue.pool
}

// worker is one worker of a pool.
type worker struct {
	view     *orchestrator.WorkerView // of the observation
	consumer bool                     // the user's own program
	model    int                      // the number of the one it has loaded; 0: no job needs it
	holds    *job
	drains   bool
	turns    bool                  // it is its turn to serve a backlog
	turn     []*orchestrator.Order // the backlogs that it serves first
	keeps    *peak                 // it is kept for; nil: none
}

// newWorld puts the observation in order. Of several entries of one name the first in a fixed order counts.
func newWorld(observation orchestrator.Observation, policy orchestrator.Policy, now time.Time) *world {
	w := &world{now: now, staleAfter: policy.StaleAfter, memory: copyMemory(observation.Memory), models: map[orchestrator.ModelRef]int{}}
	if w.staleAfter <= 0 {
		w.staleAfter = time.Minute
	}
	w.tables, w.interval, w.prior = observation.Tables, policy.Interval, policy.Prior
	if w.interval <= 0 {
		w.interval = checkOpen
	}
	if w.prior == (orchestrator.SpotPrior{}) {
		w.prior = DefaultPrior
	}
	if w.prior.Grants == (orchestrator.GrantPrior{}) {
		w.prior.Grants = DefaultPrior.Grants
	}
	poolsByName := w.addPools(observation, policy)
	queuesByName := w.addQueues(policy, poolsByName)
	speeds := newSpeeds(observation)
	jobsByID := w.addJobs(observation, queuesByName, speeds)
	w.addBacklogs(observation, queuesByName, speeds)
	w.addPeaks(observation, queuesByName, speeds)
	w.addCaps(observation, queuesByName)
	w.addWorkers(observation, poolsByName, jobsByID)
	for _, p := range w.pools {
		slices.SortStableFunc(p.queues, func(a, b *queue) int { return compareQueues(a, b) })
		p.findReady()
		p.findGroups()
	}
	return w
}

func (w *world) addPools(observation orchestrator.Observation, policy orchestrator.Policy) map[string]*pool {
	byName := make(map[string]*pool, len(policy.Pools))
	for _, one := range sorted(policy.Pools, func(a, b orchestrator.PoolPolicy) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Min, b.Min), cmp.Compare(a.Max, b.Max))
	}) {
		if byName[one.Name] != nil {
			continue
		}
		p := &pool{policy: sanePool(one), memory: orchestrator.PoolMemory{Name: one.Name}, doubt: "no engine has spoken of it"}
		byName[one.Name] = p
		w.pools = append(w.pools, p)
	}
	for _, view := range sorted(observation.Pools, func(a, b orchestrator.PoolView) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), b.Reading.At.Compare(a.Reading.At), cmp.Compare(b.Replicas, a.Replicas))
	}) {
		if p := byName[view.Name]; p != nil && !p.observed {
			p.observed, p.view = true, view
			p.view.Replicas = min(max(view.Replicas, 0), mostReplicas)
			p.doubt = w.doubt(view.Reading)
			p.replicas = startAt(p.view.Replicas)
			p.keepWithin(view)
		}
	}
	for _, memory := range observation.Memory.Pools {
		if p := byName[memory.Name]; p != nil {
			p.memory = memory
		}
	}
	for _, p := range w.pools {
		if p.fit = p.policy.SlotsPerReplica; p.memory.Slots > 0 {
			p.fit = min(p.memory.Slots, p.fit)
		}
	}
	w.addMemory(observation.Memory.Models, policy, byName)
	return byName
}

// keepWithin takes over the bounds of what is sized: fewer than its least there never are, and more than its most never come.
func (p *pool) keepWithin(view orchestrator.PoolView) {
	least := min(max(view.Least, 0), mostReplicas)
	if view.Most != nil {
		p.policy.Max = min(p.policy.Max, max(*view.Most, 0))
	}
	p.policy.Min, p.policy.Max = max(min(p.policy.Min, p.policy.Max), least), max(p.policy.Max, least)
}

func sanePool(p orchestrator.PoolPolicy) orchestrator.PoolPolicy {
	p.Max = min(max(p.Max, 0), mostReplicas)
	p.Min = min(max(p.Min, 0), p.Max)
	p.SlotsPerReplica = min(max(p.SlotsPerReplica, 1), mostSlots)
	p.StartSeconds = saneSeconds(p.StartSeconds)
	p.TimeScale = saneSpeed(p.TimeScale)
	p.Windows = slices.DeleteFunc(slices.Clone(p.Windows), func(one orchestrator.PriceWindow) bool { return one.Zone == nil })
	p.MemoryPerReplica = min(max(p.MemoryPerReplica, 0), mostBytes)
	p.ScaleDownDelay, p.Price.Micros = max(p.ScaleDownDelay, 0), max(p.Price.Micros, 0)
	return p
}

func (w *world) addQueues(policy orchestrator.Policy, pools map[string]*pool) map[queueName]*queue {
	byName := make(map[queueName]*queue, len(policy.Queues))
	all := make([]queue, 0, len(policy.Queues))
	for _, one := range sorted(policy.Queues, func(a, b orchestrator.QueuePolicy) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Name, b.Name), slices.Compare(a.Pools, b.Pools))
	}) {
		name := queueName{one.Tenant, one.Name}
		if byName[name] != nil {
			continue
		}
		all = append(all, queue{policy: one})
		q := &all[len(all)-1]
		q.policy.Weight = min(max(one.Weight, 1), mostWeight)
		byName[name] = q
		w.queues = append(w.queues, q)
		for i, poolName := range one.Pools {
			p := pools[poolName]
			if p == nil || slices.Contains(one.Pools[:i], poolName) || one.Cheapest && p.policy.CapacityType != orchestrator.CapacitySpot {
				continue
			}
			q.pools = append(q.pools, p)
			if one.External {
				p.external, p.consumed = true, append(p.consumed, q)
			}
			switch {
			case p.policy.CapacityType == orchestrator.CapacitySpot && q.spot == nil:
				q.spot = p
			case p.policy.CapacityType == orchestrator.CapacityOnDemand && q.onDemand == nil:
				q.onDemand = p
			}
			if q.pool == nil {
				q.pool = p
				p.queues = append(p.queues, q)
			}
		}
	}
	return byName
}

type queueName struct{ tenant, name string }

func (w *world) addJobs(observation orchestrator.Observation, queues map[queueName]*queue, speeds speeds) map[string]*job {
	w.prefer(speeds, observation.Jobs, queues)
	byID := make(map[string]*job, len(observation.Jobs))
	w.jobs = make([]*job, 0, len(observation.Jobs))
	all := make([]job, len(observation.Jobs))
	for i, view := range inOrder(observation.Jobs, func(a, b *orchestrator.JobView) int {
		return cmp.Or(compareKeys(&a.JobKey, &b.JobKey), cmp.Compare(b.Epoch, a.Epoch))
	}) {
		if view.State.Final() || len(w.jobs) > 0 && w.jobs[len(w.jobs)-1].view.JobKey == view.JobKey {
			continue
		}
		j := &all[i]
		view = saneJob(view)
		j.view, j.queue, j.plan.JobKey = view, queues[queueName{view.Tenant, view.Queue}], view.JobKey
		if p := j.pool(); p != nil {
			j.speed = speeds.elsewhere(view.Model.Name, p, j.queue.pools)
		}
		if j.model = w.models[view.Model]; j.model == 0 {
			j.model = len(w.models) + 1
			w.models[view.Model] = j.model
		}
		j.measure()
		w.jobs = append(w.jobs, j)
		byID[view.ID] = j
	}
	slices.SortFunc(w.jobs, compareJobs)
	for _, j := range w.jobs {
		if j.queue != nil {
			j.queue.jobs = append(j.queue.jobs, j)
		}
	}
	for _, q := range w.queues {
		if q.splits = q.mixed(); q.splits {
			q.spot.splits, q.onDemand.splits = true, true
		}
	}
	for _, j := range w.jobs {
		for _, p := range j.queue.uses() {
			p.line = append(p.line, j)
		}
	}
	return byID
}

// saneJob is the view itself where its numbers make sense: they are long.
func saneJob(view *orchestrator.JobView) *orchestrator.JobView {
	shards, left, uncut := min(max(view.ShardsLeft, 0), endless), min(max(view.RowsLeft, -1), mostRows), min(max(view.RowsUncut, -1), mostRows)
	if shards == view.ShardsLeft && left == view.RowsLeft && uncut == view.RowsUncut {
		return view
	}
	sane := *view
	sane.ShardsLeft, sane.RowsLeft, sane.RowsUncut = shards, left, uncut
	return &sane
}

// uses are the pools that the queue asks for workers.
func (q *queue) uses() []*pool {
	switch {
	case q == nil || q.pool == nil:
		return nil
	case q.splits:
		return []*pool{q.spot, q.onDemand}
	}
	return []*pool{q.pool}
}

func (w *world) addWorkers(observation orchestrator.Observation, pools map[string]*pool, jobs map[string]*job) {
	all := make([]worker, len(observation.Workers))
	for i := range observation.Workers {
		view := &observation.Workers[i]
		if p := pools[view.Pool]; p != nil {
			drains := view.Draining || view.State == orchestrator.WorkerDraining || slices.Contains(p.view.Leaving, view.Slot)
			all[i] = worker{view: view, consumer: p.external, model: w.models[view.Model], drains: drains}
			p.workers = append(p.workers, &all[i])
		}
	}
	seen := make(map[string]bool, len(observation.Workers))
	for _, p := range w.pools {
		slices.SortFunc(p.workers, func(a, b *worker) int { return compareWorkers(a.view, b.view) })
		p.workers = slices.DeleteFunc(p.workers, func(one *worker) bool {
			again := seen[one.view.ID]
			seen[one.view.ID] = true
			return again
		})
		for _, one := range p.workers {
			if one.view.Job == "" {
				continue
			}
			if one.holds = jobs[one.view.Job]; one.holds != nil {
				one.holds.busy++
			}
		}
	}
	for _, j := range w.jobs {
		j.workers = startAt(j.busy)
	}
}

// compareWorkers orders by slot; of two words of one worker the newer comes first.
func compareWorkers(a, b *orchestrator.WorkerView) int {
	return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.ID, b.ID), b.Seen.Compare(a.Seen))
}

// busy says that the worker holds a shard.
func (w *worker) busy() bool { return w.view.State == orchestrator.WorkerBusy || w.view.Job != "" }

func compareJobs(a, b *job) int { return compareViews(a.view, b.view) }

// compareViews orders by urgency: earliest deadline, then submitted, then identifier. A job without a deadline comes after all with one.
func compareViews(a, b *orchestrator.JobView) int {
	if urgency := cmp.Or(compareDeadlines(a.Deadline, b.Deadline), a.Submitted.Compare(b.Submitted)); urgency != 0 {
		return urgency
	}
	return cmp.Or(cmp.Compare(a.ID, b.ID), compareKeys(&a.JobKey, &b.JobKey))
}

func compareKeys(a, b *orchestrator.JobKey) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.ID, b.ID))
}

func compareDeadlines(a, b time.Time) int {
	if a.IsZero() != b.IsZero() {
		if a.IsZero() {
			return 1
		}
		return -1
	}
	return a.Compare(b)
}

// compareQueues orders by the most urgent job; a queue without jobs comes last.
func compareQueues(a, b *queue) int {
	if len(a.jobs) == 0 || len(b.jobs) == 0 {
		return cmp.Compare(min(1, len(b.jobs)), min(1, len(a.jobs)))
	}
	return compareJobs(a.jobs[0], b.jobs[0])
}

// inOrder are the entries of a list, in order: long entries are not moved.
func inOrder[T any](list []T, compare func(a, b *T) int) []*T {
	order := make([]*T, len(list))
	for i := range list {
		order[i] = &list[i]
	}
	slices.SortFunc(order, compare)
	return order
}

// sorted is an ordered copy.
func sorted[T any](list []T, compare func(a, b T) int) []T {
	list = slices.Clone(list)
	slices.SortStableFunc(list, compare)
	return list
}

// plan is the world's result.
func (w *world) plan() orchestrator.Plan {
	plan := orchestrator.Plan{At: w.now, NextCheck: w.nextCheck, Workers: w.workers, Memory: w.memory, Tables: w.lacking}
	plan.Memory.Models = w.remembered()
	plan.Memory.Pools = make([]orchestrator.PoolMemory, 0, len(w.pools))
	plan.Pools = make([]orchestrator.PoolPlan, 0, len(w.pools))
	plan.Jobs = make([]orchestrator.JobPlan, 0, len(w.jobs))
	for _, p := range w.pools {
		p.memory.Slots = 0
		if p.fit < p.policy.SlotsPerReplica {
			p.memory.Slots = p.fit
		}
		p.memory.Kept = orchestrator.KeptMemory{}
		if kept := min(p.added, p.planned()); kept > 0 {
			p.memory.Kept = orchestrator.KeptMemory{Workers: kept, Of: p.planned()}
		}
		p.countBeside(w.now)
		plan.Memory.Pools = append(plan.Memory.Pools, p.memory)
		if p.observed {
			plan.Pools = append(plan.Pools, orchestrator.PoolPlan{
				Name: p.policy.Name, From: p.replicas.from, Replicas: p.replicas.to, Slots: p.fit, Ledger: p.view.Ledger, Phases: p.view.Phases, Reasons: p.replicas.reasons,
				Memory: p.memoryPlan(), Beside: p.counted(),
			})
		}
	}
	for _, q := range w.queues {
		if len(q.serving.reasons) > 0 {
			plan.Queues = append(plan.Queues, orchestrator.QueuePlan{Tenant: q.policy.Tenant, Queue: q.policy.Name, Workers: q.serving.to, ShardRows: q.shardRows, Ahead: q.ahead, Reasons: q.serving.reasons})
		}
	}
	for _, j := range w.jobs {
		if j.open {
			plan.Open = append(plan.Open, j.view.JobKey)
		}
		j.plan.Workers, j.plan.Reasons = j.workers.to, j.workers.reasons
		plan.Jobs = append(plan.Jobs, j.plan)
	}
	return plan
}
