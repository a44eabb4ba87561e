package shard

import (
	"math"

	"nightshift.dev/nightshift/orchestrator"
)

// KeepOrder lets no shard be published while an earlier one of the same source (a partition, a subject) is not settled. An object is then one shard: whoever gives
// the objects makes them as long as a shard shall be.
func (m *Machine) KeepOrder() { m.ordered = true }

// dueInOrder is due for a machine that keeps the order: of each source the first shard that is not settled, if it was not published yet.
func (m *Machine) dueInOrder(ahead int) []orchestrator.Shard {
	var shards []orchestrator.Shard
	busy := make([]bool, len(m.reach))
	for number := m.cursor; number < len(m.shards); number++ {
		if m.flags[number]&flagSettled != 0 {
			if number == m.cursor {
				m.cursor++
			}
			continue
		}
		at := m.reachOf(m.cutter.sources[m.shards[number].object].object.URI)
		if at < 0 || busy[at] {
			continue
		}
		busy[at] = true
		if m.flags[number]&flagSent != 0 || m.sums.of(false).sent >= ahead {
			continue
		}
		m.recount(number, func() { m.flags[number] |= flagSent })
		shards = append(shards, m.shard(number))
	}
	return shards
}

// wholeObject is longer than any object.
const wholeObject = math.MaxInt64
