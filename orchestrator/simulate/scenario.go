package simulate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// Scenario is what happens to an installation with any number of queues and pools: everything that its documents do not say. docs/replay.md numbers the rules of
// this world.
type Scenario struct {
	Policy orchestrator.Policy
	Speeds []orchestrator.Speed // that the documents' profiles say
	Memory orchestrator.Memory  // of the planner at the beginning
	Begin  time.Time
	End    time.Time // jobs that have not ended are given up
	Whole  bool      // it goes on until End, although all work is done
	Jobs   []Submit
	Pools  []Provider           // a pool without one gets what it asks for
	Truth  []orchestrator.Speed // how fast workers are; a pair that is missing is as Speeds says
	Seed   uint64
	Tables *Tables // may be shared by scenarios that run one after another
}

// Submit is a job that arrives.
type Submit struct {
	orchestrator.JobKey
	Model     string
	At        time.Time
	Deadline  time.Time // zero: none
	Rows      int64
	BatchRows int
	RowBytes  float64
}

// Provider is what the provider of a pool's replicas does.
type Provider struct {
	Pool     string
	Initial  int // replicas that are ready at the beginning
	Capacity []Step
	Losses   []Step  // replicas that are lost at a time
	LossRate float64 // by chance, of each replica in an hour
	// Starts are how long replicas take until they can load a model, in turn; of two that are marked Range, a time between them is drawn.
	Starts []time.Duration
	Range  bool
}

// Step is a number from a time on.
type Step struct {
	At       time.Time `json:"at"`
	Replicas int       `json:"replicas"`
}

// Report is how a scenario went.
type Report struct {
	Begin     time.Time    `json:"begin"`
	End       time.Time    `json:"end"` // all work was done and all replicas that were not needed were gone, or it was given up
	Decisions int          `json:"decisions"`
	Jobs      []JobReport  `json:"jobs"`
	Pools     []PoolReport `json:"pools"`
}

// JobReport is how a job went.
type JobReport struct {
	orchestrator.JobKey
	Rows      int64              `json:"rows"`
	Submitted time.Time          `json:"submitted"`
	Deadline  time.Time          `json:"deadline,omitzero"`
	Started   time.Time          `json:"started,omitzero"`
	Finished  time.Time          `json:"finished,omitzero"` // zero: it did not
	Cost      orchestrator.Money `json:"cost"`              // of the time that workers loaded and scored for it
	Lost      int                `json:"lost,omitempty"`    // shards that were lost with their workers and scored again
}

// Late says whether the deadline was missed.
func (j JobReport) Late() bool {
	return !j.Deadline.IsZero() && (j.Finished.IsZero() || j.Finished.After(j.Deadline))
}

// PoolReport is what a pool has cost.
type PoolReport struct {
	Name    string             `json:"name"`
	Hours   float64            `json:"hours"` // of replicas
	Cost    orchestrator.Money `json:"cost"`
	Changes int                `json:"changes"` // of the number asked for
	Lost    int                `json:"lost"`    // replicas
	Most    int                `json:"most"`    // replicas at once
	Steps   []Step             `json:"steps"`   // replicas that ran, from the beginning
}

// Late counts the jobs that missed their deadlines.
func (o Report) Late() (count int) {
	for _, job := range o.Jobs {
		if job.Late() {
			count++
		}
	}
	return count
}

// Changes counts those of all pools.
func (o Report) Changes() (count int) {
	for _, pool := range o.Pools {
		count += pool.Changes
	}
	return count
}

// Cost is that of all pools, an amount for each currency, by its code.
func (o Report) Cost() []orchestrator.Money {
	var sums []orchestrator.Money
	for _, pool := range o.Pools {
		if pool.Cost.Currency == "" {
			continue
		}
		at, found := slices.BinarySearchFunc(sums, pool.Cost, func(a, b orchestrator.Money) int { return cmp.Compare(a.Currency, b.Currency) })
		if !found {
			sums = slices.Insert(sums, at, orchestrator.Money{Currency: pool.Cost.Currency})
		}
		sums[at] = sums[at].Add(pool.Cost)
	}
	return sums
}

// mostDecisions bounds a scenario: two months of decisions every five seconds.
const mostDecisions = 1_000_000

