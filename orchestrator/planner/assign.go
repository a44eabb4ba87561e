package planner

import (
	"encoding/binary"

	"nightshift.dev/nightshift/orchestrator"
)

// mostOrders is the longest list a worker is given, the most urgent of its jobs: more than it can do in the hour that it may be without
// us, and small enough to be a record.
const mostOrders = 64

// assign gives every worker of a pool all open jobs of the queues that list the pool, in order of urgency. Queues that are equally urgent
// share the workers by weight: each worker has one of them as its home in that tier, if possible the one whose model it has
// loaded, and turns to the others when the home has no shards. A draining worker keeps its list.
func assign(w *world) {
	open := make(map[*pool][]*job, len(w.pools))
	for _, j := range w.jobs {
		if j.open && j.queue != nil {
			for _, p := range j.queue.pools {
				open[p] = append(open[p], j)
			}
		}
	}
	count := 0
	for _, p := range w.pools {
		count += len(p.workers)
	}
	w.workers = make([]orchestrator.Assignment, 0, count)
	var of map[*orchestrator.Order]*job
	if len(w.peaks) > 0 {
		of = map[*orchestrator.Order]*job{}
	}
	for _, p := range w.pools {
		p.keep(w.now, open[p])
		p.assign(w, tiers(open[p]), of)
	}
}

func (p *pool) assign(w *world, list []tier, of map[*orchestrator.Order]*job) {
	list, count := reached(list)
	homes := make([][]int, len(list))
	for i := range list {
		homes[i] = p.homes(&list[i])
	}
	orders := map[string][]*orchestrator.Order{} // workers of equal homes and model share one list
	beside := p.beside()
	key := make([]byte, 0, 64)
	for at, one := range p.workers {
		key = key[:0]
		for _, home := range homes {
			if home != nil {
				key = binary.LittleEndian.AppendUint32(key, uint32(home[at])) //nolint:gosec // an index
			}
		}
		key = binary.LittleEndian.AppendUint32(key, uint32(one.model)) //nolint:gosec // a count
		jobs, made := orders[string(key)]
		if !made {
			jobs = make([]*orchestrator.Order, 0, count)
			for i := range list {
				home := 0
				if homes[i] != nil {
					home = homes[i][at]
				}
				jobs = list[i].order(jobs, home, one.model, of)
			}
			orders[string(key)] = jobs
		}
		if len(one.turn) > 0 {
			jobs = append(one.turn, jobs...)[:min(len(one.turn)+len(jobs), mostOrders)]
		}
		var warm orchestrator.ModelRef
		if one.keeps != nil {
			jobs, warm = one.keeps.kept(one, jobs, of)
		}
		w.workers = append(w.workers, orchestrator.Assignment{
			Worker: one.view.ID, Jobs: jobs, Drain: one.drains, Warm: warm, Memory: p.room(beside[p.replicaOf(one.view.Slot)]), MemoryMost: p.policy.MemoryPerReplica,
		})
	}
}

// reached are the tiers that an order list reaches, and how long it is.
func reached(list []tier) (within []tier, count int) {
	for i := range list {
		if count += len(list[i].jobs); count >= mostOrders {
			return list[:i+1], mostOrders
		}
	}
	return list, count
}

// homes gives each worker of the pool its queue in the tier: first the one whose shard it holds, then one whose model it has loaded, then
// any that has fewer workers than its share. It is nil where there is but one.
func (p *pool) homes(t *tier) []int {
	if len(t.queues) == 1 {
		return nil
	}
	home := make([]int, len(p.workers))
	staying, most := 0, make([]int, len(t.queues))
	for i := range most {
		most[i] = endless
	}
	for i, one := range p.workers {
		home[i] = -1
		if !one.drains {
			staying++
		}
	}
	quota := split(staying, t.weights, most)
	take := func(wish func(*worker) int) {
		for i, one := range p.workers {
			if home[i] >= 0 || one.drains {
				continue
			}
			if at := wish(one); at >= 0 && quota[at] > 0 {
				home[i], quota[at] = at, quota[at]-1
			}
		}
	}
	index, loaded := make(map[*queue]int, len(t.queues)), map[int][]int{}
	for i, j := range t.jobs {
		index[j.queue] = t.of[i]
		loaded[j.model] = append(loaded[j.model], t.of[i])
	}
	take(func(one *worker) int {
		if one.holds == nil {
			return -1
		}
		if at, has := index[one.holds.queue]; has {
			return at
		}
		return -1
	})
	take(func(one *worker) int {
		wanted := loaded[one.model]
		for len(wanted) > 0 && quota[wanted[0]] == 0 {
			wanted = wanted[1:]
		}
		loaded[one.model] = wanted
		if len(wanted) == 0 {
			return -1
		}
		return wanted[0]
	})
	next := 0
	take(func(*worker) int {
		for range t.queues {
			at := next % len(t.queues)
			if next++; quota[at] > 0 {
				return at
			}
		}
		return -1
	})
	for i := range home {
		home[i] = max(home[i], 0)
	}
	return home
}

// order adds the tier's jobs for a worker with this home and this model loaded: those of the home first, then the other queues in turn;
// among them, those whose model is loaded first.
func (t *tier) order(orders []*orchestrator.Order, home, model int, of map[*orchestrator.Order]*job) []*orchestrator.Order {
	add := func(j *job) {
		if len(orders) < mostOrders {
			if j.order == nil {
				j.order = &orchestrator.Order{JobKey: j.view.JobKey, JobEpoch: j.view.Epoch, Model: j.view.Model}
				if of != nil {
					of[j.order] = j
				}
			}
			orders = append(orders, j.order)
		}
	}
	byQueue := t.byQueue()
	for _, loaded := range []bool{true, false} {
		for _, j := range byQueue[home] {
			if (j.model == model) == loaded {
				add(j)
			}
		}
	}
	if len(t.queues) == 1 {
		return orders
	}
	for i, j := range t.jobs {
		if t.of[i] != home && j.model == model {
			add(j)
		}
	}
	for i := 1; i < len(t.queues) && len(orders) < mostOrders; i++ {
		for _, j := range byQueue[(home+i)%len(t.queues)] {
			if j.model != model {
				add(j)
			}
		}
	}
	return orders
}

// byQueue are the jobs of each queue, by urgency.
func (t *tier) byQueue() [][]*job {
	if len(t.queues) == 1 {
		return [][]*job{t.jobs}
	}
	if t.lists == nil {
		t.lists = make([][]*job, len(t.queues))
		for i, j := range t.jobs {
			t.lists[t.of[i]] = append(t.lists[t.of[i]], j)
		}
	}
	return t.lists
}
