package simulate

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// fleet is a pool and its replicas.
type fleet struct {
	policy   orchestrator.PoolPolicy
	provider Provider
	seed     uint64
	asked    int        // replicas
	replicas []*replica // granted, the oldest first; those that drain too
	serial   int        // of the next replica
	report   PoolReport
}

// replica is what a pool buys.
type replica struct {
	number  int // its workers have the slots from number*slots on
	granted time.Time
	ends    time.Time // lost by chance; zero: never
	workers []*hand
}

// hand is a worker.
type hand struct {
	id     string
	slot   int
	fleet  *fleet
	state  orchestrator.WorkerState
	until  time.Time // while it starts, loads or is busy
	began  time.Time // of that
	asked  time.Time
	model  string        // loaded or being loaded
	load   time.Duration // paid since the last commit
	drain  bool
	orders []*orchestrator.Order
	job    *task // whose shard it holds, or for which it loads
	rows   int64 // of that shard
}

func newFleet(policy orchestrator.PoolPolicy, s Scenario) *fleet {
	policy.SlotsPerReplica = max(policy.SlotsPerReplica, 1)
	f := &fleet{policy: policy, seed: s.Seed, report: PoolReport{Name: policy.Name, Steps: []Step{}}}
	for _, provider := range s.Pools {
		if provider.Pool == policy.Name {
			f.provider = provider
		}
	}
	f.provider.Capacity, f.provider.Losses = inOrder(f.provider.Capacity), inOrder(f.provider.Losses)
	f.asked = f.provider.Initial
	for range min(f.asked, f.capacity(s.Begin)) {
		for _, one := range f.grant(s.Begin).workers {
			one.state, one.until = orchestrator.WorkerIdle, time.Time{}
		}
	}
	f.note(s.Begin)
	return f
}

// capacity is how many replicas there may be.
func (f *fleet) capacity(now time.Time) int {
	if f.provider.Capacity == nil {
		return math.MaxInt
	}
	if at := after(f.provider.Capacity, now); at > 0 {
		return max(f.provider.Capacity[at-1].Replicas, 0)
	}
	return 0
}

// inOrder are steps by time; nil stays nil.
func inOrder(steps []Step) []Step {
	steps = slices.Clone(steps)
	slices.SortStableFunc(steps, func(a, b Step) int { return a.At.Compare(b.At) })
	return steps
}

// after is the index of the first step after a time.
func after(steps []Step, now time.Time) int {
	return sort.Search(len(steps), func(i int) bool { return steps[i].At.After(now) })
}

// grant gives one replica more.
func (f *fleet) grant(now time.Time) *replica {
	one := &replica{number: f.free(), granted: now}
	chance := f.chance()
	starts := now.Add(f.start(chance))
	if rate := f.provider.LossRate; rate > 0 {
		one.ends = now.Add(time.Duration(math.Min(chance.ExpFloat64()/rate, 1e6) * float64(time.Hour)))
	}
	for slot := range f.policy.SlotsPerReplica {
		one.workers = append(one.workers, &hand{
			id: fmt.Sprintf("%s-%d-%d", f.policy.Name, f.serial, slot), slot: one.number*f.policy.SlotsPerReplica + slot, fleet: f,
			state: orchestrator.WorkerStarting, began: now, asked: now, until: starts,
		})
	}
	f.serial++
	f.replicas = append(f.replicas, one)
	return one
}

// free is the lowest number that no replica has.
func (f *fleet) free() int {
	for number := 0; ; number++ {
		if !slices.ContainsFunc(f.replicas, func(r *replica) bool { return r.number == number }) {
			return number
		}
	}
}

// chance is what is drawn for the next replica, the same whatever was drawn elsewhere.
func (f *fleet) chance() *rand.Rand {
	name := fnv.New64a()
	_, _ = fmt.Fprint(name, f.policy.Name, f.serial) // a hash takes everything
	return rand.New(rand.NewPCG(f.seed, name.Sum64()))
}

