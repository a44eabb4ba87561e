package planner

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/shard"
)

// reserve are workers of a pool that are kept for a peak.
type reserve struct {
	peak    *peak
	workers int
}

// peaks keeps, or asks for, the workers that have to be ready for work that comes: see docs/peaks.md.
func peaks(w *world) {
	if len(w.peaks) == 0 {
		return
	}
	for _, p := range w.pools {
		p.countFirm()
	}
	for _, k := range w.peaks {
		k.needs = k.crew(k.most(), w.interval.Seconds())
		c := k.needs
		k.say(w.now, c)
		if !k.current(w.now, c) {
			continue
		}
		left := c.workers
		if k.view.Forecast { // the windows of a forecast follow each other: who is there for one is there for the next
			left = max(left-k.queue.foreseen, 0)
			k.queue.foreseen += left
		}
		pools := k.pools()
		for i, p := range pools {
			given := left
			if i < len(pools)-1 && p.view.Available != nil {
				given = min(left, max(p.granted()-p.firm-p.reserved, 0))
			}
			if left -= given; given > 0 {
				p.prepare(w.now, k, c, given)
			}
		}
	}
}

// countFirm counts the workers that jobs with a deadline need. Those of backlogs, and of what is split over two pools, come on top.
func (p *pool) countFirm() {
	for _, q := range p.queues {
		p.firm = min(p.firm+q.urgent, p.wanted)
	}
}

// pools are those whose workers may do it: what spot capacity does not give comes from the on-demand pool.
func (k *peak) pools() []*pool {
	if q := k.queue; q.pool == q.spot && q.onDemand != nil {
		return []*pool{q.spot, q.onDemand}
	}
	return []*pool{k.queue.pool}
}

// most is how many workers there may be for it.
func (k *peak) most() int {
	most := 0
	for _, p := range k.pools() {
		most = min(most+max(p.policy.Max*p.slots()-p.firm-p.reserved, 0), endless)
	}
	allowed, _ := k.queue.most()
	return min(most, allowed)
}

// current says that its workers have to be there now. Once it has begun nobody is asked for any more because of it: what has come is work like any other.
func (k *peak) current(now time.Time, c crew) bool {
	return c.workers > 0 && !k.over(now) && !now.Before(k.ask(c)) && (c.warm && now.Before(k.gone()) || now.Before(k.view.From))
}

// ask is from when its workers are kept or asked for.
func (k *peak) ask(c crew) time.Time {
	return k.view.From.Add(-time.Duration(c.ahead * float64(time.Second)))
}

// prepare keeps so many workers beside those that cannot wait. Others do what can wait on them until shortly before.
func (p *pool) prepare(now time.Time, k *peak, c crew, workers int) {
	p.reserves = append(p.reserves, reserve{peak: k, workers: workers})
	p.reserved = min(p.reserved+workers, endless)
	total := min(p.firm+p.reserved, endless)
	if !c.warm || !now.Before(k.view.From) { // nobody is asked for
		total = min(total, max(p.bought(), p.wanted))
	}
	if total > p.wanted || c.warm && now.Before(k.view.From) {
		p.added += max(total-p.wanted, 0)
		p.wanted = max(p.wanted, total)
		p.replicas.change("peak", p.inReplicas(p.wanted), k.sentence(now, c, workers))
	}
}

func (k *peak) sentence(now time.Time, c crew, count int) string {
	name, counts, from := k.view.Identity, counted(count, "worker"), clock(k.view.From)
	switch {
	case k.view.Forecast:
		return fmt.Sprintf("%s for what the forecast of queue %s expects from %s on: at most %d rows more until %s", counts, k.queue.policy.Name, from, k.rows(), clock(k.view.Until))
	case !now.Before(k.view.From) && k.view.Arrived > 0:
		return fmt.Sprintf("%s for the rest of %s: %d of at most %d rows have come", counts, name, k.view.Arrived, k.rows())
	case !now.Before(k.view.From):
		return fmt.Sprintf("%s for %s, which should have come at %s: waited for until %s, as long as a start takes", counts, name, from, clock(k.gone()))
	case k.rest < 0:
		return fmt.Sprintf("%s for %s, which comes at %s: how much work it is, is not known", counts, name, from)
	case c.warm:
		return fmt.Sprintf("%s ready at %s for %s: at most %s of work, due by %s; to start and load takes up to %s", counts, from, name, span(k.rest), clock(k.due()), span(k.lead))
	}
	return fmt.Sprintf("%s stay for %s, which comes in %s: to start again would take %s", counts, name, span(k.view.From.Sub(now).Seconds()), span(k.restart))
}

