package shard

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// TestMachineSafety lets dispatchers, workers and users do anything in any order, dying wherever they like, and holds the machines to these
// sentences:
//
//   - Every row range is counted by exactly one commit, and the rows counted are the rows of the input.
//   - The cuts tile the input.
//   - No shard is published before its cut is recorded, nor other than it is recorded.
//   - A shard that runs again carries the commit whose failed rows are to be scored, and no other carries one.
//   - No machine publishes a shard twice, or more than are wanted ahead, or has two appends outstanding
//     that may be stored.
//   - The counts are those a person would find with a pencil.
//   - The last effect comes once, and only when it is true.
//   - Whatever has happened, a dispatcher that lives long enough brings the job to its end; nothing is stranded.
//
// It carries the numbers C1, C2, C3, C4, C5, W9, W10, W11, R1, R5 and N2 of docs/protocol.md.
func TestMachineSafety(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(drawInput(t))
		w.submit()
		steps := rapid.IntRange(0, 120).Draw(t, "steps")
		for i := range steps {
			w.anything(t, i)
			w.report(t)
		}
		w.calm(t)
		w.report(t)
	})
}

func (w *world) report(t *rapid.T) {
	for _, d := range w.dispatchers {
		w.checkMachine(d)
	}
	if len(w.broken) > 0 {
		t.Fatalf("%v", w.broken)
	}
}

// anything is one thing that may happen.
func (w *world) anything(t *rapid.T, step int) {
	name := rapid.SampledFrom([]string{"north", "south"}).Draw(t, "dispatcher")
	d := w.dispatchers[name]
	switch action := rapid.IntRange(0, 19).Draw(t, "action"); {
	case action == 0 && rapid.IntRange(0, 3).Draw(t, "really") == 0:
		if !w.ended {
			told := slices.Sorted(maps.Keys(w.dispatchers))
			told = slices.DeleteFunc(told, func(name string) bool {
				return w.dispatchers[name].epoch != w.epoch || rapid.Bool().Draw(t, "does not hear of the end")
			})
			w.close(told...)
		}
	case w.ended:
		w.retry()
	case d == nil:
		w.start(name)
	case action == 1:
		delete(w.dispatchers, name)
	case action <= 7 && len(d.pending) > 0:
		w.performBadly(t, d)
	case action <= 9:
		w.read(d)
	case action == 10 && len(w.commits) > 0: // told again what it knows
		w.feed(d, rapid.SampledFrom(w.commits[:d.commitsRead+min(1, len(w.commits)-d.commitsRead)]).Draw(t, "again"))
	case action == 11:
		record := rapid.SampledFrom(w.journal).Draw(t, "again")
		if record.seq <= d.machine.Journal() {
			w.feed(d, JournalRead{record.seq, record.entry})
		}
	case action <= 13:
		w.demand(d, rapid.Int64Range(-1, 400).Draw(t, "rows"), rapid.IntRange(-1, 6).Draw(t, "ahead"))
	case len(w.stream) > 0:
		at := rapid.IntRange(0, len(w.stream)-1).Draw(t, "message")
		bad := max(rapid.Int64Range(-20, 20).Draw(t, "bad"), 0)
		fails := rapid.IntRange(0, 7).Draw(t, "fails") == 0
		w.work(at, fmt.Sprintf("attempt-%d", step), bad, fails)
		if rapid.IntRange(0, 2).Draw(t, "acknowledgement lost") > 0 {
			w.ack(at)
		}
	}
}

// performBadly does the dispatcher's next effect, and sometimes the process dies before it learns the result, or the answer is lost and it
// does it again.
func (w *world) performBadly(t *rapid.T, d *dispatcher) {
	switch rapid.IntRange(0, 7).Draw(t, "accident") {
	case 0:
		w.perform(d, false)
		delete(w.dispatchers, d.name)
	case 1:
		effect := w.perform(d, false)
		switch effect.(type) {
		case AppendJournal, Publish:
			d.pending = slices.Insert(d.pending, 0, effect)
		case AllSettled, Fail, Progress, ReadJournal:
		}
	default:
		w.perform(d, true)
	}
}

