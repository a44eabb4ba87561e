package shard

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

func index(size int64) orchestrator.JournalEntry {
	return orchestrator.JournalEntry{
		Objects: []orchestrator.Object{object(size, orchestrator.FormatParquet, "")}, ObjectsDone: true,
		Cuts: []orchestrator.Cut{{Kind: orchestrator.ShardIndex, Range: orchestrator.Range{End: size}}},
	}
}

// An index found late, by a worker of an earlier epoch, is as true as any; the failure that is stored after it changes nothing.
func TestMachineKeepsAnIndexOnceFound(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 1, []uint64{5}, 0)
	m.Step(JournalRead{1, index(1000)})
	m.Step(CommitRead{6, orchestrator.Commit{Epoch: 0, Outcome: orchestrator.OutcomeIndexed, Offsets: []int64{0, 30, 70}}})
	m.Step(CommitRead{7, orchestrator.Commit{Epoch: 1, Outcome: orchestrator.OutcomeFailed, Failure: &orchestrator.Failure{Code: "attempts"}}})
	m.Step(CommitRead{5, orchestrator.Commit{Epoch: 0, Outcome: orchestrator.OutcomeIndexed, Offsets: []int64{0, 30, 70}}})
	m.Step(Found{})
	if left := m.RowsLeft(); left != 70 {
		t.Errorf("%d rows left, want the 70 of the index, once", left)
	}
	effects := m.Step(Demand{Rows: 30, Ahead: 5})
	if got := describe(effects[0]); got != "append after 1: {1 score 0[0,30)} {2 score 0[30,70)} end" {
		t.Errorf("%s", got)
	}
}

// An index that makes no sense fails the job, since nothing else can cut the object.
func TestMachineFailsOnAnIndexThatMakesNoSense(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 0)
	m.Step(JournalRead{1, index(1000)})
	m.Step(Found{})
	effects := m.Step(CommitRead{6, orchestrator.Commit{Outcome: orchestrator.OutcomeIndexed, Offsets: []int64{30, 20}}})
	want := "fail: index_invalid: offset 1 of object 0 is 20: want ascending numbers within the object"
	if len(effects) != 1 || describe(effects[0]) != want {
		t.Errorf("%v, want %s", effects, want)
	}
	if effects := m.Step(Demand{Rows: 30, Ahead: 5}); len(effects) > 0 {
		t.Errorf("after the end: %v", effects)
	}
}

// A failed index without words gets some.
func TestMachineNamesTheObjectThatCannotBeRead(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 0)
	m.Step(JournalRead{1, index(1000)})
	m.Step(Found{})
	effects := m.Step(CommitRead{6, orchestrator.Commit{Outcome: orchestrator.OutcomeFailed}})
	if got := describe(effects[0]); got != "fail: index_failed: the row groups of file:///in/1000.parquet could not be read" {
		t.Error(got)
	}
}

// A journal that cannot be followed stops the job instead of losing or doubling rows.
func TestMachineStopsOnABrokenJournal(t *testing.T) {
	t.Parallel()
	objects := orchestrator.JournalEntry{Objects: []orchestrator.Object{object(100, orchestrator.FormatJSONL, "")}, ObjectsDone: true}
	half := orchestrator.JournalEntry{Cuts: []orchestrator.Cut{{Kind: orchestrator.ShardScore, Range: orchestrator.Range{End: 50}}}}
	cases := map[string]struct {
		entries []orchestrator.JournalEntry
		want    string
	}{
		"a gap": {
			[]orchestrator.JournalEntry{objects, {Cuts: []orchestrator.Cut{{Kind: orchestrator.ShardScore, Range: orchestrator.Range{Start: 10, End: 50}}}}},
			"fail: journal_broken: journal entry 2 of job j cannot be followed: cut 0: object 0 [10, 50): the next range begins in object 0 at 0 and is not empty",
		},
		"objects after their end": {
			[]orchestrator.JournalEntry{objects, objects},
			"fail: journal_broken: journal entry 2 of job j cannot be followed: it follows the end of what it adds to",
		},
		"cuts after their end": {
			[]orchestrator.JournalEntry{objects, {CutsDone: true}, half},
			"fail: journal_broken: journal entry 3 of job j cannot be followed: it follows the end of what it adds to",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 0)
			for i, entry := range tc.entries {
				m.Step(JournalRead{uint64(i + 1), entry})
			}
			effects := m.Step(Found{})
			if len(effects) != 1 || describe(effects[0]) != tc.want {
				t.Errorf("%v, want %s", effects, tc.want)
			}
			if effects := m.Step(JournalRead{9, half}); len(effects) > 0 {
				t.Errorf("after the end: %v", effects)
			}
		})
	}
}

