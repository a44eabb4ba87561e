package orchestrator

import (
	"slices"
	"time"
)

// Observation is everything a decision may look at, read at one time. The planner reads nothing else.
type Observation struct {
	Jobs     []JobView
	Backlogs []BacklogView
	Pools    []PoolView
	Workers  []WorkerView
	Speeds   []Speed
	Peaks    []Peak
	Caps     []Cap
	Memory   Memory
	Tables   []*Table // that were solved, by any planner before; see Plan.Tables
}

// Reading says how old and how good an observed value is. Unknown is not zero: a value whose reading has an error, or is older than
// the policy allows, never shrinks anything.
type Reading struct {
	At     time.Time `json:"at"`
	Source string    `json:"source"`
	Err    string    `json:"err,omitempty"`
}

// JobView is what the planner knows of a job that has not ended.
type JobView struct {
	JobKey
	Epoch     int
	State     JobState
	Model     ModelRef
	Submitted time.Time
	Deadline  time.Time // zero: none
	RowsTotal int64     // estimate until everything is cut; 0 is unknown
	RowsLeft  int64     // not settled; estimate until everything is cut and settled; -1 is unknown
	RowsUncut int64     // of them not cut yet; -1 is unknown
	RowBytes  float64   // average length of a row; 0 is unknown
	BatchRows int       // the model's best batch
	// ShardsLeft counts cut shards that are not settled; CutAll says that no more will come.
	ShardsLeft int
	CutAll     bool
	// Also is how many more waiting jobs this one stands for; see planner.Condense.
	Also int
	// Prepares says that its input is not there yet: something else makes it.
	Prepares bool `json:",omitempty"`
}

// BacklogView is what is read of a queue whose work arrives item by item and never ends, unlike a job. When each item is due says QueuePolicy.Due.
type BacklogView struct {
	Tenant  string
	Queue   string
	Model   ModelRef
	Reading Reading
	// Waiting is what has arrived and is neither done nor held by a worker, oldest first. One entry may stand for many arrivals; its time is the first.
	Waiting   []Arrival
	Held      int64 // rows that workers hold; -1: unknown
	BatchRows int   // the model's best batch; 0 is unknown
	// MostWorkers is how many workers find something to do at once, where rows are scored in their order or by the user's own consumers; 0: any number.
	MostWorkers int
	// How many rows arrived in a second, on average over the last ten minutes and over the last day (or since the first, where that is shorter).
	RecentRate float64
	DailyRate  float64
}

// Arrival is when how many rows came.
type Arrival struct {
	At   time.Time
	Rows int64
}

// PoolView is what an engine says of a pool.
type PoolView struct {
	Name     string
	Reading  Reading
	Replicas int // asked for at present
	Slots    int // workers of a replica at present; 0: as the policy says
	// Available is how many replicas the provider would run now; nil is unknown. It is asked of spot pools only.
	Available *int
	// Least and Most bound the replicas where what is sized has bounds of its own, whatever the policy says; Most nil: none.
	Least  int
	Most   *int
	Ledger Ledger // zero: unknown
	// Leaving are slots of replicas that leave whatever is planned: their workers drain.
	Leaving []int
	// Phases are how long the phases of its last starts took, in order; empty: nobody tells them apart.
	Phases []StartPhase
}

// WorkerView is a worker that has been heard of.
type WorkerView struct {
	ID       string
	Pool     string
	Slot     int
	State    WorkerState
	Model    ModelRef
	Job      string    // identifier of the job whose shard it holds
	Since    time.Time // when its state, its model or its shard became what they are; zero: unknown
	Draining bool      // its assignment says drain
	Asked    time.Time // when its replica was asked for, while it starts; zero: unknown
	// LoadFailures counts loads that failed one after another.
	LoadFailures int
	Memory       []MemoryUse // of its scorers
	Seen         time.Time
	// Grace is how long the user's own consumer says that it needs to finish what it holds, once it is told to end; 0: it does not say.
	Grace time.Duration
}

// Speed is how fast one worker of a pool scores with a model.
type Speed struct {
	Model         string
	Pool          string
	RowsPerSecond float64
	LoadSeconds   float64
	Basis         string // "profile" or "measured"
}

// Policy is what the documents say, in the planner's terms.
type Policy struct {
	Pools  []PoolPolicy
	Queues []QueuePolicy
	Models []ModelPolicy
	// StaleAfter is the age from which a reading no longer counts.
	StaleAfter time.Duration
	// Interval is the longest time between two decisions: what is lost may be noticed that late. 0: five seconds, as in Plan.NextCheck with open jobs.
	Interval time.Duration
	// Prior is what is believed of spot capacity before a pool's own memory says more; the zero value stands for planner.DefaultPrior.
	Prior SpotPrior
}

