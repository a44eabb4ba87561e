package planner

import (
	"fmt"
	"math"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/capacity"
)

// splitCapacity decides for each queue that has work with a deadline, and lists a spot and an on-demand pool, how many workers run on which: spot capacity
// and waiting as long as the deadline is safe whatever spot capacity does, on-demand where a table (width of one) or the line of uniform progress says so, and where
// the slack ends. The most urgent queue chooses first.
func splitCapacity(w *world) {
	var split []*queue
	for _, p := range w.pools {
		for _, q := range p.queues {
			if q.splits {
				split = append(split, q)
			}
		}
	}
	slices.SortStableFunc(split, compareQueues)
	taken := map[*pool]int{} // spot workers of those that chose before
	for _, q := range split {
		q.split(w, max(q.spot.granted()-taken[q.spot]-q.spot.wantedBefore(q), 0))
		taken[q.spot] += q.onSpot
	}
}

// wantedBefore is how many workers the pool's more urgent queues want that do not split their work.
func (p *pool) wantedBefore(q *queue) (workers int) {
	for _, other := range p.queues {
		if !other.splits && compareQueues(other, q) < 0 {
			workers += other.wanted
		}
	}
	return workers
}

// mixed says that the queue lists pools of both capacity types and has work of a known length with a deadline.
func (q *queue) mixed() bool {
	return q.spot != nil && q.onDemand != nil && slices.ContainsFunc(q.jobs, (*job).dueWork)
}

// dueWork says that the job's work is known and has a deadline.
func (j *job) dueWork() bool { return !j.view.Deadline.IsZero() && j.counts() && j.work >= 0 }

// bargain is one decision on the split: what is asked, and what was decided.
type bargain struct {
	account        capacity.Account
	job            *job // whose deadline it is
	total          time.Duration
	granted        int
	wide           int // workers that there may be, however many the job can feed
	spot, onDemand int
	safe           bool
	rule           string // in words
}

// split takes the decision of the deadline that asks for most.
func (q *queue) split(w *world, granted int) {
	var best *bargain
	seconds, total := 0.0, 0.0
	for _, j := range q.jobs {
		if !j.dueWork() {
			continue
		}
		seconds += j.work
		total += math.Max(j.total(), j.work)
		one := q.bargain(w, j, granted, seconds, total)
		one.decide(w, q)
		if best == nil || one.onDemand > best.onDemand || one.onDemand == best.onDemand && one.spot > best.spot {
			best = one
		}
	}
	q.onSpot, q.onOnDemand = best.spot, best.onDemand
	q.safe = best.safe
	q.spot.wanted += best.spot
	q.onDemand.wanted += best.onDemand
	q.spot.replicas.change("split", q.spot.inReplicas(q.spot.wanted), best.sentence(w, q))
	q.onDemand.replicas.change("split", q.onDemand.inReplicas(q.onDemand.wanted), best.onDemandSentence(w, q))
}

// bargain is what there is to decide on for the work up to a job's deadline.
func (q *queue) bargain(w *world, j *job, granted int, seconds, total float64) *bargain {
	left, _ := j.left(w.now)
	start := ofSeconds(math.Max(q.onDemand.start(), q.spot.start()) + j.speed.slowLoad)
	width := q.onDemand.policy.Max * q.onDemand.slots()
	most, _ := q.most()
	width = min(width, most)
	return &bargain{
		job: j, total: ofSeconds(total), granted: granted, wide: width,
		account: capacity.Account{
			Tick: w.interval, Until: ofSeconds(max(left, 0)), Width: max(min(width, max(j.most, 1)), 0), Left: ofSeconds(seconds), Start: start,
			Spot: q.spot.starting(w, q, j), OnDemand: q.onDemand.starting(w, q, j),
		},
	}
}

// total is the work of the whole job, in seconds of one worker.
func (j *job) total() float64 {
	if !j.speed.known() {
		return 0
	}
	return float64(min(max(j.view.RowsTotal, 0), mostRows)) / j.speed.rows
}

func ofSeconds(seconds float64) time.Duration {
	return time.Duration(math.Round(math.Min(seconds, 1e9) * float64(time.Second)))
}

// starting is what each worker of a pool that may work for the queue has left of its start.
func (p *pool) starting(w *world, q *queue, j *job) []time.Duration {
	var rests []time.Duration
	start := p.start()
	for _, one := range p.workers {
		if one.drains || one.view.State == orchestrator.WorkerFailed || one.holds != nil && one.holds.queue != q {
			continue
		}
		rest := 0.0
		if one.view.Model.Name != j.view.Model.Name || one.view.State == orchestrator.WorkerLoading {
			rest = j.speed.slowLoad
		}
		if one.view.State == orchestrator.WorkerStarting {
			rest = j.speed.slowLoad + start
			if !one.view.Asked.IsZero() {
				rest = math.Min(math.Max(rest-w.now.Sub(one.view.Asked).Seconds(), 0), rest)
			}
		}
		rests = append(rests, ofSeconds(rest))
	}
	return rests
}

// decide chooses, and then corrects what would not be safe.
func (b *bargain) decide(w *world, q *queue) {
	a := &b.account
	switch {
	case a.Width == 1 && b.lookUp(w, q), a.Width > 1 && a.Width == b.wide && b.lookUpMany(w, q):
		b.rule = "as a table of what may come says"
	default:
		b.uniformProgress(w)
		b.rule = "as the line of uniform progress says"
	}
	var spot, onDemand int
	spot, onDemand, b.safe = a.Correct(b.spot, b.onDemand, b.granted)
	switch {
	case !b.safe:
		b.rule = "because the deadline cannot be met for certain any more"
	case spot != b.spot || onDemand != b.onDemand:
		b.rule = "because anything cheaper might miss the deadline"
	}
	b.spot, b.onDemand = spot, onDemand
}

