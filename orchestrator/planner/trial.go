package planner

import (
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	// leastPatience is how long replicas may take to become of use, whatever their start should take: what a scorer may take to be ready, if its document
	// does not say otherwise.
	leastPatience = 10 * time.Minute
	// startsOfPatience is how many times the start and load that is planned with they may take.
	startsOfPatience = 3
	// failureHeld is how long a pool is not trusted where nothing became of use, when nothing is asked for there meanwhile: as a rule until the next night. A
	// new trial may cost a deadline.
	failureHeld = 12 * time.Hour
	// freeStep is how many replicas a pool may have that has shown nothing yet, as the horizontal pod autoscaler of Kubernetes has it.
	freeStep = 4
)

// observeTrials sees what has become of the replicas that each pool was last made larger by. A growth is a trial: it goes on while some of the replicas
// are of no use, begins anew with each that becomes so, and has failed when none did for too long. The same with the speed of all.
func observeTrials(w *world) {
	for _, p := range w.pools {
		if p.doubt == "" && !p.policy.Observe { // what nobody asked for cannot be fruitless
			p.observeTrial(w.now)
			p.observeGain(w.now)
		}
	}
}

func (p *pool) observeTrial(now time.Time) {
	memory, useful := &p.memory, p.useful()
	memory.Proven = max(memory.Proven, useful)
	switch trial := &memory.Trial; {
	case trial.Since.IsZero():
	case p.view.Replicas <= useful && (useful > 0 || !trial.Failed || now.Sub(trial.Since) >= p.patience()+failureHeld):
		*trial = orchestrator.TrialMemory{}
	case useful > trial.Useful || trial.Since.After(now):
		*trial = orchestrator.TrialMemory{Since: now, Useful: useful}
	case !trial.Failed && now.Sub(trial.Since) >= p.patience():
		trial.Failed = true
		memory.Proven = useful // what worked once does not now
	}
}

// patience is how long replicas may take to become of use.
func (p *pool) patience() time.Duration {
	load := 0.0
	for _, j := range p.line {
		load = max(load, j.speed.slowLoad)
	}
	return max(startsOfPatience*ofSeconds(p.start()+load), leastPatience)
}

// useful is how many replicas have a worker that has loaded a model, or waits for work.
func (p *pool) useful() int {
	count, last := 0, -1
	for _, one := range p.workers { // by slot
		if replica := p.replicaOf(one.view.Slot); replica != last && one.useful() {
			count, last = count+1, replica
		}
	}
	return count
}

func (w *worker) useful() bool {
	if w.drains || w.view.LoadFailures > 0 {
		return false
	}
	if w.consumer && (w.view.State == orchestrator.WorkerBusy || w.view.State == orchestrator.WorkerUnknown) {
		return true // it runs, which is all that can be known
	}
	return w.view.State == orchestrator.WorkerIdle || w.view.State == orchestrator.WorkerBusy && w.view.Model.Name != ""
}

// try remembers that the pool was made larger.
func (p *pool) try(now time.Time) {
	if p.memory.Trial.Since.IsZero() {
		p.memory.Trial = orchestrator.TrialMemory{Since: now, Useful: p.useful()}
	}
}

// stepLimit lets work that is due by no time make a pool no larger than twice what has been of use there at once; the first few replicas are free.
// Work with a deadline is not held up, nor is that of backlogs, which come and go.
func stepLimit(w *world) {
	for _, p := range w.pools {
		due := min(p.leveled+p.reserved, endless)
		for _, q := range p.queues {
			if q.backlog == nil && q.due() {
				due = min(due+q.wanted, endless)
			}
		}
		step := max(freeStep, 2*min(max(p.memory.Proven, 0), mostReplicas))
		if most := max(p.replicas.from, step+p.inReplicas(due), p.policy.Min); !p.splits && p.replicas.to > most {
			p.replicas.change("step", most, fmt.Sprintf("work without a deadline makes the pool no larger than %s before more have been of use: twice the %d seen so far, or %d",
				counted(step, "replica"), max(p.memory.Proven, 0), freeStep))
		}
	}
}

// due says that some of the queue's work has a time by which it is to be done.
func (q *queue) due() bool {
	if q.policy.Cheapest || q.policy.Daily.Given() || q.policy.FinishWithin > 0 {
		return !q.policy.Cheapest
	}
	for _, j := range q.jobs { // those with a deadline first
		if _, given := j.left(j.view.Deadline); !given {
			return false
		}
		if j.counts() {
			return true
		}
	}
	return false
}

// marginalCheck undoes a growth that has brought nothing: what is of use stays, and one replica more, which will show when that changes; and who holds a shard,
// until it is handed back. No deadline is a reason to buy more of what does not work.
func marginalCheck(w *world) {
	for _, p := range w.pools {
		p.checkGain()
		if !p.memory.Trial.Failed || p.replicas.to <= p.ceiling() {
			continue
		}
		p.replicas.change("fruitless", max(p.ceiling(), min(p.busy, p.replicas.to)), fmt.Sprintf("no more than %d of those asked for have been of use since %s, longer than %s: one more stays, to show when that changes",
			p.memory.Trial.Useful, clock(p.memory.Trial.Since), span(p.patience().Seconds())))
	}
}

// ceiling is the most replicas that make sense, as far as trials have shown, and are not less than a person wants.
func (p *pool) ceiling() int {
	most := mostReplicas
	if trial := p.memory.Trial; trial.Failed {
		most = max(min(max(trial.Useful, 0), mostReplicas)+1, p.policy.Min)
	}
	if gain := p.memory.Gain; !gain.Until.IsZero() && !p.hasDue() {
		most = min(most, max(gain.Replicas, 1, p.policy.Min))
	}
	return most
}