// PoolPolicy are the bounds of a pool.
type PoolPolicy struct {
	Name            string
	CapacityType    CapacityType
	Price           Money         // per replica and hour
	Windows         []PriceWindow // at which it has other prices
	Min, Max        int           // replicas
	SlotsPerReplica int
	ScaleDownDelay  time.Duration
	StartSeconds    float64       // from the request of a replica to a worker that can load a model, p95
	Notice          time.Duration // from the announcement of an eviction to the loss of the replica; 0: none is given
	// TimeScale is how many times faster than the clock its spot capacity comes and goes, where a trace is replayed; 0: as the clock.
	TimeScale float64
	// MemoryPerReplica is how many bytes the scorers of one replica may hold together; 0: no bound.
	MemoryPerReplica int64
	// Observe: somebody else sizes it, and nothing of the plan is carried out.
	Observe bool
}

// CapacityType is how a pool's replicas are bought.
type CapacityType string

// The capacity types.
const (
	CapacitySpot     CapacityType = "spot"
	CapacityOnDemand CapacityType = "on-demand"
)

// QueuePolicy are the limits of a queue.
type QueuePolicy struct {
	Name        string
	Tenant      string
	Pools       []string // in order of preference
	MaxOpenJobs int
	MaxWorkers  int // 0: as many as the pools allow
	Weight      int
	// FinishWithin is how long after its arrival an item of the queue's backlog is due, and a job that names no deadline after its submit; 0: never.
	FinishWithin time.Duration
	// Daily is the same by the clock; a queue has one of them at most.
	Daily DailyDeadline
	// Cheapest queues use spot pools only, and wait for them for ever.
	Cheapest bool
	// External queues are worked off by the user's own consumers: their pools are only sized.
	External bool
}

// Plan is one decision: what shall be, why, and what the next decision has to remember.
type Plan struct {
	At        time.Time    `json:"at"`
	Pools     []PoolPlan   `json:"pools"`
	Open      []JobKey     `json:"open,omitempty"` // jobs that may hold shards now, those already open included, by urgency
	Jobs      []JobPlan    `json:"jobs,omitempty"`
	Queues    []QueuePlan  `json:"queues,omitempty"`  // of those with backlogs that wait or are served
	Workers   []Assignment `json:"workers,omitempty"` // without epochs: control raises them where something changed
	Memory    Memory       `json:"memory"`
	NextCheck time.Time    `json:"nextCheck"`
	// Tables are those that the decision lacked. Who solves them (planner.Solve), and offers them in the next observation, gets cheaper decisions.
	Tables []TableParameters `json:"tables,omitempty"`
}

// PoolPlan is the size of a pool and the chain of reasons that leads to it.
type PoolPlan struct {
	Name     string   `json:"name"`
	From     int      `json:"from"` // replicas asked for when observed
	Replicas int      `json:"replicas"`
	Slots    int      `json:"slots"`           // workers of each replica
	Ledger   Ledger   `json:"ledger,omitzero"` // as observed
	Reasons  []Reason `json:"reasons"`
	// Memory is what a worker needs with each model, as far as that is known.
	Memory []MemoryPlan `json:"memory,omitempty"`
	Phases []StartPhase `json:"phases,omitempty"` // as observed
	// Beside is what was there and what was planned, of a pool that is only observed; nil: the plan is carried out.
	Beside *Beside `json:"beside,omitempty"`
}

// Why is the reason of the last step that changed the number, or else says why fewer workers share a replica.
func (p PoolPlan) Why() string {
	for _, reason := range slices.Backward(p.Reasons) {
		if reason.From != reason.To || reason.Code == "memory" {
			return reason.Sentence
		}
	}
	return "there is memory for more workers"
}

// QueuePlan is how many workers serve the backlog of a queue, and why.
type QueuePlan struct {
	Tenant  string `json:"tenant"`
	Queue   string `json:"queue"`
	Workers int    `json:"workers"`
	// How its next shards are cut, as in JobPlan.
	ShardRows int64    `json:"shardRows,omitempty"`
	Ahead     int      `json:"ahead,omitempty"`
	Reasons   []Reason `json:"reasons"`
}

