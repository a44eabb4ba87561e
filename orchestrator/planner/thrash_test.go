package planner

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// town is a world that goes on, with several pools and queues: workers start, load and score, rows are done, and readings may be noisy.
type town struct {
	o      orchestrator.Observation
	policy orchestrator.Policy
	now    time.Time
	ready  map[string]time.Time // when each worker can score
	rows   map[string]float64   // left of each job
	moves  map[string]int       // changes of each pool's size
	turns  map[string]int       // of them, those that went the other way than the one before
	last   map[string]int       // direction of the last change
}

func drawTown(t *rapid.T) *town {
	v := &town{now: midnight, ready: map[string]time.Time{}, rows: map[string]float64{}, moves: map[string]int{}, turns: map[string]int{}, last: map[string]int{}}
	v.policy = orchestrator.Policy{Interval: 5 * time.Second}
	names := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "pools")]
	for i, name := range names {
		kind := rapid.SampledFrom([]orchestrator.CapacityType{orchestrator.CapacityOnDemand, orchestrator.CapacitySpot}).Draw(t, "type")
		v.policy.Pools = append(v.policy.Pools, orchestrator.PoolPolicy{
			Name: name, CapacityType: kind, Max: rapid.IntRange(1, 20).Draw(t, "max"), SlotsPerReplica: rapid.IntRange(1, 2).Draw(t, "slots"),
			StartSeconds: float64(rapid.IntRange(0, 300).Draw(t, "start")), ScaleDownDelay: time.Duration(rapid.IntRange(0, 300).Draw(t, "delay")) * time.Second,
			Price: orchestrator.Money{Micros: int64(i+1) * 1_000_000, Currency: "EUR"},
		})
		view := orchestrator.PoolView{Name: name}
		if kind == orchestrator.CapacitySpot {
			available := rapid.IntRange(0, 20).Draw(t, "available")
			view.Available = &available
		}
		v.o.Pools = append(v.o.Pools, view)
		v.o.Speeds = append(v.o.Speeds, orchestrator.Speed{Model: "forest", Pool: name, RowsPerSecond: 100, LoadSeconds: float64(rapid.IntRange(0, 100).Draw(t, "load")), Basis: basisProfile})
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "queues") {
		name := fmt.Sprintf("q%d", i)
		v.policy.Queues = append(v.policy.Queues, orchestrator.QueuePolicy{
			Name: name, Tenant: "acme", MaxOpenJobs: 2, MaxWorkers: rapid.IntRange(0, 10).Draw(t, "max workers"), Cheapest: rapid.IntRange(0, 3).Draw(t, "cheapest") == 0,
			Pools: rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, len(names), func(name string) string { return name }).Draw(t, "queue's pools"),
		})
		one := orchestrator.JobView{
			JobKey: orchestrator.JobKey{Tenant: "acme", Queue: name, ID: "j" + name}, State: orchestrator.JobQueued, Model: model("forest"), BatchRows: 64, Submitted: midnight,
			RowsTotal: rapid.Int64Range(1e4, 1e7).Draw(t, "rows"),
		}
		if rapid.Bool().Draw(t, "due") {
			one.Deadline = midnight.Add(time.Duration(rapid.IntRange(10, 600).Draw(t, "deadline")) * time.Minute)
		}
		v.o.Jobs, v.rows[one.ID] = append(v.o.Jobs, one), float64(one.RowsTotal)
	}
	return v
}

// step decides, carries it out, and lets the time pass. progress says that rows are done.
func (v *town) step(passed time.Duration, progress bool) orchestrator.Plan {
	jobs := slices.Clone(v.o.Jobs)
	for i := range jobs {
		jobs[i].RowsLeft = int64(v.rows[jobs[i].ID])
		jobs[i].RowsUncut = jobs[i].RowsLeft
	}
	v.o.Jobs, v.o.Pools = jobs, slices.Clone(v.o.Pools)
	for i := range v.o.Pools {
		v.o.Pools[i].Reading.At = v.now
	}
	plan := Compute(v.o, v.policy, v.now)
	for _, p := range plan.Pools {
		if direction := sign(p.Replicas - p.From); direction != 0 {
			v.moves[p.Name]++
			if v.last[p.Name] == -direction {
				v.turns[p.Name]++
			}
			v.last[p.Name] = direction
		}
	}
	v.o = applied(v.o, plan)
	v.now = v.now.Add(passed)
	v.live(plan, passed, progress)
	return plan
}

func sign(number int) int { return max(min(number, 1), -1) }

