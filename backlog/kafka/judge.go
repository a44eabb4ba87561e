package kafka

import (
	"fmt"
	"time"
)

// memory is what earlier readings of a source have shown.
type memory struct {
	id         topicID
	hadCommits bool            // on any partition
	parts      map[int32]seen  // what was seen last
	old        map[int32]int64 // commits on a topic of the same name that is no more
	remade     bool
}

type seen struct {
	committed int64 // -1: nothing was
	from      int64 // where a group begins that never committed, and its policy is latest; -1: not known yet
	end       int64
	cut       time.Time // when its end was first seen to be before end
}

const nothingCommitted = "nothing is committed on partition"

// part is one partition, judged.
type part struct {
	partition           int32
	start, settled, end int64
	lag                 int64 // -1: as the offsets say
	uncounted           bool  // a member may hold records before settled: nobody has committed them
}

// finding is what one round says about a source: either an error, or parts.
type finding struct {
	err   string
	id    topicID
	parts []part
	notes []string
}

func failed(format string, values ...any) finding {
	return finding{err: fmt.Sprintf(format, values...)}
}

// judge compares what a round has given with what is remembered. It remembers only what was read without an error.
func (m *memory) judge(s Source, a answers, now time.Time) finding {
	if a.err != "" {
		return finding{err: a.err}
	}
	topic, told := a.topics[s.Topic]
	if !told {
		return failed("nobody answered for topic %s", s.Topic)
	}
	if topic.err != "" {
		return finding{err: topic.err}
	}
	if err := wholeTopic(s, topic, a); err != "" {
		return finding{err: err}
	}
	group := groupOf(s, a)
	if group.err != "" {
		return finding{err: group.err}
	}
	m.sameTopic(topic.id)
	if len(topic.leaders) < len(m.parts) {
		return failed("topic %s: the broker told %d partitions of %d", s.Topic, len(topic.leaders), len(m.parts))
	}
	f := finding{id: topic.id}
	any := anyOf(s.Topic, group)
	if m.remade && !any {
		f.notes = append(f.notes, fmt.Sprintf("topic %s was deleted and made again: offsets of the earlier one count no more", s.Topic))
	}
	next := map[int32]seen{}
	for partition := range topic.leaders {
		at := spot{s.Topic, int32(partition)}
		if err := m.refused(at, a, group, any, now); err != "" {
			f.err = join(f.err, err)
			continue
		}
		m.judgePart(s, at, a, group, &f, next)
	}
	if f.err != "" {
		return finding{err: f.err}
	}
	m.parts, m.hadCommits, m.old = next, m.hadCommits || any, nil
	return f
}

// wholeTopic tells which partitions are missing: a sum without them would be too small.
func wholeTopic(s Source, topic topicAnswer, a answers) string {
	if len(topic.leaders) == 0 {
		return fmt.Sprintf("topic %s: the broker told no partition", s.Topic)
	}
	var missing []int32
	why := "has no leader"
	for partition, leader := range topic.leaders {
		if leader < 0 {
			missing = append(missing, int32(partition))
		}
	}
	if missing == nil {
		missing, why = unanswered(s, topic, a)
	}
	if missing == nil {
		return ""
	}
	return fmt.Sprintf("partition %s of topic %s (of %d) %s", list(missing), s.Topic, len(topic.leaders), why)
}

func unanswered(s Source, topic topicAnswer, a answers) (missing []int32, why string) {
	for partition := range topic.leaders {
		at := spot{s.Topic, int32(partition)}
		for _, from := range []map[spot]offsetAnswer{a.starts, a.stables, a.highs} {
			answer, told := from[at]
			if told && answer.err == "" && answer.offset >= 0 {
				continue
			}
			missing, why = append(missing, at.partition), "was not answered for"
			if answer.err != "" {
				why = "could not be read: " + answer.err
			}
			break
		}
	}
	return missing, why
}

// groupOf gives the group's positions, from the API that has them.
func groupOf(s Source, a answers) groupAnswer {
	share, asked := a.shares[s.Group]
	if s.Share {
		if asked {
			return share
		}
		return groupAnswer{err: "nobody answered for share group " + s.Group}
	}
	if asked && share.err == "" && len(share.offsets) > 0 {
		return groupAnswer{err: fmt.Sprintf("group %s is a share group: say so (share: true), for it has no commits", s.Group)}
	}
	group, told := a.commits[s.Group]
	if !told {
		return groupAnswer{err: "nobody answered for the commits of group " + s.Group}
	}
	return group
}