// JobPlan is what the planner expects of a job and how its uncut rest shall be cut.
type JobPlan struct {
	JobKey
	Workers    int       `json:"workers"`
	ShardRows  int64     `json:"shardRows"` // rows of the next cuts; near the end less, so that those who share them end together
	Sharing    int       `json:"sharing"`   // workers that share the rows not cut yet
	Ahead      int       `json:"ahead"`     // shards to keep published and not settled
	Start      time.Time `json:"start,omitzero"`
	Finish     time.Time `json:"finish,omitzero"`
	FinishLow  time.Time `json:"finishLow,omitzero"`
	FinishHigh time.Time `json:"finishHigh,omitzero"`
	Cost       Money     `json:"cost"`
	Position   int       `json:"position,omitempty"` // among the queue's waiting jobs, from 1
	Reasons    []Reason  `json:"reasons"`
}

// Reason is one link of a chain: which rule changed which number, in words. Within a chain, each From is the To before it.
type Reason struct {
	Code     string `json:"code"`
	From     int    `json:"from"`
	To       int    `json:"to"`
	Sentence string `json:"sentence"`
}

// Memory is what the next decision must remember. It travels in the plan and is stored, so that a restart changes nothing.
type Memory struct {
	Pools  []PoolMemory  `json:"pools,omitempty"`
	Speeds []SpeedMemory `json:"speeds,omitempty"`
	Models []ModelMemory `json:"models,omitempty"`
}

// PoolMemory remembers since when fewer replicas would have been enough.
type PoolMemory struct {
	Name string `json:"name"`
	// LowSince is when demand fell below the present size and stayed there; zero when it did not.
	LowSince time.Time `json:"lowSince,omitzero"`
	// LowPeak is the most that was wanted since LowSince.
	LowPeak int `json:"lowPeak,omitempty"`
	// Grown is when the pool was last made larger: its new workers are not there at once.
	Grown time.Time `json:"grown,omitzero"`
	// Proven is the most replicas that were seen to be of use at once, since the last trial that failed.
	Proven int `json:"proven,omitempty"`
	// Trial is what the last growth has brought so far; zero when all of it is of use.
	Trial TrialMemory `json:"trial,omitzero"`
	// Gain is what its workers did before the last growth, until it is known whether more do more.
	Gain GainMemory `json:"gain,omitzero"`
	// Spot is how its spot capacity came and went.
	Spot SpotMemory `json:"spot,omitzero"`
	// Starts is how long its workers took to start.
	Starts StartMemory `json:"starts,omitzero"`
	// Slots is how many workers of a replica the last plan had; 0: as the policy says.
	Slots int `json:"slots,omitempty"`
	// Kept are the workers that the last plan kept for peaks beside others.
	Kept KeptMemory `json:"kept,omitzero"`
	// Crowded are the workers that drain because memory is for fewer, while their replicas stay.
	Crowded []string `json:"crowded,omitempty"`
	// Beside counts the replicas of a pool that is only observed.
	Beside BesideMemory `json:"beside,omitzero"`
}

// KeptMemory is how many workers of a pool were kept for peaks, and of how many.
type KeptMemory struct {
	Workers int `json:"workers"`
	Of      int `json:"of"`
}

// StartMemory is what has been seen of the starts of a pool's workers, from the request of the replica until the worker can load.
type StartMemory struct {
	Recent  []float64        `json:"recent,omitempty"` // seconds that the last ones took, the newest last
	Waiting []StartingWorker `json:"waiting,omitempty"`
}

// StartingWorker is one that was seen to start.
type StartingWorker struct {
	ID    string    `json:"id"`
	Asked time.Time `json:"asked"`
	Seen  time.Time `json:"seen"` // starting, the last time
}

// TrialMemory is a growth of a pool whose replicas are not all of use yet.
type TrialMemory struct {
	Since  time.Time `json:"since"`            // when the pool grew, or when one became of use last
	Useful int       `json:"useful"`           // replicas that were of use then
	Failed bool      `json:"failed,omitempty"` // none became so for too long
}

// GainMemory is the speed of a pool before it was made larger.
type GainMemory struct {
	Since         time.Time `json:"since"`    // when the pool grew, or when all of it became of use
	Replicas      int       `json:"replicas"` // that were of use before
	Model         string    `json:"model"`
	RowsPerSecond float64   `json:"rowsPerSecond"`  // of one worker
	Until         time.Time `json:"until,omitzero"` // more did not do more, and are not tried again before
}

// SpeedMemory is a speed learned from commits: averages over committed attempts, newer ones weighing more.
type SpeedMemory struct {
	Model         string  `json:"model"`
	Pool          string  `json:"pool"`
	RowsPerSecond float64 `json:"rowsPerSecond"`
	LoadSeconds   float64 `json:"loadSeconds"`
	Rows          int64   `json:"rows"` // behind the average
	// Loads are the seconds that the last loads took, the newest last.
	Loads []float64 `json:"loads,omitempty"`
}
