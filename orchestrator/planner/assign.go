package planner

import "nightshift.dev/nightshift/orchestrator"

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
	for _, p := range w.pools {
		p.assign(w, tiers(open[p]))
	}
}

func (p *pool) assign(w *world, list []tier) {
	homes, count := make([][]int, len(list)), 0
	for i := range list {
		homes[i] = p.homes(&list[i])
		count += len(list[i].jobs)
	}
	orders := map[string][]orchestrator.Order{} // workers of equal homes and model share one list
	key := make([]byte, 0, 64)
	for at, one := range p.workers {
		key = key[:0]
		for i := range homes {
			home := homes[i][at]
			key = append(key, byte(home), byte(home>>8), byte(home>>16))
		}
		key = append(append(append(key, one.view.Model.Name...), 0), one.view.Model.Digest...)
		jobs, made := orders[string(key)]
		if !made {
			jobs = make([]orchestrator.Order, 0, count)
			for i := range list {
				jobs = list[i].order(jobs, homes[i][at], one.view.Model)
			}
			orders[string(key)] = jobs
		}
		w.workers = append(w.workers, orchestrator.Assignment{Worker: one.view.ID, Jobs: jobs, Drain: one.drains})
	}
}

// homes gives each worker of the pool its queue in the tier: first the one whose shard it holds, then one whose model it has loaded, then
// any that has fewer workers than its share.
func (p *pool) homes(t *tier) []int {
	home := make([]int, len(p.workers))
	if len(t.queues) == 1 {
		return home
	}
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
	take(func(one *worker) int {
		if one.holds == nil || one.holds.queue == nil {
			return -1
		}
		return t.at(one.holds.queue)
	})
	take(func(one *worker) int {
		for _, j := range t.jobs {
			if at := t.at(j.queue); j.view.Model == one.view.Model && quota[at] > 0 {
				return at
			}
		}
		return -1
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
func (t *tier) order(orders []orchestrator.Order, home int, model orchestrator.ModelRef) []orchestrator.Order {
	add := func(wanted func(*job) bool) {
		for _, j := range t.jobs {
			if wanted(j) {
				orders = append(orders, orchestrator.Order{JobKey: j.view.JobKey, JobEpoch: j.view.Epoch, Model: j.view.Model})
			}
		}
	}
	for _, loaded := range []bool{true, false} {
		add(func(j *job) bool { return j.queue == t.queues[home] && (j.view.Model == model) == loaded })
	}
	add(func(j *job) bool { return j.queue != t.queues[home] && j.view.Model == model })
	for i := 1; i < len(t.queues); i++ {
		q := t.queues[(home+i)%len(t.queues)]
		add(func(j *job) bool { return j.queue == q && j.view.Model != model })
	}
	return orders
}
