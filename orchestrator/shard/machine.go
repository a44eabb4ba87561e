package shard

import (
	"fmt"
	"slices"

	"nightshift.dev/nightshift/orchestrator"
)

// Bounds of what the machine asks for at once.
const (
	// MostAhead is the most shards that are kept published and not settled. Until the first Demand it holds for what is recorded already.
	MostAhead    = 4096
	mostPerEntry = 1000 // cuts of a journal entry: about 100 kB
)

// Machine is the state of the shards of one job in one epoch. It is not safe for concurrent use. It has no error to return: what cannot
// be gone on with becomes the effect Fail.
type Machine struct {
	job    orchestrator.JobKey
	epoch  int
	closed []uint64

	cutter      *Cutter
	journal     uint64 // last sequence read
	objectsDone bool
	cutsDone    bool
	appending   *AppendJournal // the append under way
	reading     bool           // an append was refused, the winner's entry has not been read yet
	askJournal  bool           // the effect ReadJournal is due
	grows       bool           // a standing job: its objects come while it is open
	ordered     bool           // at most one shard of a source is published and not settled
	grow        Grow           // the newest
	reach       []reach

	shards  []recorded // by number
	flags   []flags    // by number
	commits []commit   // those that may count, linked by shard
	early   []CommitRead
	sums    sums
	extent  extent

	demand    Demand
	demanded  bool
	cursor    int // shards before it were published, or need not be
	recovered bool
	failure   *orchestrator.Failure
	shown     orchestrator.Counts
	over      bool // the last effect was given, or the job was closed
	closedSeq uint64
}

// recorded is a cut in 24 bytes, and the first of its commits.
type recorded struct {
	start, end int64
	object     int32
	first      int32 // index in commits plus one; 0: none
}

type flags uint8

const (
	flagIndex   flags = 1 << iota // an index shard
	flagSent                      // Publish was asked for, or its message was found
	flagSettled                   // nothing is left to do for it in this epoch
	flagCut                       // of an index shard: its object is being cut, so borders come too late
)

// NewMachine begins with nothing. closed holds for each earlier epoch the sequence of the commit stream up to which its commits
// count. rowBytes is the average length of a row as far as it is known; not a positive number means unknown.
func NewMachine(job orchestrator.JobKey, epoch int, closed []uint64, rowBytes float64) *Machine {
	return &Machine{job: job, epoch: epoch, closed: slices.Clone(closed), cutter: NewCutter(rowBytes), extent: extent{given: saneRowBytes(rowBytes)}}
}

// Step takes an event and returns what has to be done now, in order.
func (m *Machine) Step(event Event) []Effect {
	switch event := event.(type) {
	case JournalRead:
		m.journalRead(event)
	case AppendRefused:
		m.appendRefused()
	case CommitRead:
		m.commitRead(event)
	case Demand:
		m.demand, m.demanded = event, true
		m.demand.Ahead = min(max(event.Ahead, 0), MostAhead)
	case Grow:
		m.grows, m.grow = true, event
	case Found:
		m.markSent(event.Numbers)
		m.recovered = true
	case Published:
		m.markSent(event.Numbers)
		m.forgetBases(event.Numbers)
	case Closed:
		m.over, m.closedSeq = true, event.Seq
	}
	return m.effects()
}

// effects says what is due in the present state.
func (m *Machine) effects() []Effect {
	if !m.recovered || m.over {
		return nil
	}
	if m.failure != nil {
		m.over, m.closedSeq = true, ^uint64(0)
		return []Effect{Fail{Failure: *m.failure}}
	}
	var effects []Effect
	if m.askJournal {
		m.askJournal = false
		effects = append(effects, ReadJournal{From: m.journal})
	}
	if shards := m.due(); len(shards) > 0 {
		effects = append(effects, Publish{Shards: shards})
	}
	if entry, due := m.nextEntry(); due {
		m.appending = &AppendJournal{Expected: m.journal, Entry: entry}
		effects = append(effects, *m.appending)
	}
	if counts := m.Counts(); counts != m.shown {
		m.shown = counts
		effects = append(effects, Progress{Counts: counts})
	}
	if m.cutsDone && m.Unsettled() == 0 {
		m.over, m.closedSeq = true, ^uint64(0)
		effects = append(effects, AllSettled{})
	}
	return effects
}

