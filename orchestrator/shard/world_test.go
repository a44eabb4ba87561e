package shard

import (
	"fmt"
	"slices"

	"nightshift.dev/nightshift/orchestrator"
)

// world is everything around the machines of one job: the streams with their guards, the job's record, the input, and dispatchers that
// own a machine each. Transcripts and the property test drive the same world. Nothing in it calls the code under test except through
// Machine.Step and the queries.
type world struct {
	in          input
	job         orchestrator.JobKey
	epoch       int
	closed      []uint64
	ended       bool // closed, no new epoch yet
	journal     []journalRecord
	commits     []CommitRead
	stream      []message
	dispatchers map[string]*dispatcher
	clock       uint64 // of sequences; streams are shared with other jobs, so they have gaps
	settled     int    // AllSettled effects performed in this epoch
	broken      []string
}

type journalRecord struct {
	seq   uint64
	entry orchestrator.JournalEntry
}

type message struct {
	shard orchestrator.Shard
	by    string
}

// dispatcher performs a machine's effects one at a time, so that it can die between any two.
type dispatcher struct {
	name        string
	machine     *Machine
	epoch       int
	pending     []Effect
	commitsRead int
	ahead       int
	fed         []CommitRead // commits the machine has seen
	fedJournal  int          // journal records the machine has seen
	ended       string       // the last effect, once it was given
}

func newWorld(in input) *world {
	return &world{in: in, job: orchestrator.JobKey{Tenant: "acme", Queue: "fraud", ID: "j1"}, dispatchers: map[string]*dispatcher{}}
}

func (w *world) seq() uint64 {
	w.clock += 1 + w.clock%3
	return w.clock
}

func (w *world) last() uint64 {
	if len(w.journal) == 0 {
		return 0
	}
	return w.journal[len(w.journal)-1].seq
}

func (w *world) fault(format string, arguments ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, arguments...))
}

// submit writes the job's objects.
func (w *world) submit() {
	w.journal = append(w.journal, journalRecord{w.seq(), orchestrator.JournalEntry{Objects: w.in.objects, ObjectsDone: true}})
}

// start gives a new process a machine and lets it recover from what is durable.
func (w *world) start(name string) {
	d := &dispatcher{name: name, epoch: w.epoch, machine: NewMachine(w.job, w.epoch, slices.Clone(w.closed), 10)}
	w.dispatchers[name] = d
	for _, record := range w.journal {
		w.feed(d, JournalRead{record.seq, record.entry})
	}
	w.read(d)
	var numbers []int
	for _, m := range w.stream {
		if m.shard.Epoch == w.epoch {
			numbers = append(numbers, m.shard.Number)
		}
	}
	w.feed(d, Found{numbers})
}

// feed gives an event and checks what no machine may ever ask for.
func (w *world) feed(d *dispatcher, event Event) {
	if commit, is := event.(CommitRead); is {
		d.fed = append(d.fed, commit)
	}
	if _, is := event.(JournalRead); is {
		d.fedJournal++
	}
	effects := d.machine.Step(event)
	if len(effects) > 0 && d.ended != "" {
		w.fault("%s: %T after %s", d.name, effects[0], d.ended)
	}
	d.pending = append(d.pending, effects...)
	appends := 0
	for _, effect := range d.pending {
		switch effect.(type) {
		case AppendJournal:
			appends++
		case AllSettled, Fail:
			d.ended = fmt.Sprintf("%T", effect)
		}
	}
	if appends > 1 {
		w.fault("%s: two appends outstanding", d.name)
	}
}

// read gives the dispatcher the commits it has not seen.
func (w *world) read(d *dispatcher) {
	for ; d.commitsRead < len(w.commits); d.commitsRead++ {
		w.feed(d, w.commits[d.commitsRead])
	}
}

// readJournal gives the dispatcher the entries after a sequence.
func (w *world) readJournal(d *dispatcher, from uint64) {
	for _, record := range w.journal {
		if record.seq > from {
			w.feed(d, JournalRead{record.seq, record.entry})
		}
	}
}

// demand is the planner's wish, given to one dispatcher.
func (w *world) demand(d *dispatcher, rows int64, ahead int) {
	d.ahead = ahead
	w.feed(d, Demand{Rows: rows, Ahead: ahead})
}

// perform does the dispatcher's next effect. With answer false the process dies before it learns the result.
func (w *world) perform(d *dispatcher, answer bool) Effect {
	effect := d.pending[0]
	d.pending = d.pending[1:]
	var events []Event
	switch effect := effect.(type) {
	case AppendJournal:
		if effect.Expected == w.last() {
			record := journalRecord{w.seq(), effect.Entry}
			w.journal = append(w.journal, record)
			events = append(events, JournalRead{record.seq, record.entry})
		} else {
			events = append(events, AppendRefused{})
		}
	case ReadJournal:
		w.readJournal(d, effect.From)
	case Publish:
		w.checkPublish(d, effect)
		var numbers []int
		for _, one := range effect.Shards {
			w.stream = append(w.stream, message{one, d.name})
			numbers = append(numbers, one.Number)
		}
		events = append(events, Published{numbers})
	case Progress:
		w.checkCounts(d, effect.Counts)
	case AllSettled:
		w.checkAllSettled(d)
	}
	for _, event := range events {
		if answer {
			w.feed(d, event)
		}
	}
	return effect
}

// run performs effects until none is pending.
func (w *world) run(d *dispatcher) {
	for range 100_000 {
		if len(d.pending) == 0 {
			return
		}
		w.perform(d, true)
	}
	w.fault("%s: never comes to rest", d.name)
}

// commit stores a commit if no other is on its subject, as the server would.
func (w *world) commit(c orchestrator.Commit) bool {
	for _, other := range w.commits {
		if other.Commit.Epoch == c.Epoch && other.Commit.Number == c.Number {
			return false
		}
	}
	w.commits = append(w.commits, CommitRead{w.seq(), c})
	return true
}

// close ends the epoch: cancelled, expired, or the first half of a retry.
func (w *world) close() {
	w.closed = append(w.closed, w.clock)
	w.ended = true
	w.stream = nil // the job's subject is purged
	for _, d := range w.dispatchers {
		if d.epoch == w.epoch && d.machine != nil {
			w.feed(d, Closed{w.clock})
		}
	}
}

// retry opens the next epoch. Dispatchers of the old one are zombies from here on.
func (w *world) retry() {
	if !w.ended {
		w.close()
	}
	w.epoch, w.ended, w.settled = w.epoch+1, false, 0
}

// cuts are all recorded cuts.
func (w *world) cuts(records int) []orchestrator.Cut {
	var all []orchestrator.Cut
	for _, record := range w.journal[:records] {
		all = append(all, record.entry.Cuts...)
	}
	return all
}

func (w *world) checkPublish(d *dispatcher, effect Publish) {
	cuts := w.cuts(len(w.journal))
	for _, one := range effect.Shards {
		if one.Number >= len(cuts) {
			w.fault("%s: shard %d is published before its cut is recorded", d.name, one.Number)
			continue
		}
		cut := cuts[one.Number]
		if cut.Kind != one.Kind || cut.Range != one.Range || one.Object != w.in.objects[cut.Range.Object] {
			w.fault("%s: shard %d is published as %v, recorded as %v", d.name, one.Number, one, cut)
		}
		if one.Epoch != d.epoch || one.JobKey != w.job {
			w.fault("%s: shard %s is published by epoch %d", d.name, one.ID(), d.epoch)
		}
	}
}
