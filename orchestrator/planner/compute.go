package planner

import (
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// step is one rule. It reads the world and changes it; numbers of replicas and workers through drafts only.
type step struct {
	name  string
	apply func(*world)
}

// steps are the rules in the order in which they apply. A later one has the last word.
var steps = []step{
	{"open jobs", openJobs},              // which jobs may hold shards
	{"spot belief", observeSpot},         // how spot capacity comes and goes
	{"starts", learnStarts},              // how long workers take to start
	{"trials", observeTrials},            // what has become of the last growth
	{"preference", sayPreference},        // which pools are used, where not the first
	{"memory", memory},                   // what a worker needs with each model, and how many share a replica
	{"demand", demand},                   // workers that the work of each queue asks for, on the pool it prefers
	{"peaks", peaks},                     // workers that have to be ready for work that comes
	{"level", level},                     // workers that the backlogs of queues need
	{"split", splitCapacity},             // the same for a queue with deadlines and both spot and on-demand pools
	{"queue bounds", queueBounds},        // no queue asks for more than its MaxWorkers, or a cap
	{"cheapest", waitForSpot},            // queues without an objective but the price wait for spot capacity
	{"busy floor", busyFloor},            // a worker that holds a shard stays
	{"pool bounds", poolBounds},          // Min and Max of the pool
	{"step limit", stepLimit},            // lax work doubles what has been of use
	{"marginal check", marginalCheck},    // what brought nothing is undone
	{"hold", hold},                       // a size that is not known is not changed
	{"scale-down delay", scaleDownDelay}, // fewer only after fewer were enough for a while
	{"drain", drain},                     // which workers go when the pool gets smaller
	{"share", share},                     // workers of each job
	{"expectation", expect},              // start, finish and cost of each job
	{"lateness", sayLate},                // what will be late, and what would help
	{"turns", turns},                     // which model each worker serves, for work that arrives item by item
	{"shard sizes", shardSizes},          // rows of the next cuts, and how many shards to keep published
	{"assignments", assign},              // the jobs of each worker, in order
	{"next check", nextCheck},            // when to ask again
}

// Compute decides. See the package's documentation for what it promises.
func Compute(observation orchestrator.Observation, policy orchestrator.Policy, now time.Time) orchestrator.Plan {
	return decide(observation, policy, now, steps).plan()
}

func decide(observation orchestrator.Observation, policy orchestrator.Policy, now time.Time, steps []step) *world {
	w := newWorld(observation, policy, now)
	for _, step := range steps {
		step.apply(w)
	}
	return w
}