// say tells what is remarkable about a peak that needs no workers, or not enough.
func (k *peak) say(now time.Time, c crew) {
	p := k.queue.pool
	switch known := k.rows() >= 0; {
	case k.view.Forecast:
	case known && k.view.Arrived > k.rows():
		p.replicas.note("peak", fmt.Sprintf("%s has brought %d rows, more than the %d that it hardly exceeds; they are work like any other", k.view.Identity, k.view.Arrived, k.rows()))
	case k.view.Arrived == 0 && !now.Before(k.gone()):
		p.replicas.note("peak", fmt.Sprintf("%s has not come by %s: nobody waits for it any more", k.view.Identity, clock(k.gone())))
	case c.short > 0 && !k.over(now):
		p.replicas.note("peak_late", fmt.Sprintf("%s cannot be done by %s with the workers that there may be: %s are missing; raise replicas.max of pool %s or limits.maxWorkers of queue %s, or give it more time",
			k.view.Identity, clock(k.due()), counted(c.short, "worker"), p.policy.Name, k.queue.policy.Name))
	}
}

// present is how many workers are there for backlogs, or on their way: without those that others want, and those that are kept for peaks. Of these only those
// count that the last plan asked for, as far as they were provided.
func (p *pool) present() int {
	kept := max(p.memory.Kept.Workers-max(p.memory.Kept.Of-p.bought(), 0), 0)
	return max(p.bought()-(p.wanted-p.added)-min(kept, p.added), 0)
}

// lentUntil is until when the workers that are kept for a peak may begin what can wait: later they would not be done with it, or the model would not be loaded.
// Where nothing waits they load it at once: the zero time.
func (k *peak) lentUntil(open []*job) time.Time {
	longest := 0.0
	for _, j := range open {
		if !k.before(j) {
			longest = max(longest, j.shardSeconds())
		}
	}
	if longest == 0 {
		return time.Time{}
	}
	return k.view.From.Add(-time.Duration((longest + k.speed.slowLoad) * float64(time.Second)))
}

// unknownShard is how long a shard of unknown speed is taken to be.
const unknownShard = 60

// shardSeconds is how long a shard of the job usually takes.
func (j *job) shardSeconds() float64 {
	if !j.speed.known() {
		return unknownShard
	}
	return float64(shard.Rows(j.sizing(-1, 1))) / j.speed.rows
}

// before says that the job's work is due before that of the peak.
func (k *peak) before(j *job) bool {
	return j.queue != nil && !j.queue.policy.Cheapest && !j.view.Deadline.IsZero() && !j.view.Deadline.After(k.due())
}

// keep names the workers that are kept for peaks and not lent any more: first those that have the model, then those that have nothing to do.
func (p *pool) keep(now time.Time, open []*job) {
	for _, r := range p.reserves {
		if until := r.peak.lentUntil(open); now.Before(until) {
			p.lentUntil = append(p.lentUntil, until)
			continue
		}
		var may []*worker
		for _, one := range p.workers {
			if !one.drains && one.keeps == nil && one.view.State != orchestrator.WorkerFailed {
				may = append(may, one)
			}
		}
		slices.SortStableFunc(may, func(a, b *worker) int { return cmp.Compare(r.peak.distance(a), r.peak.distance(b)) })
		for _, one := range may[:min(r.workers, len(may))] {
			one.keeps = r.peak
		}
	}
}

// distance is how far a worker is from being ready for the peak.
func (k *peak) distance(one *worker) (steps int) {
	if one.busy() {
		steps += 2
	}
	if one.model != k.model {
		steps++
	}
	return steps
}

// kept is the assignment of a worker that is kept: what is due before, and the peak's model while there is none.
func (k *peak) kept(one *worker, orders []*orchestrator.Order, of map[*orchestrator.Order]*job) ([]*orchestrator.Order, orchestrator.ModelRef) {
	var warm orchestrator.ModelRef
	if one.model != k.model && k.view.Model.Digest != "" {
		warm = k.view.Model
	}
	return slices.DeleteFunc(slices.Clone(orders), func(order *orchestrator.Order) bool {
		j := of[order]
		return j != nil && !k.before(j)
	}), warm
}

// Prewarming is what a peak will ask for.
type Prewarming struct {
	At      time.Time // when its workers are asked for
	Workers int       // at most
	Cost    orchestrator.Money
	Short   int // workers that it lacks to be in time
}

// Prewarm says what a peak will ask for, were nothing else to be done then. The zero value: nothing is known to be due, or nothing may be asked for.
func Prewarm(observation orchestrator.Observation, policy orchestrator.Policy, one orchestrator.Peak, now time.Time) Prewarming {
	observation.Peaks, observation.Jobs, observation.Backlogs, observation.Workers = []orchestrator.Peak{one}, nil, nil, nil
	w := newWorld(observation, policy, now)
	if len(w.peaks) == 0 {
		return Prewarming{}
	}
	k := w.peaks[0]
	c := k.crew(k.most(), w.interval.Seconds())
	if c.workers == 0 {
		return Prewarming{}
	}
	at := k.view.From
	if c.warm {
		at = k.ask(c)
	}
	p := k.queue.pool
	seconds := max(k.rest, 0) + float64(c.workers)*max(k.lead, k.view.From.Sub(at).Seconds())
	return Prewarming{At: at, Workers: c.workers, Short: c.short, Cost: p.policy.Price.Times(seconds / 3600 / float64(p.slots()))}
}
