package control

import (
	"maps"
	"slices"
	"strings"

	"nightshift.dev/nightshift/orchestrator"
)

// presences are the last words of workers, found by their name and by their pool: engines look at those of their own pool every second.
type presences struct {
	all   map[string]orchestrator.Presence // by worker
	pools map[string]map[string]bool       // workers by pool
}

func newPresences() presences {
	return presences{all: map[string]orchestrator.Presence{}, pools: map[string]map[string]bool{}}
}

func (p presences) put(one orchestrator.Presence) {
	p.remove(one.Worker) // it may have been in another pool
	p.all[one.Worker] = one
	if p.pools[one.Pool] == nil {
		p.pools[one.Pool] = map[string]bool{}
	}
	p.pools[one.Pool][one.Worker] = true
}

func (p presences) remove(worker string) {
	pool := p.all[worker].Pool
	delete(p.all, worker)
	if delete(p.pools[pool], worker); len(p.pools[pool]) == 0 {
		delete(p.pools, pool)
	}
}

// sorted gives all, by name.
func (p presences) sorted() []orchestrator.Presence {
	return slices.SortedFunc(maps.Values(p.all), func(a, b orchestrator.Presence) int { return strings.Compare(a.Worker, b.Worker) })
}

// in gives those of a pool, in any order.
func (p presences) in(pool string) []orchestrator.Presence {
	list := make([]orchestrator.Presence, 0, len(p.pools[pool]))
	for worker := range p.pools[pool] {
		list = append(list, p.all[worker])
	}
	return list
}
