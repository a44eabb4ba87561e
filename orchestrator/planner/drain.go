package planner

import "slices"

// group is one replica: the workers whose slots lie in it.
type group struct {
	workers []*worker
	replica int
	busy    bool // one of them holds a shard
	stays   bool // nobody knows that what its consumers do would not be lost
	drains  bool // one of them has been told to
	lost    loss // were it to go
}

// findGroups puts the workers that have been heard of together to replicas, by slot.
func (p *pool) findGroups() {
	groups := make([]group, 0, len(p.workers)/p.slots()+1)
	first := 0                      // of the last group
	for i, one := range p.workers { // by slot
		replica := p.replicaOf(one.view.Slot)
		if len(groups) == 0 || groups[len(groups)-1].replica != replica {
			groups = append(groups, group{replica: replica})
			first = i
		}
		last := &groups[len(groups)-1]
		last.workers = p.workers[first : i+1]
		last.busy = last.busy || one.busy() && !one.mayFinish()
		last.drains = last.drains || one.drains && !slices.Contains(p.memory.Crowded, one.view.ID)
	}
	p.groups = groups
}

// drain names the workers that go: whole replicas, those that lose least first. One that drains already goes on doing so.
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
		if p.doubt == "" && surplus > 0 {
			p.drainReplicas(w, surplus)
		}
		p.makeRoom()
	}
}

func (p *pool) drainReplicas(w *world, surplus int) {
	stay := make([]*group, 0, len(p.groups))
	for i := range p.groups {
		if !p.groups[i].drains {
			stay = append(stay, &p.groups[i])
		}
	}
	p.leastLost(w.now, stay)
	for _, victim := range stay[:surplus] {
		victim.drain()
	}
}

func (g *group) drain() {
	for _, one := range g.workers {
		one.drains = true
	}
}