// Run lets planner.Compute decide until all work is done or the scenario ends. An error says what is missing, all of it at once.
func (s Scenario) Run() (Report, error) {
	c, err := newCourse(s)
	if err != nil {
		return Report{}, err
	}
	for range mostDecisions {
		c.happen()
		plan := c.decide()
		c.apply(plan)
		if c.over() {
			return c.report(), nil
		}
		c.now = c.next(plan.NextCheck)
	}
	return Report{}, fmt.Errorf("the scenario takes more than %d decisions, until %s; make it shorter", mostDecisions, c.now.UTC().Format(time.RFC3339))
}

// course is a scenario under way.
type course struct {
	Scenario
	now       time.Time
	waiting   []Submit // not submitted yet, in order
	jobs      []*task  // submitted, in order
	byID      map[string]*task
	fleets    []*fleet // by name
	memory    orchestrator.Memory
	facts     []planner.Fact
	decisions int
}

func newCourse(s Scenario) (*course, error) {
	if s.Tables == nil {
		s.Tables = &Tables{}
	}
	c := &course{Scenario: s, now: s.Begin, memory: s.Memory, byID: map[string]*task{}}
	c.waiting = slices.Clone(s.Jobs)
	slices.SortStableFunc(c.waiting, func(a, b Submit) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	for _, pool := range s.Policy.Pools {
		c.fleets = append(c.fleets, newFleet(pool, s))
	}
	slices.SortFunc(c.fleets, func(a, b *fleet) int { return cmp.Compare(a.policy.Name, b.policy.Name) })
	return c, s.check()
}

// check says what the scenario lacks.
func (s Scenario) check() error {
	var missing []error
	said := map[string]bool{}
	say := func(format string, values ...any) {
		if text := fmt.Sprintf(format, values...); !said[text] {
			said[text] = true
			missing = append(missing, errors.New(text))
		}
	}
	names := map[string]bool{}
	for _, pool := range s.Policy.Pools {
		names[pool.Name] = true
	}
	for _, provider := range s.Pools {
		if !names[provider.Pool] {
			say("there is no Pool %q in the documents", provider.Pool)
		}
	}
	ids := map[string]bool{}
	for _, job := range s.Jobs {
		if ids[job.ID] {
			say("two jobs are called %q", job.ID)
		}
		ids[job.ID] = true
		at := slices.IndexFunc(s.Policy.Queues, func(q orchestrator.QueuePolicy) bool { return q.Name == job.Queue && q.Tenant == job.Tenant })
		if at < 0 {
			say("there is no Queue %q of tenant %q in the documents", job.Queue, job.Tenant)
			continue
		}
		for _, pool := range s.Policy.Queues[at].Pools {
			if speed := s.truth(job.Model, pool); !(speed.RowsPerSecond > 0) {
				say("nobody says how fast model %q is on pool %q; give it a profile, or a speed in the scenario", job.Model, pool)
			}
		}
	}
	return errors.Join(missing...)
}

// truth is how fast a worker of the pool is.
func (s Scenario) truth(model, pool string) orchestrator.Speed {
	for _, list := range [][]orchestrator.Speed{s.Truth, s.Speeds} {
		for _, speed := range list {
			if speed.Model == model && speed.Pool == pool {
				return speed
			}
		}
	}
	return orchestrator.Speed{}
}

// over says that nothing more will happen that matters.
func (c *course) over() bool {
	if !c.now.Before(c.End) {
		return true
	}
	if c.Whole || len(c.waiting) > 0 || slices.ContainsFunc(c.jobs, func(t *task) bool { return !t.done() }) {
		return false
	}
	return !slices.ContainsFunc(c.fleets, func(f *fleet) bool { return len(f.replicas) > f.policy.Min })
}

func (c *course) report() Report {
	o := Report{Begin: c.Begin, End: c.now, Decisions: c.decisions, Jobs: []JobReport{}, Pools: []PoolReport{}}
	for _, one := range c.jobs {
		o.Jobs = append(o.Jobs, one.report)
	}
	for _, job := range c.waiting { // never submitted
		o.Jobs = append(o.Jobs, JobReport{JobKey: job.JobKey, Rows: job.Rows, Submitted: job.At, Deadline: job.Deadline})
	}
	for _, f := range c.fleets {
		for _, one := range f.replicas {
			f.bill(one, c.now)
		}
		f.report.Cost = f.policy.Price.Times(f.report.Hours)
		o.Pools = append(o.Pools, f.report)
	}
	return o
}