// calm lets one dispatcher live and nothing go wrong any more; the job has to come to its end.
func (w *world) calm(t *rapid.T) {
	if w.ended {
		w.retry()
	}
	d := w.dispatchers["north"]
	if d == nil || d.epoch != w.epoch || rapid.Bool().Draw(t, "a new process") {
		w.start("north")
	}
	for round := range 5000 {
		d = w.dispatchers["north"]
		w.run(d)
		switch d.ended {
		case "shard.AllSettled":
			return
		case "shard.Fail":
			w.retry()
			w.start("north")
			continue
		}
		if w.source != nil {
			w.feed(d, Grow{Reach: w.source, Last: true})
		}
		w.demand(d, 50, 4)
		w.run(d)
		for len(w.stream) > 0 {
			w.work(0, fmt.Sprintf("calm-%d-%d", round, len(w.stream)), 0, false)
			w.ack(0)
		}
		w.read(d)
		if len(w.broken) > 0 {
			return
		}
	}
	t.Fatalf("the job never ends: epoch %d, unsettled %d, counts %+v", w.epoch, d.machine.Unsettled(), d.machine.Counts())
}

// Commits may be read in any order, and twice: what a machine knows in the end is the same.
func TestMachineTakesCommitsInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const shards, epoch = 6, 2
		closed := []uint64{rapid.Uint64Range(0, 40).Draw(t, "closed"), 0}
		closed[1] = rapid.Uint64Range(closed[0], 60).Draw(t, "closed")
		var commits []CommitRead
		for i := range rapid.IntRange(0, 30).Draw(t, "commits") {
			seq := uint64(3*i + 1)
			commits = append(commits, CommitRead{seq, orchestrator.Commit{
				Epoch: rapid.IntRange(0, 3).Draw(t, "epoch"), Number: rapid.IntRange(0, shards-1).Draw(t, "number"), Attempt: fmt.Sprint(seq),
				Outcome: rapid.SampledFrom([]orchestrator.Outcome{"scored", "scored", "failed"}).Draw(t, "outcome"),
				RowsOK:  7, Failed: rapid.SampledFrom([]int64{0, 0, 3}).Draw(t, "failed"),
			}})
		}
		for i := range commits {
			if commits[i].Commit.Outcome == orchestrator.OutcomeFailed {
				commits[i].Commit.RowsOK = 0
			}
		}
		journal := orchestrator.JournalEntry{Objects: []orchestrator.Object{object(60, orchestrator.FormatJSONL, "")}, ObjectsDone: true, CutsDone: true}
		for i := range shards {
			journal.Cuts = append(journal.Cuts, orchestrator.Cut{Number: i, Kind: orchestrator.ShardScore, Range: orchestrator.Range{Start: int64(10 * i), End: int64(10*i + 10)}})
		}
		m := NewMachine(orchestrator.JobKey{ID: "j"}, epoch, closed, 1)
		shuffled := rapid.Permutation(slices.Concat(commits, commits)).Draw(t, "order")
		early := rapid.IntRange(0, len(shuffled)).Draw(t, "read before the journal")
		for i, event := range shuffled {
			if i == early {
				m.Step(JournalRead{1, journal})
			}
			m.Step(event)
		}
		m.Step(JournalRead{1, journal})
		want := judge(journal.Cuts, true, commits, epoch, closed)
		effects := m.Step(Found{})
		got := verdict{counts: m.Counts(), deciding: map[int]*CommitRead{}, bases: map[int]*orchestrator.Commit{}}
		for _, effect := range effects {
			if publish, is := effect.(Publish); is {
				for _, one := range publish.Shards {
					got.unsettled = append(got.unsettled, one.Number)
					if one.Base != nil {
						got.bases[one.Number] = one.Base
					}
				}
			}
		}
		want.counts.BytesTotal, want.counts.RowsTotal = 60, got.counts.RowsTotal
		for number := range shards {
			seq := uint64(0)
			if want.deciding[number] != nil {
				seq = want.deciding[number].Seq
			}
			if m.CommitSeq(number) != seq {
				t.Fatalf("shard %d is decided by %d, want %d", number, m.CommitSeq(number), seq)
			}
		}
		want.deciding = got.deciding
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(verdict{})); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
