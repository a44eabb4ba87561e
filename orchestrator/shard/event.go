package shard

import "nightshift.dev/nightshift/orchestrator"

// Event is something that has happened: a fact that is durable, or an order of the planner or a user.
type Event interface{ event() }

// The events.
type (
	// JournalRead is an entry that is in the journal now, whoever wrote it: at the start, or as the answer to an effect. Entries come in
	// order; one that was read before is ignored.
	JournalRead struct {
		Seq   uint64 // sequence of the entry: the guard of the next append
		Entry orchestrator.JournalEntry
	}
	// AppendRefused says that the guard of the append did not hold: somebody else has written.
	AppendRefused struct{}
	// CommitRead is a commit of the job, of any epoch. One that was read before is ignored.
	CommitRead struct {
		Seq    uint64 // sequence in the commit stream
		Commit orchestrator.Commit
	}
	// Demand is the planner's wish: how the next cuts are made, and how many score shards to keep published and not settled.
	Demand struct {
		Rows      int64 // of each cut, at most
		Workers   int   // that share the rest: near its end cuts become shorter, as Size says; 0: they do not
		BatchRows int   // the model's best batch
		Ahead     int
	}
	// Found ends the recovery: the shards of the current epoch whose messages lie in the shard stream already.
	Found struct{ Numbers []int }
	// Published says that the server has acknowledged the messages of these shards.
	Published struct{ Numbers []int }
	// Grow says how far the sources of a standing job reach now: for each, by its URI, the range from where the job begins to where it may be read.
	// What is not recorded of it yet is appended to the journal. The last one is the end: nothing is added after it. A Grow forgets those before it.
	Grow struct {
		Reach []orchestrator.Object
		Last  bool
	}
	// Closed ends the job's work in this epoch (cancelled, expired, failed): there are no effects from here on. Commits up to Seq of the
	// commit stream, the number that goes into Job.Closed, still count.
	Closed struct{ Seq uint64 }
)

// rows is the length of a cut when so many rows are left to cut; a negative number is unknown.
func (d Demand) rows(uncut int64) int64 {
	if d.Workers < 1 || uncut < 0 {
		return d.Rows
	}
	work := Work{BatchRows: d.BatchRows, RowsUncut: uncut, Workers: d.Workers}.sane()
	limit, _ := work.share()
	return min(d.Rows, work.whole(limit))
}

func (JournalRead) event()   {}
func (AppendRefused) event() {}
func (CommitRead) event()    {}
func (Demand) event()        {}
func (Found) event()         {}
func (Published) event()     {}
func (Grow) event()          {}
func (Closed) event()        {}

// Effect is something the dispatcher has to do. Effects are performed in their order, each until it has succeeded or its event says
// that it did not, and answered before the next one is begun.
type Effect interface{ effect() }

// The effects.
type (
	// AppendJournal appends the entry if the last sequence of the job's journal subject is Expected. Done, it is answered by JournalRead;
	// refused, by AppendRefused. An append whose answer was lost is repeated with the same Expected.
	AppendJournal struct {
		Expected uint64
		Entry    orchestrator.JournalEntry
	}
	// ReadJournal asks for the entries after From, each as a JournalRead, read from the leader: there is at least one.
	ReadJournal struct{ From uint64 }
	// Publish puts the shards into the shard stream, each under its ID as message id; answered by Published.
	Publish struct{ Shards []orchestrator.Shard }
	// Progress says that the counts have changed.
	Progress struct{ Counts orchestrator.Counts }
	// Fail says that the job cannot be done. It comes once and is the last effect.
	Fail struct{ Failure orchestrator.Failure }
	// AllSettled says that everything is cut and every shard settled: finalise. It comes once and is the last effect.
	AllSettled struct{}
)

func (AppendJournal) effect() {}
func (ReadJournal) effect()   {}
func (Publish) effect()       {}
func (Progress) effect()      {}
func (Fail) effect()          {}
func (AllSettled) effect()    {}