// What a row weighs is learned from commits and indexes, and used for the cuts that follow and the estimates.
func TestMachineLearnsTheLengthOfARow(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 0)
	m.Step(JournalRead{1, orchestrator.JournalEntry{
		Objects: []orchestrator.Object{object(100_000, orchestrator.FormatJSONL, ""), object(900, orchestrator.FormatJSONL, "gzip"), object(7000, orchestrator.FormatParquet, "")}, ObjectsDone: true,
	}})
	m.Step(Found{})
	check := func(when string, rowBytes float64, left, uncut int64) {
		t.Helper()
		if m.RowBytes() != rowBytes || m.RowsLeft() != left || m.RowsUncut() != uncut {
			t.Errorf("%s: %g bytes a row, %d rows left, %d uncut; want %g, %d, %d", when, m.RowBytes(), m.RowsLeft(), m.RowsUncut(), rowBytes, left, uncut)
		}
	}
	check("nothing is known", 0, -1, -1)
	if total := m.Counts().RowsTotal; total != 100_000/256+1+900/64+7000/256+1 {
		t.Errorf("a guess of the total: %d", total)
	}
	m.Step(JournalRead{2, orchestrator.JournalEntry{Cuts: []orchestrator.Cut{
		{Number: 0, Kind: orchestrator.ShardIndex, Range: orchestrator.Range{Object: 2, End: 7000}},
		{Number: 1, Kind: orchestrator.ShardScore, Range: orchestrator.Range{End: 10_000}},
	}}})
	m.Step(CommitRead{1, orchestrator.Commit{Number: 0, Outcome: orchestrator.OutcomeIndexed, Offsets: []int64{0, 70}}})
	check("the index alone says nothing of the other objects", 0, -1, -1)
	m.Step(CommitRead{2, orchestrator.Commit{Number: 1, Outcome: orchestrator.OutcomeScored, RowsOK: 180, Failed: 20}})
	check("50 bytes a row, and a quarter of that compressed", 50, 90_000/50+900*4/50+70, 90_000/50+900*4/50+70)
	effects := m.Step(Demand{Rows: 1000, Ahead: 8})
	if got := describe(effects[0]); got != "append after 2: {2 score 0[10000,60000)} {3 score 0[60000,100000)} {4 score 1[0,900)} {5 score 2[0,70)} end" {
		t.Error(got)
	}
	m.Step(JournalRead{3, effects[0].(AppendJournal).Entry})
	check("all is cut", 50, 90_000/50+900*4/50+70, 0)
	m.Step(CommitRead{3, orchestrator.Commit{Number: 4, Outcome: orchestrator.OutcomeScored, RowsOK: 10}})
	check("the compressed object had ten rows", 50, 90_000/50+70, 0)
}