// live lets workers start, score the first job of their list, and end.
func (v *town) live(plan orchestrator.Plan, passed time.Duration, progress bool) {
	first := map[string]*orchestrator.Order{}
	for _, one := range plan.Workers {
		for _, order := range one.Jobs {
			if v.rows[order.ID] > 0 {
				first[one.Worker] = order
				break
			}
		}
	}
	var workers []orchestrator.WorkerView
	for i, p := range plan.Pools {
		policy := v.policy.Pools[i]
		count := p.Replicas * policy.SlotsPerReplica
		if available := v.o.Pools[i].Available; available != nil {
			count = min(count, *available*policy.SlotsPerReplica)
		}
		for slot := range count {
			id := fmt.Sprintf("%s-%d", p.Name, slot)
			if v.ready[id].IsZero() {
				v.ready[id] = v.now.Add(ofSeconds(policy.StartSeconds + v.o.Speeds[i].LoadSeconds))
			}
			one := orchestrator.WorkerView{ID: id, Pool: p.Name, Slot: slot, State: orchestrator.WorkerStarting}
			if !v.now.Before(v.ready[id]) {
				one.State, one.Model = orchestrator.WorkerIdle, model("forest")
				if order, has := first[id]; has {
					one.State, one.Job = orchestrator.WorkerBusy, order.ID
					if progress {
						v.rows[order.ID] = max(v.rows[order.ID]-100*passed.Seconds(), 0)
					}
				}
			}
			workers = append(workers, one)
		}
		for slot := count; slot < 64; slot++ {
			delete(v.ready, fmt.Sprintf("%s-%d", p.Name, slot))
		}
	}
	v.o.Workers = workers
	jobs := v.o.Jobs[:0:0]
	for _, one := range v.o.Jobs {
		if v.rows[one.ID] > 0 {
			jobs = append(jobs, one)
		}
	}
	v.o.Jobs = jobs
}

// With a steady input the plan settles and stays: work that does not change, workers that follow the plan after their starts, capacity that stays. An hour is enough, and after it
// nothing moves but what the clock itself moves: a deadline that comes nearer.
func TestSteadyNightSettles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawTown(t)
		for i := range v.o.Jobs {
			v.o.Jobs[i].Deadline = time.Time{} // the clock is an input, too
		}
		for range 60 {
			v.step(time.Minute, false)
		}
		settled := fmt.Sprint(v.moves)
		for range 30 {
			v.step(time.Minute, false)
		}
		if now := fmt.Sprint(v.moves); now != settled {
			t.Fatalf("changes by pool: %s after an hour, %s after half an hour more\n%s", settled, now, Explain(v.step(0, false)))
		}
	})
}

// While jobs progress to their end, no pool changes its direction often: it grows, and shrinks as the work ends. Where starts cost nothing, work that follows the line of
// uniform progress may fall behind it and get ahead again every four leastStarts: on-demand workers fill up by less than one, and go when it is two of them ahead.
func TestProgressDoesNotThrash(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawTown(t)
		const minutes = 120
		for range minutes {
			v.step(time.Minute, true)
		}
		for name, turns := range v.turns {
			if most := 2 + 2*len(v.policy.Queues) + 2*int(minutes*time.Minute/(4*leastStart)); turns > most {
				t.Fatalf("pool %s changed its direction %d times in two hours, more than %d", name, turns, most)
			}
		}
	})
}

// Where speeds are measured anew with a fifth of noise before every decision, and a reading fails now and then, a pool shrinks no more often than its scale-down delay lets it.
func TestNoiseIsDamped(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawTown(t)
		const delay = 5 * time.Minute
		for i := range v.policy.Pools {
			v.policy.Pools[i].ScaleDownDelay = delay
		}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "noise"), 1))
		for range 60 {
			v.o.Memory.Speeds = nil
			for _, p := range v.policy.Pools {
				v.o.Memory.Speeds = append(v.o.Memory.Speeds, orchestrator.SpeedMemory{
					Model: "forest", Pool: p.Name, RowsPerSecond: 80 + 40*random.Float64(), LoadSeconds: 30 + 10*random.Float64(), Rows: 1e6,
				})
			}
			v.o.Pools = slices.Clone(v.o.Pools)
			for i := range v.o.Pools {
				v.o.Pools[i].Reading.Err = ""
				if random.IntN(10) == 0 {
					v.o.Pools[i].Reading.Err = "connection refused"
				}
			}
			v.step(time.Minute, false)
		}
		for name, turns := range v.turns {
			if most := 2*int(time.Hour/delay) + 2; turns > most {
				t.Fatalf("pool %s changed its direction %d times in an hour, more than %d", name, turns, most)
			}
		}
	})
}
