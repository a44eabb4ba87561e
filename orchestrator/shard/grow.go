package shard

import (
	"slices"

	"nightshift.dev/nightshift/orchestrator"
)

// reach is how far one source of a standing job is recorded and settled.
type reach struct {
	uri  string
	from int64 // where the job begins
	end  int64 // of what is recorded
}

// reached takes over recorded objects of messages.
func (m *Machine) reached(objects []orchestrator.Object) {
	for _, object := range objects {
		if object.Format != orchestrator.FormatMessages {
			continue
		}
		m.grows = true
		if at := m.reachOf(object.URI); at >= 0 {
			m.reach[at].end = max(m.reach[at].end, object.End())
		} else {
			m.reach = append(m.reach, reach{uri: object.URI, from: object.Start, end: object.End()})
		}
	}
}

func (m *Machine) reachOf(uri string) int {
	return slices.IndexFunc(m.reach, func(one reach) bool { return one.uri == uri })
}

// growth is the entry for what has arrived since the last recorded object, or for the end.
func (m *Machine) growth() (orchestrator.JournalEntry, bool) {
	if m.objectsDone {
		return orchestrator.JournalEntry{}, false
	}
	entry := orchestrator.JournalEntry{ObjectsDone: m.grow.Last}
	for _, object := range m.grow.Reach {
		end := object.End()
		if at := m.reachOf(object.URI); at >= 0 {
			object.Start = max(m.reach[at].end, object.Start)
		}
		if object.Size = end - object.Start; object.Size > 0 && len(entry.Objects) < mostPerEntry {
			entry.Objects = append(entry.Objects, object)
		}
	}
	return entry, entry.ObjectsDone || len(entry.Objects) > 0
}

// Ended says that the journal will get no more objects.
func (m *Machine) Ended() bool { return m.objectsDone }

// Standing says, for each source of a standing job, from where to where its positions are recorded, and up to where they are settled without a gap. A
// source is never said to be settled further than its commits are stored.
func (m *Machine) Standing() []orchestrator.Position {
	list := make([]orchestrator.Position, len(m.reach))
	open := make([]bool, len(m.reach)) // a position before what follows is not settled
	for i, one := range m.reach {
		list[i] = orchestrator.Position{URI: one.uri, From: one.from, Settled: one.from, End: one.end}
	}
	for number := range m.shards {
		r := &m.shards[number]
		at := m.reachOf(m.cutter.sources[r.object].object.URI)
		if at < 0 || open[at] {
			continue
		}
		if !m.Settled(number) {
			open[at] = true
			continue
		}
		list[at].Settled = r.end
	}
	return list
}