// Parquet alone is measured by its indexes.
func TestMachineLearnsTheLengthOfAParquetRow(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 0)
	m.Step(JournalRead{1, orchestrator.JournalEntry{
		Objects:     []orchestrator.Object{object(1000, orchestrator.FormatParquet, ""), object(3000, orchestrator.FormatParquet, "")},
		ObjectsDone: true, Cuts: []orchestrator.Cut{{Kind: orchestrator.ShardIndex, Range: orchestrator.Range{End: 1000}}},
	}})
	m.Step(CommitRead{6, orchestrator.Commit{Outcome: orchestrator.OutcomeIndexed, Offsets: []int64{0, 50}}})
	if m.RowBytes() != 20 || m.RowsLeft() != 50+150 {
		t.Errorf("%g bytes a row, %d rows left", m.RowBytes(), m.RowsLeft())
	}
}

// A commit whose cut has not been read yet is not lost.
func TestMachineKeepsCommitsThatComeEarly(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 1)
	m.Step(JournalRead{1, orchestrator.JournalEntry{Objects: []orchestrator.Object{object(10, orchestrator.FormatJSONL, "")}, ObjectsDone: true}})
	m.Step(Found{})
	m.Step(CommitRead{3, orchestrator.Commit{Number: 0, Outcome: orchestrator.OutcomeScored, RowsOK: 10}})
	m.Step(CommitRead{4, orchestrator.Commit{Number: -1, Outcome: orchestrator.OutcomeScored, RowsOK: 10}})
	effects := m.Step(JournalRead{2, orchestrator.JournalEntry{CutsDone: true, Cuts: []orchestrator.Cut{{Kind: orchestrator.ShardScore, Range: orchestrator.Range{End: 10}}}}})
	if len(effects) != 2 || describe(effects[1]) != "all settled" || m.Counts().RowsDone != 10 {
		t.Errorf("%v", effects)
	}
	m.Step(CommitRead{5, orchestrator.Commit{Number: 7, Outcome: orchestrator.OutcomeScored}})
	for seq := range uint64(5) {
		m.Step(JournalRead{3 + seq, orchestrator.JournalEntry{}})
	}
	if len(m.early) != 1 {
		t.Errorf("%d commits wait for a cut that never comes, want 1", len(m.early))
	}
}

// After the end of its work a job counts the commits that were stored before, and no later ones.
func TestMachineCountsUpToTheClose(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 1)
	m.Step(JournalRead{1, orchestrator.JournalEntry{
		Objects: []orchestrator.Object{object(20, orchestrator.FormatJSONL, "")}, ObjectsDone: true,
		Cuts: []orchestrator.Cut{{Kind: orchestrator.ShardScore, Range: orchestrator.Range{End: 10}}, {Number: 1, Kind: orchestrator.ShardScore, Range: orchestrator.Range{Start: 10, End: 20}}},
	}})
	m.Step(Found{})
	m.Step(Closed{7})
	for i, seq := range []uint64{7, 8} {
		if effects := m.Step(CommitRead{seq, orchestrator.Commit{Number: i, Outcome: orchestrator.OutcomeScored, RowsOK: 10}}); len(effects) > 0 {
			t.Errorf("%v", effects)
		}
	}
	if counts := m.Counts(); counts.RowsDone != 10 || counts.ShardsDone != 1 {
		t.Errorf("%+v", counts)
	}
}

