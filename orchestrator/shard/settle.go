package shard

import (
	"fmt"

	"nightshift.dev/nightshift/orchestrator"
)

// commit is what the machine keeps of a commit: the first of its shard and epoch.
type commit struct {
	seq     uint64
	ok, bad int64                // rows scored, rows in the error object
	full    *orchestrator.Commit // while the shard's next message may need it as its base
	next    int32                // the shard's commit of a later epoch: index in commits plus one; 0: none
	epoch   uint16
	outcome outcome
	unread  bool // its range was not read to its end
}

type outcome uint8

const (
	scored outcome = iota + 1
	failed
	indexed
)

var outcomes = map[orchestrator.Outcome]outcome{
	orchestrator.OutcomeScored: scored, orchestrator.OutcomeFailed: failed, orchestrator.OutcomeIndexed: indexed,
}

// mostEpochs bounds the epochs of a job; nobody retries that often.
const mostEpochs = 1 << 16

// counts says whether a commit of the epoch with this sequence may count for a shard: of the current epoch always, of an earlier one if it was
// stored before the epoch was closed. What an index shard has found is true in every epoch.
func (m *Machine) counts(seq uint64, epoch int, index bool) bool {
	switch {
	case epoch < 0 || epoch > m.epoch || epoch >= mostEpochs:
		return false
	case epoch == m.epoch || index:
		return true
	}
	return epoch < len(m.closed) && seq <= m.closed[epoch]
}

// commitRead takes over a commit. One for a shard whose cut has not been read yet waits for it.
func (m *Machine) commitRead(event CommitRead) {
	number := event.Commit.Number
	if number < 0 || m.over && event.Seq > m.closedSeq {
		return
	}
	if number >= len(m.shards) {
		m.early = append(m.early, event)
		return
	}
	index := m.flags[number]&flagIndex != 0
	kind := outcomes[event.Commit.Outcome]
	if !m.counts(event.Seq, event.Commit.Epoch, index) || kind == 0 || (kind == scored && index) || (kind == indexed && !index) {
		return
	}
	m.recount(number, func() {
		if m.keep(number, event, kind) && index {
			m.learnBorders(number, event.Commit)
		}
	})
}

// readEarly takes over the commits whose cuts have been read meanwhile.
func (m *Machine) readEarly() {
	if len(m.early) == 0 {
		return
	}
	waiting := m.early
	m.early = nil
	for _, event := range waiting {
		m.commitRead(event)
	}
}

// keep links the commit into the shard's list, ordered by epoch. Of several of one epoch the one with the lowest sequence counts;
// keep says whether it is this one.
func (m *Machine) keep(number int, event CommitRead, kind outcome) bool {
	c := event.Commit
	kept := commit{seq: event.Seq, ok: max(c.RowsOK, 0), bad: max(c.Failed, 0), epoch: uint16(c.Epoch), outcome: kind}
	if kind == failed {
		kept.ok, kept.unread = 0, c.Unread
	}
	if kind == scored && c.Epoch < m.epoch && kept.bad > 0 {
		kept.full = &c
	}
	link := &m.shards[number].first
	for *link != 0 && m.commits[*link-1].epoch < kept.epoch {
		link = &m.commits[*link-1].next
	}
	if *link != 0 && m.commits[*link-1].epoch == kept.epoch {
		same := &m.commits[*link-1]
		if same.seq <= kept.seq {
			return false
		}
		kept.next = same.next
		*same = kept
		return true
	}
	kept.next = *link
	*link = int32(len(m.commits) + 1) // before append: link may point into commits
	m.commits = append(m.commits, kept)
	return true
}

// learnBorders tells the cutter what an index shard found, or that it failed for good in this epoch.
func (m *Machine) learnBorders(number int, c orchestrator.Commit) {
	object := int(m.shards[number].object)
	why := c.Failure
	if c.Outcome == orchestrator.OutcomeIndexed {
		err := m.cutter.Indexed(object, c.Offsets)
		if err == nil {
			m.extent.index(&m.cutter.sources[object])
			return
		}
		why = &orchestrator.Failure{Code: "index_invalid", Message: err.Error()}
	} else if c.Epoch < m.epoch {
		return // it runs again
	}
	if m.cutter.IndexFailed(object) {
		return
	}
	if why == nil {
		why = &orchestrator.Failure{
			Code: "index_failed", Message: fmt.Sprintf("the row groups of %s could not be read", m.cutter.Object(object).URI),
		}
	}
	m.failure = why
}

// standing is what the counted commits of a score shard say together.
type standing struct {
	last *commit // the one that describes the shard; nil: none counts
	now  bool    // one of the current epoch counts
}

// standing reads the shard's commits in the order of their epochs. Each describes the whole shard (a worker puts the rows it scored again
// together with those of the base), so a later one takes the place of an earlier one; but one that failed does not take
// back what was scored, and after one without failed rows nothing was left to do.
func (m *Machine) standing(number int) standing {
	var s standing
	for i := m.shards[number].first; i != 0; i = m.commits[i-1].next {
		c := &m.commits[i-1]
		if s.complete() {
			break
		}
		s.now = s.now || int(c.epoch) == m.epoch
		if s.last == nil || c.outcome == scored || s.last.outcome == failed {
			s.last = c
		}
	}
	return s
}

// complete says that every row of the shard is scored.
func (s standing) complete() bool {
	return s.last != nil && s.last.outcome == scored && s.last.bad == 0
}

// settled says that nothing is left to do for a score shard in the current epoch.
func (s standing) settled() bool { return s.now || s.complete() }

// base is the commit whose failed rows alone are scored again, if there is one.
func (s standing) base() *orchestrator.Commit {
	if s.last == nil || s.last.outcome != scored {
		return nil
	}
	return s.last.full
}

// indexSettled says that nothing is left to do for an index shard: it has found the borders, it has failed in this epoch, or its object has
// been cut without them.
func (m *Machine) indexSettled(number int) bool {
	for i := m.shards[number].first; i != 0; i = m.commits[i-1].next {
		if c := &m.commits[i-1]; c.outcome == indexed || int(c.epoch) == m.epoch {
			return true
		}
	}
	return m.flags[number]&flagCut != 0
}

// forgetBases lets go of the commits that were sent with their shards.
func (m *Machine) forgetBases(numbers []int) {
	for _, number := range numbers {
		if number < 0 || number >= len(m.shards) {
			continue
		}
		for i := m.shards[number].first; i != 0; i = m.commits[i-1].next {
			m.commits[i-1].full = nil
		}
	}
}
