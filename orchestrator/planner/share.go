package planner

import "fmt"

// share gives the planned workers of each pool to its open jobs, the most urgent first, each as many as it has shards for. Queues that
// are equally urgent share by weight.
func share(w *world) {
	for _, p := range w.pools {
		free := p.planned()
		for _, t := range tiers(p.openLine()) {
			feeds := make([]int, len(t.queues))
			for i, j := range t.jobs {
				feeds[t.of[i]] = min(feeds[t.of[i]]+j.feed-j.given, endless)
			}
			shares := split(free, t.weights, feeds)
			for i, j := range t.jobs {
				at := t.of[i]
				given := min(shares[at], j.feed-j.given)
				shares[at] -= given
				free -= given
				j.given += given
				j.workers.change("share", j.given, shareSentence(p, j, given))
			}
		}
	}
	for _, j := range w.jobs {
		if j.queue != nil && j.pool() == nil {
			what := "declared"
			if j.queue.policy.Cheapest {
				what = "a spot pool"
			}
			j.workers.change("no_pool", 0, fmt.Sprintf("none of the pools of queue %s is %s", j.queue.policy.Name, what))
		} else if !j.open && j.workers.to != 0 {
			j.workers.change("waiting", 0, "the job is not open")
		}
	}
}

func shareSentence(p *pool, j *job, given int) string {
	switch planned := p.planned(); {
	case planned == 0 && p.doubt != "":
		return fmt.Sprintf("pool %s has no workers, and its size is not known: %s", p.policy.Name, p.doubt)
	case planned == 0:
		return "pool " + p.policy.Name + " has no workers planned"
	case given == planned:
		return "all of the " + counted(planned, "worker") + " of pool " + p.policy.Name
	case given == j.feed:
		return "of the " + counted(planned, "worker") + " of pool " + p.policy.Name + ": there are shards for no more"
	default:
		return "of the " + counted(planned, "worker") + " of pool " + p.policy.Name + ": its share after more urgent jobs and beside equally urgent queues"
	}
}

// openLine are the open jobs with work whose queues use the pool.
func (p *pool) openLine() []*job {
	var open []*job
	for _, j := range p.line {
		if j.open && j.hasWork() {
			open = append(open, j)
		}
	}
	return open
}

// split divides a total by weights; nobody gets more than the most it can use, and what it leaves goes to the others.
func split(total int, weights, most []int) []int {
	given := make([]int, len(weights))
	for range weights { // every round fills somebody up or uses the total up
		weight := 0
		for i := range weights {
			if given[i] < most[i] {
				weight += weights[i]
			}
		}
		if total <= 0 || weight == 0 {
			break
		}
		before, used := 0, 0
		for i := range weights {
			if given[i] >= most[i] {
				continue
			}
			fair := int(int64(total)*int64(before+weights[i])/int64(weight) - int64(total)*int64(before)/int64(weight))
			fair = min(fair, most[i]-given[i])
			before += weights[i]
			given[i] += fair
			used += fair
		}
		total -= used
	}
	return given
}
