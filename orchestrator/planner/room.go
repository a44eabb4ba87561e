package planner

import (
	"cmp"
	"fmt"
	"slices"
)

// findRoom says how many workers share a replica: as many as fit with the model that needs most of those that are open or loaded (H7).
func (p *pool) findRoom() {
	all := p.policy.SlotsPerReplica
	p.fit = all
	most := p.policy.MemoryPerReplica
	if most <= 0 {
		return
	}
	var largest *need
	for _, n := range p.needs {
		if n.used && n.mib.to > 0 && (largest == nil || n.mib.to > largest.mib.to) {
			largest = n
		}
	}
	if largest == nil {
		return
	}
	if p.fit = min(max(int(most/mebibyte)/largest.mib.to, 1), all); p.fit < all {
		p.replicas.note("memory", fmt.Sprintf("%s a replica of %s, not %d: a worker with model %s needs %s",
			shares(p.fit), size(most), all, largest.memory.Model, size(int64(largest.mib.to)*mebibyte)))
	}
}

func shares(workers int) string {
	if workers == 1 {
		return "1 worker has"
	}
	return fmt.Sprintf("%d workers share", workers)
}

// makeRoom lets workers of a replica go that stays, where memory is for fewer (H8): those without a shard first, then the highest slots. They are
// remembered, since a worker that drains otherwise takes its whole replica with it.
func (p *pool) makeRoom() {
	crowded := p.memory.Crowded
	p.memory.Crowded = nil
	for _, g := range p.groups {
		staying := make([]*worker, 0, len(g.workers))
		for _, one := range g.workers {
			switch {
			case !one.drains:
				staying = append(staying, one)
			case slices.Contains(crowded, one.view.ID):
				p.memory.Crowded = append(p.memory.Crowded, one.view.ID)
			}
		}
		slices.SortStableFunc(staying, func(a, b *worker) int {
			return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.view.Slot, b.view.Slot))
		})
		if p.fit == p.policy.SlotsPerReplica {
			continue
		}
		for _, one := range staying[min(p.fit, len(staying)):] {
			one.drains = true
			p.memory.Crowded = append(p.memory.Crowded, one.view.ID)
		}
	}
	slices.Sort(p.memory.Crowded)
}

// rank puts workers with shards before others.
func rank(w *worker) int {
	if w.busy() {
		return 0
	}
	return 1
}

// room is how much memory each worker of a replica may use: all get the same part, those that drain too until they have ended (H7, H8).
func (p *pool) room(workers int) int64 {
	return p.policy.MemoryPerReplica / int64(max(p.fit, workers, 1))
}

// beside is how many workers each replica has; nil where that is of no use.
func (p *pool) beside() map[int]int {
	if p.policy.MemoryPerReplica <= 0 {
		return nil
	}
	count := make(map[int]int, len(p.groups))
	for _, g := range p.groups {
		count[g.replica] = len(g.workers)
	}
	return count
}