// journalRead takes over an entry, whoever wrote it. If it is the one that is being appended, the append is done; if not, a refusal will
// come, and until then nothing else is appended.
func (m *Machine) journalRead(event JournalRead) {
	if event.Seq <= m.journal || m.failure != nil {
		return
	}
	entry := event.Entry
	m.journal, m.reading, m.askJournal = event.Seq, false, false
	if m.appending != nil && m.appending.Entry.Equal(entry) {
		m.appending = nil
	}
	if len(entry.Objects) > 0 && m.objectsDone || len(entry.Cuts) > 0 && m.cutsDone {
		m.broken(event.Seq, "it follows the end of what it adds to")
		return
	}
	m.cutter.AddObjects(entry.Objects)
	m.extent.addObjects(entry.Objects)
	m.reached(entry.Objects)
	m.objectsDone = m.objectsDone || entry.ObjectsDone
	for _, cut := range entry.Cuts {
		if err := m.cutter.record(cut); err != nil {
			m.broken(event.Seq, fmt.Sprintf("cut %d: %v", cut.Number, err))
			return
		}
		m.addCut(cut)
	}
	m.cutsDone = m.cutsDone || entry.CutsDone
	m.readEarly()
}

// appendRefused asks for what was written instead, unless that has been read already.
func (m *Machine) appendRefused() {
	if m.appending == nil {
		return
	}
	if m.journal == m.appending.Expected {
		m.reading, m.askJournal = true, true
	}
	m.appending = nil
}

func (m *Machine) broken(seq uint64, why string) {
	m.failure = &orchestrator.Failure{
		Code: "journal_broken", Message: fmt.Sprintf("journal entry %d of job %s cannot be followed: %s", seq, m.job.ID, why),
	}
}

// addCut makes room for a shard. The first score cut of an object settles an index shard of it that had failed before.
func (m *Machine) addCut(cut orchestrator.Cut) {
	r, f := recorded{start: cut.Range.Start, end: cut.Range.End, object: int32(cut.Range.Object)}, flags(0)
	if cut.Kind == orchestrator.ShardIndex {
		f = flagIndex
	}
	m.shards, m.flags = append(m.shards, r), append(m.flags, f)
	m.extent.addCut(m.cutter.sources[cut.Range.Object].unit(), cut)
	m.sums.add(m.contribution(cut.Number), 1)
	if index := m.cutter.sources[cut.Range.Object].index; f == 0 && index > 0 {
		m.recount(int(index)-1, func() { m.flags[index-1] |= flagCut })
	}
}

// nextEntry is what to append to the journal now: cuts, once an eighth of the wanted shards is missing, so that they are written many
// at a time.
func (m *Machine) nextEntry() (orchestrator.JournalEntry, bool) {
	none := orchestrator.JournalEntry{}
	if m.cutsDone || m.appending != nil || m.reading {
		return none, false
	}
	if grown, has := m.growth(); has {
		return grown, true
	}
	switch {
	case !m.objectsDone && !m.grows:
		return none, false
	case m.cutter.Done():
		return orchestrator.JournalEntry{CutsDone: true}, m.objectsDone && (m.grows || m.demand.Ahead > 0)
	case m.demand.Ahead == 0:
		return none, false
	}
	missing := m.demand.Ahead - m.sums.score.unsettled
	if _, index := m.cutter.nextIndex(m.cutter.indexes); index || m.ordered {
		missing = mostPerEntry
	} else if missing < max(1, m.demand.Ahead/8) {
		return none, false
	}
	m.cutter.SetRowBytes(m.RowBytes())
	uncut := m.RowsUncut()
	cuts := m.cutter.Next(func(before int64) int64 {
		if m.ordered {
			return wholeObject
		}
		if uncut < 0 {
			return m.demand.rows(-1)
		}
		return m.demand.rows(max(uncut-before, 0))
	}, min(missing, mostPerEntry))
	if len(cuts) == 0 {
		return none, false
	}
	return orchestrator.JournalEntry{Cuts: cuts, CutsDone: m.objectsDone && m.cutter.doneAfter(cuts)}, true
}

// due is what may be published now: recorded, neither settled nor published, as many as are wanted ahead.
func (m *Machine) due() []orchestrator.Shard {
	ahead := m.demand.Ahead
	if !m.demanded {
		ahead = MostAhead
	}
	if m.ordered {
		return m.dueInOrder(ahead)
	}
	var shards []orchestrator.Shard
	for ; m.cursor < len(m.shards); m.cursor++ {
		f := m.flags[m.cursor]
		if f&(flagSent|flagSettled) != 0 {
			continue
		}
		if m.sums.of(f&flagIndex != 0).sent >= ahead {
			break
		}
		m.recount(m.cursor, func() { m.flags[m.cursor] |= flagSent })
		shards = append(shards, m.shard(m.cursor))
	}
	return shards
}

// shard is the message of a shard.
func (m *Machine) shard(number int) orchestrator.Shard {
	cut := m.Cut(number)
	return orchestrator.Shard{
		JobKey: m.job, Epoch: m.epoch, Number: number, Kind: cut.Kind,
		Object: m.cutter.Object(cut.Range.Object), Range: cut.Range, Base: m.standing(number).base(),
	}
}

// markSent notes that the shards' messages are in the stream.
func (m *Machine) markSent(numbers []int) {
	for _, number := range numbers {
		if number >= 0 && number < len(m.shards) {
			m.recount(number, func() { m.flags[number] |= flagSent })
		}
	}
}