func (f *fleet) start(chance *rand.Rand) time.Duration {
	starts := f.provider.Starts
	switch {
	case len(starts) == 0:
		return time.Duration(f.policy.StartSeconds * float64(time.Second))
	case f.provider.Range:
		least, most := starts[0], starts[len(starts)-1]
		return least + time.Duration(chance.Float64()*float64(most-least))
	}
	return starts[f.serial%len(starts)]
}

// resize asks for a number of replicas, and grants what there is.
func (f *fleet) resize(now time.Time, replicas int) {
	if replicas != f.asked {
		f.report.Changes++
	}
	f.asked = replicas
	f.buy(now)
}

// buy grants what is asked for and may be had. Replicas that drain are not counted any more, but take their place until they end.
func (f *fleet) buy(now time.Time) {
	staying := 0
	for _, one := range f.replicas {
		if !one.drains() {
			staying++
		}
	}
	for more := min(f.asked-staying, f.capacity(now)-len(f.replicas)); more > 0; more-- {
		f.grant(now)
	}
	f.note(now)
}

// lose takes replicas away that the provider does not grant any more or that are lost at this time, the youngest first.
func (f *fleet) lose(now time.Time) {
	for _, one := range slices.Clone(f.replicas) {
		if !one.ends.IsZero() && !one.ends.After(now) {
			f.end(one, now, true)
		}
	}
	gone := len(f.replicas) - f.capacity(now)
	for _, loss := range f.provider.Losses {
		if loss.At.Equal(now) {
			gone = max(gone, min(loss.Replicas, len(f.replicas)))
		}
	}
	for ; gone > 0; gone-- {
		f.end(f.replicas[len(f.replicas)-1], now, true)
	}
	f.note(now)
}

// end takes a replica out. What its workers hold goes back to its job.
func (f *fleet) end(one *replica, now time.Time, lost bool) {
	f.bill(one, now)
	if lost {
		f.report.Lost++
	}
	for _, worker := range one.workers {
		worker.giveUp(now)
	}
	f.replicas = slices.DeleteFunc(f.replicas, func(other *replica) bool { return other == one })
	f.note(now)
}

func (f *fleet) bill(one *replica, now time.Time) { f.report.Hours += now.Sub(one.granted).Hours() }

// note keeps how many replicas run from now on.
func (f *fleet) note(now time.Time) {
	count, steps := len(f.replicas), f.report.Steps
	f.report.Most = max(f.report.Most, count)
	if last := len(steps) - 1; last >= 0 && steps[last].At.Equal(now) {
		steps = steps[:last] // what lasts no time
	}
	if last := len(steps) - 1; last < 0 || steps[last].Replicas != count {
		steps = append(steps, Step{now, count})
	}
	f.report.Steps = steps
}

// drains says that all workers of the replica do.
func (r *replica) drains() bool {
	return !slices.ContainsFunc(r.workers, func(one *hand) bool { return !one.drain })
}

// leave ends replicas that drain and hold nothing.
func (f *fleet) leave(now time.Time) {
	for _, one := range slices.Clone(f.replicas) {
		if one.drains() && !slices.ContainsFunc(one.workers, func(worker *hand) bool { return worker.state == orchestrator.WorkerBusy }) {
			f.end(one, now, false)
		}
	}
}

// events are the times at which something happens to the pool by itself.
func (f *fleet) events(now time.Time, each func(time.Time)) {
	for _, steps := range [][]Step{f.provider.Capacity, f.provider.Losses} {
		if at := after(steps, now); at < len(steps) {
			each(steps[at].At)
		}
	}
	for _, one := range f.replicas {
		if !one.ends.IsZero() {
			each(one.ends)
		}
		for _, worker := range one.workers {
			if !worker.until.IsZero() {
				each(worker.until)
			}
		}
	}
}

// hands are the workers of a pool, by slot.
func (f *fleet) hands() (list []*hand) {
	for _, one := range f.replicas {
		list = append(list, one.workers...)
	}
	slices.SortStableFunc(list, func(a, b *hand) int { return cmp.Compare(a.slot, b.slot) })
	return list
}