// Commits that make no sense for their shard count for nothing.
func TestMachineIgnoresWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 1)
	m.Step(JournalRead{1, orchestrator.JournalEntry{
		Objects: []orchestrator.Object{object(9<<20, orchestrator.FormatCSV, ""), object(10, orchestrator.FormatJSONL, "")}, ObjectsDone: true,
		Cuts: []orchestrator.Cut{{Kind: orchestrator.ShardIndex, Range: orchestrator.Range{End: 9 << 20}}},
	}})
	m.Step(JournalRead{2, orchestrator.JournalEntry{Cuts: []orchestrator.Cut{{Number: 1, Kind: orchestrator.ShardScore, Range: orchestrator.Range{End: 9 << 20}}}}})
	m.Step(Found{[]int{-1, 7}})
	m.Step(Published{[]int{-1, 7}})
	before := m.Counts()
	for _, c := range []orchestrator.Commit{
		{Number: 0, Outcome: orchestrator.OutcomeScored}, {Number: 1, Outcome: orchestrator.OutcomeIndexed}, {Number: 1, Outcome: "whatever"},
		{Number: 1, Epoch: -1, Outcome: orchestrator.OutcomeScored}, {Number: 1, Epoch: 1, Outcome: orchestrator.OutcomeScored},
	} {
		m.Step(CommitRead{5, c})
	}
	if diff := cmp.Diff(before, m.Counts()); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	m.Step(CommitRead{6, orchestrator.Commit{Number: 1, Outcome: orchestrator.OutcomeScored, RowsOK: -5, Failed: -7}})
	if counts := m.Counts(); counts.RowsDone != 0 || counts.RowsFailed != 0 {
		t.Errorf("negative rows: %+v", counts)
	}
	m.Step(CommitRead{5, orchestrator.Commit{Number: 1, Outcome: orchestrator.OutcomeFailed, RowsOK: 5, Failed: 7}})
	if counts := m.Counts(); counts.RowsDone != 0 || counts.RowsFailed != 7 {
		t.Errorf("rows scored by a commit that gave up: %+v", counts)
	}
}

// Nothing left is known to be nothing, and compressed objects are estimated from those read before.
func TestMachineKnowsWhatItCanKnow(t *testing.T) {
	t.Parallel()
	empty := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 0)
	if left := empty.RowsLeft(); left != -1 {
		t.Errorf("before the objects are read: %d rows left", left)
	}
	empty.Step(JournalRead{1, orchestrator.JournalEntry{ObjectsDone: true}})
	if left, uncut := empty.RowsLeft(), empty.RowsUncut(); left != 0 || uncut != 0 {
		t.Errorf("no objects: %d rows left, %d uncut", left, uncut)
	}
	packed := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 0)
	packed.Step(JournalRead{1, orchestrator.JournalEntry{
		Objects: []orchestrator.Object{object(1000, orchestrator.FormatJSONL, "gzip"), object(500, orchestrator.FormatCSV, "zstd")}, ObjectsDone: true,
		Cuts: []orchestrator.Cut{{Kind: orchestrator.ShardScore, Range: orchestrator.Range{End: 1000}}},
	}})
	if left := packed.RowsLeft(); left != -1 {
		t.Errorf("no compressed object has been read: %d rows left", left)
	}
	packed.Step(CommitRead{2, orchestrator.Commit{Outcome: orchestrator.OutcomeScored, RowsOK: 200}})
	if left, uncut := packed.RowsLeft(), packed.RowsUncut(); left != 100 || uncut != 100 {
		t.Errorf("five bytes a row: %d rows left, %d uncut", left, uncut)
	}
}

