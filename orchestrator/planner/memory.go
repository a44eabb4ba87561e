package planner

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// Documented priors (docs/memory.md): nothing was measured yet that would tell better ones.
const (
	headroom  = 1.2 // times what was measured
	endedMore = 1.5 // times what a scorer held that was ended
	// memoryKept is how long a peak counts at least when newer ones are lower; twice that at most.
	memoryKept = 7 * 24 * time.Hour
	// endedKept is how long the end of a scorer counts: by then what is scored with more memory has shown how much it really needs.
	endedKept = time.Hour
	mebibyte  = 1 << 20
	mostBytes = 1 << 60
)

// need is how much memory a worker of a pool needs with a model.
type need struct {
	memory orchestrator.ModelMemory
	policy orchestrator.ModelPolicy
	mib    draft // from what was planned before
	used   bool  // the model is open or loaded on the pool
}

// memory finds what the workers of each pool need, and how many of them share a replica.
func memory(w *world) {
	for _, p := range w.pools {
		p.measureMemory(w)
	}
	for _, j := range w.jobs {
		if j.open && j.queue != nil {
			j.queue.needs(j.view.Model.Name)
		}
	}
	for _, q := range w.queues {
		if q.backlog != nil {
			q.needs(q.backlog.view.Model.Name)
		}
	}
	for _, p := range w.pools {
		p.needMemory()
		p.findRoom()
	}
}

// needs says that the queue's pools have to have room for a model.
func (q *queue) needs(model string) {
	for _, p := range q.pools {
		p.use(model)
	}
}

// use says that there has to be room for a model, where anything is known of it.
func (p *pool) use(model string) {
	if at, known := p.findNeed(model); known {
		p.needs[at].used = true
	} else if p.models[model].Memory > 0 {
		p.need(model).used = true
	}
}

// measureMemory takes what the workers say into what is remembered (H5, H6). A word that is old counts where it raises.
func (p *pool) measureMemory(w *world) {
	for _, one := range p.workers {
		fresh := w.now.Sub(one.view.Seen) <= w.staleAfter
		for i := range one.view.Memory {
			if use := &one.view.Memory[i]; use.Model != "" && (use.Peak > 0 || use.Ended > 0) {
				p.need(use.Model).measure(use, w.now, fresh)
			}
		}
	}
	for _, one := range p.workers {
		p.use(one.view.Model.Name)
	}
}

// measure takes one word of a worker, which says what it has seen again and again.
func (n *need) measure(use *orchestrator.MemoryUse, now time.Time, fresh bool) {
	m := &n.memory
	if m.Since.IsZero() || m.Since.After(now) {
		m.Since = now
	}
	if fresh && now.Sub(m.Since) >= memoryKept {
		m.Before, m.Peak, m.Since = m.Peak, 0, now
	}
	m.Peak = max(m.Peak, min(use.Peak, mostBytes))
	at := use.EndedAt
	if at.After(now) {
		at = now // its clock is ahead
	}
	if ended := min(use.Ended, mostBytes); ended > 0 && at.After(m.EndedAt) {
		m.Ended, m.EndedAt = max(m.Ended, ended), at
	}
	if fresh && now.Sub(m.EndedAt) >= endedKept {
		m.Ended = 0
	}
}

// needMemory plans the memory of each model: measured, or as profiled, and never more than there is (H9).
func (p *pool) needMemory() {
	for _, n := range p.needs {
		peak := max(n.memory.Peak, n.memory.Before)
		measured, ended := inMiB(headroom*float64(peak)), inMiB(endedMore*float64(n.memory.Ended))
		switch {
		case peak == 0 && ended == 0 && n.policy.Memory <= 0:
			continue
		case peak == 0 && ended == 0:
			n.mib.change("memory", inMiB(headroom*float64(n.policy.Memory)), fmt.Sprintf("a fifth more than the %s of the model's profile: nothing was measured yet", size(n.policy.Memory)))
		case ended > measured:
			n.mib.change("memory", ended, fmt.Sprintf("its scorer was ended for want of memory at %s: half as much again", size(n.memory.Ended)))
		default:
			n.mib.change("memory", measured, fmt.Sprintf("a fifth more than the %s that were measured", size(peak)))
		}
		if most := p.policy.MemoryPerReplica; most > 0 && n.mib.to > int(most/mebibyte) {
			n.mib.change("memory_max", int(most/mebibyte), fmt.Sprintf("a replica has no more: memoryPerReplica of pool %s would have to be raised", p.policy.Name))
		}
		if most := n.policy.MemoryLimit; most > 0 && n.mib.to > int(most/mebibyte) {
			n.mib.change("memory_max", int(most/mebibyte), fmt.Sprintf("memoryLimit of model %s would have to be raised", n.memory.Model))
		}
		n.memory.MiB = n.mib.to
	}
}

func inMiB(bytes float64) int { return int(math.Ceil(math.Min(bytes, mostBytes) / mebibyte)) }

// need finds or adds what is known of a model.
func (p *pool) need(model string) *need {
	at, found := p.findNeed(model)
	if !found {
		p.needs = slices.Insert(p.needs, at, &need{memory: orchestrator.ModelMemory{Model: model, Pool: p.policy.Name}, policy: p.models[model]})
	}
	return p.needs[at]
}

func (p *pool) findNeed(model string) (at int, found bool) {
	return slices.BinarySearchFunc(p.needs, model, func(have *need, model string) int { return cmp.Compare(have.memory.Model, model) })
}

// addMemory gives the pools what was remembered and what the documents say.
func (w *world) addMemory(remembered []orchestrator.ModelMemory, policy orchestrator.Policy, pools map[string]*pool) {
	models := make(map[string]orchestrator.ModelPolicy, len(policy.Models))
	for _, one := range policy.Models {
		if _, twice := models[one.Name]; !twice {
			models[one.Name] = one
		}
	}
	for _, p := range w.pools {
		p.models = models
	}
	for _, one := range remembered {
		if p := pools[one.Pool]; p != nil && one.Model != "" {
			n := p.need(one.Model)
			one.Peak, one.Before = min(max(one.Peak, 0), mostBytes), min(max(one.Before, 0), mostBytes)
			one.Ended, one.MiB = min(max(one.Ended, 0), mostBytes), max(one.MiB, 0)
			n.memory, n.mib = one, startAt(one.MiB)
		}
	}
}

// memoryPlan is what the plan says of the models in use, and of those whose number has changed.
func (p *pool) memoryPlan() (plans []orchestrator.MemoryPlan) {
	for _, n := range p.needs {
		if len(n.mib.reasons) > 0 && (n.used || n.mib.from != n.mib.to) {
			plans = append(plans, orchestrator.MemoryPlan{Model: n.memory.Model, MiB: n.mib.to, Reasons: n.mib.reasons})
		}
	}
	return plans
}

// remembered is what the next decision must know.
func (w *world) remembered() (models []orchestrator.ModelMemory) {
	for _, p := range w.pools {
		for _, n := range p.needs {
			if n.memory.MiB > 0 {
				models = append(models, n.memory)
			}
		}
	}
	return models
}

// size writes bytes as a person would say them.
func size(bytes int64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%.0f MiB", float64(bytes)/mebibyte)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

// explainMemory renders what the workers of a pool need, in MiB.
func explainMemory(plans []orchestrator.MemoryPlan) string {
	text := ""
	for _, one := range plans {
		text += fmt.Sprintf("  a worker with model %s: %d MiB\n", one.Model, one.MiB) + chain(one.Reasons)
	}
	return text
}