// lookUp decides with a table; where there is none it asks for one.
func (b *bargain) lookUp(w *world, q *queue) bool {
	a := &b.account
	table := w.table(a, ratio(q.onDemand.policy.Price, q.spot.policy.Price), w.priorOf(q.spot))
	if table == nil {
		return false
	}
	runs, starting := capacity.Wait, time.Duration(0)
	switch {
	case len(a.OnDemand) > 0:
		runs, starting = capacity.OnDemand, a.OnDemand[0]
	case len(a.Spot) > 0:
		runs, starting = capacity.Spot, a.Spot[0]
	}
	memory := q.spot.memory.Spot
	if memory.Since.IsZero() {
		memory = capacity.Begin(w.now, b.granted > 0)
	}
	switch capacity.Choose(table, a.Until, a.Left, runs, starting, memory, w.now) {
	case capacity.Spot:
		b.spot = min(1, b.granted)
	case capacity.OnDemand:
		b.onDemand = 1
	}
	return true
}

// lookUpMany decides with a table for many workers; where there is none it asks for one.
func (b *bargain) lookUpMany(w *world, q *queue) bool {
	table := w.table(&b.account, ratio(q.onDemand.policy.Price, q.spot.policy.Price), w.priorOf(q.spot))
	if table == nil {
		return false
	}
	b.spot, b.onDemand = capacity.ChooseMany(table, b.account, b.granted, q.spot.memory.Spot.Grants, w.now)
	return true
}

// table finds one that was made for the same kind of task and covers what is left, with the shortest tick. Where there is none, the plan asks for it.
func (w *world) table(a *capacity.Account, onDemand float64, prior orchestrator.SpotPrior) (best *orchestrator.Table) {
	wanted := w.tableFor(a, onDemand, prior)
	for _, one := range w.tables {
		p := one.Parameters
		p.Ticks, p.Work = wanted.Ticks, wanted.Work
		if grain := p.Tick / startsOfTick; p.Tick >= w.interval && p.Start >= a.Start && p.Start < a.Start+max(grain, 1) {
			p.Tick, p.Start = wanted.Tick, wanted.Start
		}
		if p == wanted && capacity.Covers(one, a.Until, a.Left) && (best == nil || one.Parameters.Tick < best.Parameters.Tick) {
			best = one
		}
	}
	if best == nil && capacity.Check(wanted) == nil {
		w.lacking = append(w.lacking, wanted)
	}
	return best
}

// ratio is how much dearer an on-demand worker is, to a thousandth; without prices three times.
func ratio(onDemand, spot orchestrator.Money) float64 {
	if onDemand.Micros <= 0 || spot.Micros <= 0 || onDemand.Currency != spot.Currency {
		return 3
	}
	return math.Round(1000*float64(onDemand.Micros)/float64(spot.Micros)) / 1000
}

// leastStart is what the line of uniform progress takes a start for, where starts cost next to nothing: on-demand workers that came and went with every look would be
// cheap, but nobody could follow that.
const leastStart = 5 * time.Minute

// uniformProgress takes all the spot capacity there is. On-demand workers fill up to the width of a straight line from the submit to the deadline while
// the work is behind it, and go when it is ahead of where the line will be in the time of two starts (Wu et al., NSDI 2024, for many workers on their sum).
func (b *bargain) uniformProgress(w *world) {
	a := &b.account
	line := b.job.view.Deadline.Sub(b.job.view.Submitted)
	if line <= 0 {
		return
	}
	pace := float64(b.total) / float64(line) // workers
	done, gone := float64(b.total-a.Left), float64(w.now.Sub(b.job.view.Submitted))
	b.spot = min(b.granted, a.Width)
	stay := min(len(a.OnDemand), a.Width-b.spot)
	switch {
	case done < pace*gone:
		b.onDemand = max(min(whole(pace), a.Width)-b.spot, stay, 0)
	case done < pace*(gone+2*float64(max(a.Start, leastStart))):
		b.onDemand = stay
	}
}

// sentence says why so many spot workers.
func (b *bargain) sentence(w *world, q *queue) string {
	what := "waits"
	switch {
	case b.spot > 0 && b.onDemand > 0:
		what = fmt.Sprintf("wants %s here and %s on demand", counted(b.spot, "worker"), fmt.Sprint(b.onDemand))
	case b.spot > 0:
		what = fmt.Sprintf("wants %s", counted(b.spot, "worker"))
	case b.onDemand > 0:
		what = fmt.Sprintf("wants none here and %s on demand", fmt.Sprint(b.onDemand))
	}
	belief := w.belief(q.spot)
	if b.account.Width > 1 {
		belief = w.beliefOfMany(q.spot, min(b.granted, b.account.Width), b.account.Width)
	}
	belief += hoursOfSpot(q.spot)
	return fmt.Sprintf("queue %s %s, %s: %s of work by %s; %s", q.policy.Name, what, b.rule, span(b.account.Left.Seconds()), clock(b.job.view.Deadline), belief)
}

// onDemandSentence says why so many on-demand workers, or until when none is needed.
func (b *bargain) onDemandSentence(w *world, q *queue) string {
	if b.onDemand > 0 {
		return fmt.Sprintf("queue %s wants %s, %s: %s of work by %s", q.policy.Name, counted(b.onDemand, "worker"), b.rule, span(b.account.Left.Seconds()), clock(b.job.view.Deadline))
	}
	until := w.now.Add(b.account.Slack() / time.Duration(max(b.account.Width, 1)))
	return fmt.Sprintf("queue %s needs no on-demand capacity before %s, even if all spot capacity ends", q.policy.Name, clock(until))
}