// Rows that could not be read have failed: as many as their range tells, exactly where it counts rows. They say nothing about the length of a row.
func TestMachineCountsWhatWasNotRead(t *testing.T) {
	t.Parallel()
	bytesOf := func(compression orchestrator.Compression) orchestrator.Object {
		return object(1000, orchestrator.FormatJSONL, compression)
	}
	unread := func(rows int64) orchestrator.Commit {
		return orchestrator.Commit{Outcome: orchestrator.OutcomeFailed, RowsIn: rows, Failed: rows, Unread: true}
	}
	cases := map[string]struct {
		object  orchestrator.Object
		cuts    []int64 // where the score shards end
		commits []orchestrator.Commit
		want    orchestrator.Counts
	}{
		"bytes, by the rows of the others": {
			bytesOf(""), []int64{500, 750, 1000},
			[]orchestrator.Commit{{Outcome: orchestrator.OutcomeScored, RowsOK: 50}, unread(0), unread(10)},
			orchestrator.Counts{RowsTotal: 100, RowsDone: 50, RowsFailed: 50, ShardsDone: 1, ShardsFailed: 2, ShardsUnread: 2, BytesUnread: 500, RowsUnread: 40},
		},
		"bytes, by what was told": {
			bytesOf(""), []int64{1000}, []orchestrator.Commit{unread(0)},
			orchestrator.Counts{RowsTotal: 50, RowsFailed: 50, ShardsFailed: 1, ShardsUnread: 1, BytesUnread: 1000, RowsUnread: 50},
		},
		"compressed, by what was told": {
			bytesOf("gzip"), []int64{1000}, []orchestrator.Commit{unread(30)},
			orchestrator.Counts{RowsTotal: 50, RowsFailed: 50, ShardsFailed: 1, ShardsUnread: 1, BytesUnread: 1000, RowsUnread: 20},
		},
		"more rows before the damage than were expected in all": {
			bytesOf("gzip"), []int64{1000}, []orchestrator.Commit{unread(70)},
			orchestrator.Counts{RowsTotal: 71, RowsFailed: 71, ShardsFailed: 1, ShardsUnread: 1, BytesUnread: 1000, RowsUnread: 1},
		},
		"parquet": {
			object(1000, orchestrator.FormatParquet, ""), []int64{30, 70},
			[]orchestrator.Commit{unread(10), {Outcome: orchestrator.OutcomeScored, RowsOK: 40}},
			orchestrator.Counts{RowsTotal: 70, RowsExact: true, RowsDone: 40, RowsFailed: 30, ShardsDone: 1, ShardsFailed: 1, ShardsUnread: 1, BytesUnread: 428, RowsUnread: 20},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 20)
			entry := orchestrator.JournalEntry{Objects: []orchestrator.Object{tc.object}, ObjectsDone: true, CutsDone: true}
			if tc.object.Format == orchestrator.FormatParquet {
				entry.Cuts = append(entry.Cuts, orchestrator.Cut{Kind: orchestrator.ShardIndex, Range: orchestrator.Range{End: tc.object.Size}})
			}
			first, start := len(entry.Cuts), int64(0)
			for _, end := range tc.cuts {
				entry.Cuts = append(entry.Cuts, orchestrator.Cut{Number: len(entry.Cuts), Kind: orchestrator.ShardScore, Range: orchestrator.Range{Start: start, End: end}})
				start = end
			}
			m.Step(JournalRead{1, entry})
			m.Step(CommitRead{1, orchestrator.Commit{Outcome: orchestrator.OutcomeIndexed, Offsets: []int64{0, 30, 70}}})
			for i, commit := range tc.commits {
				commit.Number = first + i
				m.Step(CommitRead{uint64(i + 2), commit})
			}
			tc.want.BytesTotal, tc.want.ShardsTotal, tc.want.CutAll = 1000, len(tc.cuts), true
			if diff := cmp.Diff(tc.want, m.Counts()); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		})
	}
}

// A range that could not be read is all to do again in the next epoch, and forgotten once it was read.
func TestMachineTriesWhatWasNotReadAgain(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 1, []uint64{5}, 10)
	m.Step(JournalRead{1, orchestrator.JournalEntry{
		Objects: []orchestrator.Object{object(1000, orchestrator.FormatJSONL, "")}, ObjectsDone: true, CutsDone: true,
		Cuts: []orchestrator.Cut{{Kind: orchestrator.ShardScore, Range: orchestrator.Range{End: 1000}}},
	}})
	m.Step(CommitRead{2, orchestrator.Commit{Outcome: orchestrator.OutcomeFailed, RowsIn: 30, Failed: 30, Unread: true}})
	m.Step(Found{})
	if counts := m.Counts(); m.RowsLeft() != 100 || counts.RowsTotal != 100 || counts.RowsFailed != 0 || counts.ShardsUnread != 0 {
		t.Errorf("%d rows left, counts %+v; want all 100 to be done again", m.RowsLeft(), counts)
	}
	m.Step(CommitRead{9, orchestrator.Commit{Epoch: 1, Outcome: orchestrator.OutcomeScored, RowsOK: 90}})
	want := orchestrator.Counts{RowsTotal: 90, RowsExact: true, RowsDone: 90, BytesTotal: 1000, ShardsTotal: 1, CutAll: true, ShardsDone: 1}
	if diff := cmp.Diff(want, m.Counts()); diff != "" {
		t.Errorf("once it was read (-want +got):\n%s", diff)
	}
}

