package planner

import (
	"cmp"
	"slices"

	"nightshift.dev/nightshift/orchestrator"
)

// group is one replica: the workers whose slots lie in it.
type group struct {
	workers []*worker
	replica int
	busy    bool // one of them holds a shard
	drains  bool // one of them has been told to
	rank    int  // the least loss first
}

// findGroups puts the workers that have been heard of together to replicas, by slot.
func (p *pool) findGroups() {
	groups := make([]group, 0, len(p.workers)/p.slots()+1)
	first := 0                      // of the last group
	for i, one := range p.workers { // by slot
		replica := one.view.Slot / p.slots()
		if len(groups) == 0 || groups[len(groups)-1].replica != replica {
			groups = append(groups, group{replica: replica})
			first = i
		}
		last := &groups[len(groups)-1]
		last.workers = p.workers[first : i+1]
		last.busy = last.busy || one.busy()
		last.drains = last.drains || one.drains
		last.rank = max(last.rank, one.rank())
	}
	p.groups = groups
}

// rank says how much is lost when the worker goes.
func (w *worker) rank() int {
	switch {
	case w.busy():
		return 4
	case w.view.State == orchestrator.WorkerLoading:
		return 3
	case w.view.State == orchestrator.WorkerFailed:
		return 0
	case w.view.State == orchestrator.WorkerStarting:
		return 1
	}
	return 2
}

// drain names the workers that go: whole replicas, idle before busy, then the highest slot. One that drains already goes on doing so.
func drain(w *world) {
	for _, p := range w.pools {
		surplus := -p.replicas.to
		for _, g := range p.groups {
			if g.drains {
				g.drain()
			} else {
				surplus++
			}
		}
		if p.doubt != "" || surplus <= 0 {
			continue
		}
		stay := slices.DeleteFunc(slices.Clone(p.groups), func(g group) bool { return g.drains })
		slices.SortStableFunc(stay, func(a, b group) int {
			return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.replica, a.replica))
		})
		for _, victim := range stay[:surplus] {
			victim.drain()
		}
	}
}

func (g *group) drain() {
	for _, one := range g.workers {
		one.drains = true
	}
}
