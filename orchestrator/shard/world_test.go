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
	source      []orchestrator.Object // of a standing job: from where it begins to where messages have arrived
	ordered     bool                  // its machines keep the order of each source
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
	ended       string       // the last effect, once it was given
	sent        map[int]bool // shards it has found or published
	shown       int          // pending effects that a transcript has shown
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
	d := &dispatcher{name: name, epoch: w.epoch, machine: NewMachine(w.job, w.epoch, slices.Clone(w.closed), 1), ahead: MostAhead, sent: map[int]bool{}}
	if w.ordered {
		d.machine.KeepOrder()
	}
	w.dispatchers[name] = d
	for _, record := range w.journal {
		w.feed(d, JournalRead{record.seq, record.entry})
	}
	w.read(d)
	var numbers []int
	for _, m := range w.stream {
		if m.shard.Epoch == w.epoch {
			numbers = append(numbers, m.shard.Number)
			d.sent[m.shard.Number] = true
		}
	}
	w.feed(d, Found{numbers})
}

// feed gives an event and checks what no machine may ever ask for.
func (w *world) feed(d *dispatcher, event Event) {
	if commit, is := event.(CommitRead); is {
		d.fed = append(d.fed, commit)
	}
	effects := d.machine.Step(event)
	if len(effects) > 0 && d.ended != "" {
		w.fault("%s: %T after %s", d.name, effects[0], d.ended)
	}
	d.pending = append(d.pending, effects...)
	for _, effect := range effects {
		if publish, is := effect.(Publish); is {
			w.checkAhead(d, publish)
		}
	}
	appends := 0
	for _, effect := range d.pending {
		switch effect := effect.(type) {
		case AppendJournal:
			if effect.Expected == d.machine.Journal() {
				appends++
			}
		case AllSettled, Fail:
			d.ended = fmt.Sprintf("%T", effect)
		}
	}
	if appends > 1 {
		w.fault("%s: two appends that may both be stored", d.name)
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
	d.pending, d.shown = d.pending[1:], max(d.shown-1, 0)
	var events []Event
	switch effect := effect.(type) {
	case AppendJournal:
		if effect.Expected == w.last() {
			record := journalRecord{w.seq(), effect.Entry}
			w.journal = append(w.journal, record)
			w.grown(d, effect.Entry)
			events = append(events, JournalRead{record.seq, record.entry})
		} else {
			events = append(events, AppendRefused{})
		}
	case ReadJournal:
		w.readJournal(d, effect.From)
	case Publish:
		w.checkPublish(d, effect)
		w.checkOrder(d, effect)
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

// score is the commit of a worker that has done its work: every unit of a range is a row. bad rows fail, as far as there are so many.
func (w *world) score(one orchestrator.Shard, attempt string, bad int64) orchestrator.Commit {
	c := orchestrator.Commit{Epoch: one.Epoch, Number: one.Number, Attempt: attempt, Outcome: orchestrator.OutcomeScored, RowsIn: one.Range.Length()}
	c.Failed = min(bad, c.RowsIn)
	if one.Base != nil {
		c.Failed = min(bad, one.Base.Failed)
	}
	c.RowsOK = c.RowsIn - c.Failed
	return c
}

// index is the commit of a worker that has looked for borders.
func (w *world) index(one orchestrator.Shard, attempt string) orchestrator.Commit {
	offsets := w.in.found[one.Range.Object]
	if offsets == nil {
		return w.fail(one, attempt)
	}
	return orchestrator.Commit{Epoch: one.Epoch, Number: one.Number, Attempt: attempt, Outcome: orchestrator.OutcomeIndexed, Offsets: offsets}
}

// fail is the commit of a worker that gives the shard up.
func (w *world) fail(one orchestrator.Shard, attempt string) orchestrator.Commit {
	c := orchestrator.Commit{
		Epoch: one.Epoch, Number: one.Number, Attempt: attempt, Outcome: orchestrator.OutcomeFailed,
		Failure: &orchestrator.Failure{Code: "attempts", Message: "the scorer died five times"},
	}
	if one.Kind == orchestrator.ShardScore {
		c.RowsIn, c.Failed = one.Range.Length(), one.Range.Length()
	}
	return c
}

// work does what a message asks for; the message stays, as if its acknowledgement were lost, unless acked is called.
func (w *world) work(at int, attempt string, bad int64, fails bool) bool {
	one := w.stream[at].shard
	switch {
	case fails:
		return w.commit(w.fail(one, attempt))
	case one.Kind == orchestrator.ShardIndex:
		return w.commit(w.index(one, attempt))
	}
	return w.commit(w.score(one, attempt, bad))
}

// ack takes a message out of the stream.
func (w *world) ack(at int) { w.stream = slices.Delete(w.stream, at, at+1) }

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

// close ends the epoch: cancelled, expired, or the first half of a retry. Only the dispatchers named hear of it; the others are zombies.
func (w *world) close(told ...string) {
	w.closed = append(w.closed, w.clock)
	w.ended = true
	w.stream = nil // the job's subject is purged
	for _, name := range told {
		w.feed(w.dispatchers[name], Closed{w.clock})
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

// checkAhead checks that no machine publishes a shard twice, or more score shards than are wanted ahead.
func (w *world) checkAhead(d *dispatcher, publish Publish) {
	scores := false
	for _, one := range publish.Shards {
		if d.sent[one.Number] {
			w.fault("%s: shard %d is published twice by one machine", d.name, one.Number)
		}
		d.sent[one.Number] = true
		scores = scores || one.Kind == orchestrator.ShardScore
	}
	waiting := 0
	for number := range d.sent {
		if number < d.machine.Len() && d.machine.Cut(number).Kind == orchestrator.ShardScore && !d.machine.Settled(number) {
			waiting++
		}
	}
	if scores && waiting > d.ahead {
		w.fault("%s: %d score shards are published and not settled, %d are wanted", d.name, waiting, d.ahead)
	}
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
		w.checkBase(d, one)
	}
}