// A base is kept in memory only until its shard's message is in the stream.
func TestMachineLetsGoOfBases(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 1, []uint64{5}, 1)
	m.Step(JournalRead{1, orchestrator.JournalEntry{
		Objects: []orchestrator.Object{object(20, orchestrator.FormatJSONL, "")}, ObjectsDone: true, CutsDone: true,
		Cuts: []orchestrator.Cut{{Kind: orchestrator.ShardScore, Range: orchestrator.Range{End: 10}}, {Number: 1, Kind: orchestrator.ShardScore, Range: orchestrator.Range{Start: 10, End: 20}}},
	}})
	for i := range 2 {
		m.Step(CommitRead{uint64(i + 2), orchestrator.Commit{Number: i, Outcome: orchestrator.OutcomeScored, RowsOK: 9, Failed: 1}})
	}
	m.Step(Found{})
	kept := func() (count int) {
		for _, c := range m.commits {
			if c.full != nil {
				count++
			}
		}
		return count
	}
	if before := kept(); before != 2 {
		t.Errorf("%d bases before the messages are sent, want 2", before)
	}
	m.Step(Published{[]int{1}})
	m.Step(CommitRead{9, orchestrator.Commit{Epoch: 1, Number: 1, Outcome: orchestrator.OutcomeScored, RowsOK: 9, Failed: 1}})
	if after := kept(); after != 1 {
		t.Errorf("%d bases after one is sent, want 1", after)
	}
}

// What a later epoch found means nothing to an earlier one, and an epoch whose end is not recorded counts for nothing.
func TestMachineIgnoresOtherEpochs(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 2, []uint64{5}, 0)
	m.Step(JournalRead{1, index(1000)})
	m.Step(CommitRead{2, orchestrator.Commit{Epoch: 3, Outcome: orchestrator.OutcomeIndexed, Offsets: []int64{0, 30}}})
	m.Step(JournalRead{2, orchestrator.JournalEntry{Cuts: []orchestrator.Cut{{Number: 1, Kind: orchestrator.ShardScore, Range: orchestrator.Range{End: 30}}}}})
	if left := m.RowsLeft(); left != -1 {
		t.Errorf("a later epoch's index counts: %d rows left", left)
	}
	m.Step(CommitRead{3, orchestrator.Commit{Epoch: 1, Number: 1, Outcome: orchestrator.OutcomeScored, RowsOK: 30}})
	if seq := m.CommitSeq(1); seq != 0 {
		t.Errorf("a commit of an epoch without an end counts: %d", seq)
	}
}

// All cuts are made at once, and still they become shorter towards the end, so that the workers end together.
func TestCutsMadeAtOnceFallTowardsTheEnd(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 1, nil, 10)
	entry := orchestrator.JournalEntry{Objects: []orchestrator.Object{object(100_000, orchestrator.FormatJSONL, "")}, ObjectsDone: true}
	m.Step(JournalRead{Seq: 1, Entry: entry})
	m.Step(Found{})
	demand := Demand{Rows: 2000, Workers: 2, BatchRows: 100, Ahead: 100}
	cuts := appends(m.Step(demand))[0].Entry.Cuts
	var lengths []int64
	for _, cut := range cuts {
		lengths = append(lengths, cut.Range.Length()/10)
	}
	want := []int64{2000, 2000, 1500, 1100, 800, 600, 500, 400, 400, 400, 200, 100}
	if diff := cmp.Diff(want, lengths); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
