package shard

import (
	"slices"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

// verdict is what a person would find by going through a job's journal and commits with a pencil: the dumb twin of the Machine.
type verdict struct {
	counts    orchestrator.Counts
	unsettled []int
	deciding  map[int]*CommitRead // of score shards
	bases     map[int]*orchestrator.Commit
}

// judge recomputes everything from the facts, with maps and loops.
func judge(cuts []orchestrator.Cut, cutsDone bool, commits []CommitRead, epoch int, closed []uint64) verdict {
	v := verdict{deciding: map[int]*CommitRead{}, bases: map[int]*orchestrator.Commit{}}
	v.counts.CutAll = cutsDone
	begun := map[int]bool{}
	for _, cut := range cuts {
		begun[cut.Range.Object] = begun[cut.Range.Object] || cut.Kind == orchestrator.ShardScore
	}
	for _, cut := range cuts {
		byEpoch := firstByEpoch(commits, cut, epoch, closed)
		if cut.Kind == orchestrator.ShardIndex {
			if !indexDecided(byEpoch, epoch) && !begun[cut.Range.Object] {
				v.unsettled = append(v.unsettled, cut.Number)
			}
			continue
		}
		v.counts.ShardsTotal++
		decides, settled := decide(byEpoch, epoch)
		if decides != nil {
			v.deciding[cut.Number] = decides
			v.counts.RowsDone += decides.Commit.RowsOK
		}
		switch {
		case !settled:
			v.unsettled = append(v.unsettled, cut.Number)
			if decides != nil && decides.Commit.Outcome == orchestrator.OutcomeScored {
				v.bases[cut.Number] = &decides.Commit
			}
		case decides.Commit.Outcome == orchestrator.OutcomeScored:
			v.counts.ShardsDone++
			v.counts.RowsFailed += decides.Commit.Failed
		default:
			v.counts.ShardsFailed++
			v.counts.RowsFailed += decides.Commit.Failed
		}
	}
	v.counts.RowsExact = cutsDone && v.counts.ShardsDone+v.counts.ShardsFailed == v.counts.ShardsTotal
	return v
}

// firstByEpoch are the commits of a shard that count, one for each epoch.
func firstByEpoch(commits []CommitRead, cut orchestrator.Cut, epoch int, closed []uint64) map[int]*CommitRead {
	first := map[int]*CommitRead{}
	for i, event := range commits {
		e := event.Commit.Epoch
		index := cut.Kind == orchestrator.ShardIndex
		if event.Commit.Number != cut.Number || e > epoch || (!index && e < epoch && event.Seq > closed[e]) {
			continue
		}
		if first[e] == nil || event.Seq < first[e].Seq {
			first[e] = &commits[i]
		}
	}
	return first
}

func indexDecided(byEpoch map[int]*CommitRead, epoch int) bool {
	for _, event := range byEpoch {
		if event.Commit.Outcome == orchestrator.OutcomeIndexed {
			return true
		}
	}
	return byEpoch[epoch] != nil
}

// decide finds the commit that describes a score shard, and whether the shard is settled in this epoch.
func decide(byEpoch map[int]*CommitRead, epoch int) (decides *CommitRead, settled bool) {
	for e := 0; e <= epoch; e++ {
		event := byEpoch[e]
		if event == nil {
			continue
		}
		if decides == nil || event.Commit.Outcome == orchestrator.OutcomeScored || decides.Commit.Outcome == orchestrator.OutcomeFailed {
			decides = event
		}
		settled = e == epoch
		if decides.Commit.Outcome == orchestrator.OutcomeScored && decides.Commit.Failed == 0 {
			return decides, true
		}
	}
	return decides, settled
}

// verdictOf judges what a dispatcher's machine has been told.
func (w *world) verdictOf(d *dispatcher) verdict {
	records, done := 0, false
	for _, record := range w.journal {
		if record.seq <= d.machine.Journal() {
			records, done = records+1, done || record.entry.CutsDone
		}
	}
	return judge(w.cuts(records), done, d.fed, d.epoch, w.closed)
}

// checkCounts compares a machine's counts with the twin's. RowsTotal is an estimate until it is exact.
func (w *world) checkCounts(d *dispatcher, got orchestrator.Counts) {
	if d.epoch != w.epoch || w.ended {
		return // one that was told of the end says nothing more of what it reads
	}
	if len(d.pending) > 0 { // the counts are older than what the machine has been told meanwhile
		got = d.machine.Counts()
	}
	want := w.verdictOf(d).counts
	for _, object := range w.in.objects {
		if object.Format != orchestrator.FormatMessages {
			want.BytesTotal += object.Size
		}
	}
	if want.RowsExact {
		want.RowsTotal = want.RowsDone + want.RowsFailed
	} else {
		want.RowsTotal = max(got.RowsTotal, want.RowsDone+want.RowsFailed)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.fault("%s: counts (-want +got):\n%s", d.name, diff)
	}
}

// checkBase checks that a shard that runs again carries the commit whose failed rows alone it shall score.
func (w *world) checkBase(d *dispatcher, one orchestrator.Shard) {
	if d.epoch != w.epoch || w.ended {
		return
	}
	if diff := cmp.Diff(w.verdictOf(d).bases[one.Number], one.Base); diff != "" && !d.machine.Settled(one.Number) {
		w.fault("%s: base of shard %d (-want +got):\n%s", d.name, one.Number, diff)
	}
}

// checkMachine compares the rest of what a machine says with the twin.
func (w *world) checkMachine(d *dispatcher) {
	if d.machine == nil || d.epoch != w.epoch || w.ended {
		return
	}
	v := w.verdictOf(d)
	w.checkCounts(d, d.machine.Counts())
	var unsettled []int
	for number := range d.machine.Len() {
		if !d.machine.Settled(number) {
			unsettled = append(unsettled, number)
		}
		want := uint64(0)
		if event := v.deciding[number]; event != nil {
			want = event.Seq
		}
		if got := d.machine.CommitSeq(number); d.machine.Cut(number).Kind == orchestrator.ShardScore && got != want {
			w.fault("%s: shard %d is decided by commit %d, want %d", d.name, number, got, want)
		}
	}
	if !slices.Equal(unsettled, v.unsettled) || len(unsettled) != d.machine.Unsettled() {
		w.fault("%s: unsettled %v (%d), want %v", d.name, unsettled, d.machine.Unsettled(), v.unsettled)
	}
}

// checkAllSettled checks that a job that is to be finalised is finished: every range of the input is counted by exactly one commit.
func (w *world) checkAllSettled(d *dispatcher) {
	if d.epoch != w.epoch || w.ended {
		return // a zombie's opinion; the job's record, guarded by its revision, does not take it
	}
	w.settled++
	v := judge(w.cuts(len(w.journal)), true, w.commits, w.epoch, w.closed)
	if len(v.unsettled) > 0 {
		w.fault("%s: all settled, but not %v", d.name, v.unsettled)
	}
	if err := checkTiling(w.in, w.cuts(len(w.journal))); err != nil {
		w.fault("%s: all settled, but %v", d.name, err)
	}
	for cut := range d.machine.ScoreCuts() {
		seq, found := d.machine.CommitSeq(cut.Number), 0
		for _, event := range w.commits {
			if event.Seq == seq && event.Commit.Number == cut.Number {
				found++
			}
		}
		if found != 1 {
			w.fault("%s: range %v is counted by %d commits", d.name, cut.Range, found)
		}
	}
	rows := int64(0)
	for i, end := range w.in.ends {
		rows += end - w.in.objects[i].Start
	}
	if counts := d.machine.Counts(); !counts.RowsExact || !counts.CutAll || counts.RowsDone+counts.RowsFailed != rows || counts.RowsTotal != rows {
		w.fault("%s: all %d rows settled with counts %+v", d.name, rows, counts)
	}
}