func anyOf(topic string, group groupAnswer) bool {
	for at := range group.offsets {
		if at.topic == topic {
			return true
		}
	}
	return false
}

// sameTopic forgets what was seen of a topic that is no more, but for its commits: they may be told for a while.
func (m *memory) sameTopic(id topicID) {
	if m.id != id && m.id != (topicID{}) {
		m.old = map[int32]int64{}
		for partition, p := range m.parts {
			if p.committed > 0 {
				m.old[partition] = p.committed
			}
		}
		m.parts, m.hadCommits, m.remade = map[int32]seen{}, false, true
	}
	m.id = id
}

// refused tells why the numbers of a partition cannot be believed.
func (m *memory) refused(at spot, a answers, group groupAnswer, anyCommit bool, now time.Time) string {
	before, known := m.parts[at.partition]
	commit, committed := group.offsets[at]
	high := a.highs[at].offset
	where := fmt.Sprintf("partition %d of topic %s", at.partition, at.topic)
	switch {
	case committed && commit.err != "":
		return where + ": " + commit.err
	case committed && commit.offset > high:
		return fmt.Sprintf("offset %d is committed on %s, which ends at %d: the topic was made again, or its log was cut", commit.offset, where, high)
	case committed && m.old[at.partition] == commit.offset && commit.offset > 0:
		return fmt.Sprintf("offset %d is committed on %s as before the topic was deleted and made again: it is of the earlier one", commit.offset, where)
	case !committed && known && before.committed >= 0:
		return fmt.Sprintf("offset %d was committed on %s, and nothing is now: it has expired or was deleted, and nobody knows what is done", before.committed, where)
	case !committed && m.hadCommits && !anyCommit:
		return fmt.Sprintf("the group had commits on topic %s, and has none now: they have expired or were deleted, and nobody knows what is done", at.topic)
	case known && high < before.end:
		return m.cut(at, before, high, now)
	}
	return ""
}

// cut holds on for a while to a log that was longer: a leader that was replaced without knowing it may tell an earlier end.
func (m *memory) cut(at spot, before seen, high int64, now time.Time) string {
	if before.cut.IsZero() {
		before.cut = now
		m.parts[at.partition] = before
	}
	if now.Sub(before.cut) >= holdCut {
		return ""
	}
	return fmt.Sprintf("the end of partition %d of topic %s went back from %d to %d: its log was cut, or an old leader answers", at.partition, at.topic, before.end, high)
}

const holdCut = time.Minute

func (m *memory) judgePart(s Source, at spot, a answers, group groupAnswer, f *finding, next map[int32]seen) {
	start, high := a.starts[at].offset, a.highs[at].offset
	end := high
	if s.committedOnly() {
		end = a.stables[at].offset
	}
	commit, committed := group.offsets[at]
	now := seen{committed: -1, from: -1, end: high}
	settled, lag := start, int64(-1)
	switch {
	case committed:
		now.committed, settled, lag = commit.offset, commit.offset, commit.lag
		f.notes = append(f.notes, m.wentBack(at, commit.offset)...)
	case s.Start == Latest:
		now.from = m.from(at, start, end)
		settled = now.from
		f.notes = append(f.notes, fmt.Sprintf(nothingCommitted+" %d: counted from offset %d, its end when it was first read", at.partition, now.from))
	}
	if settled < start {
		f.notes = append(f.notes, fmt.Sprintf("offsets %d to %d of partition %d are lost: they were deleted before they were done", settled, start-1, at.partition))
		settled = start
	}
	if s.committedOnly() && high > end {
		f.notes = append(f.notes, fmt.Sprintf("an open transaction holds back offsets %d to %d of partition %d", end, high-1, at.partition))
	}
	next[at.partition] = now
	uncounted := settled > max(now.committed, 0)
	f.parts = append(f.parts, part{partition: at.partition, start: start, settled: min(settled, max(end, start)), end: end, lag: lag, uncounted: uncounted})
}

// from is where a group of policy latest begins: at the end, as it was first seen. A partition that was added later is read from its beginning.
func (m *memory) from(at spot, start, end int64) int64 {
	before, known := m.parts[at.partition]
	switch {
	case known && before.from >= 0:
		return before.from
	case !known && len(m.parts) > 0:
		return start
	}
	return end
}

func (m *memory) wentBack(at spot, committed int64) []string {
	before, known := m.parts[at.partition]
	if !known || committed >= before.committed {
		return nil
	}
	return []string{fmt.Sprintf("the commit on partition %d went back from %d to %d", at.partition, before.committed, committed)}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
