package shard

import (
	"testing"

	"nightshift.dev/nightshift/orchestrator"
)

// opened is a machine of one jsonl object, recovered, that has been asked for shards of ten bytes.
func opened(size int64, ahead int) (*Machine, []Effect) {
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 1)
	m.Step(JournalRead{1, orchestrator.JournalEntry{Objects: []orchestrator.Object{object(size, orchestrator.FormatJSONL, "")}, ObjectsDone: true}})
	m.Step(Found{})
	return m, m.Step(Demand{Rows: 10, Ahead: ahead})
}

// appends are the entries that the effects append.
func appends(effects []Effect) (found []AppendJournal) {
	for _, effect := range effects {
		if one, is := effect.(AppendJournal); is {
			found = append(found, one)
		}
	}
	return found
}

// What was written instead is asked for once.
func TestMachineReadsOnOnce(t *testing.T) {
	t.Parallel()
	m, _ := opened(100, 2)
	if got := describe(m.Step(AppendRefused{})[0]); got != "read the journal after 1" {
		t.Error(got)
	}
	for _, event := range []Event{Demand{Rows: 10, Ahead: 3}, AppendRefused{}, CommitRead{1, orchestrator.Commit{Number: 0, Outcome: orchestrator.OutcomeScored}}} {
		if effects := m.Step(event); len(effects) > 0 {
			t.Errorf("%T while reading: %s", event, describe(effects[0]))
		}
	}
}

// A refusal of what another has written in the meantime, and that has been read already, asks for nothing: the next cuts follow at once.
func TestMachineDoesNotReadWhatItKnows(t *testing.T) {
	t.Parallel()
	m, _ := opened(100, 2)
	others := orchestrator.JournalEntry{Cuts: []orchestrator.Cut{{Kind: orchestrator.ShardScore, Range: orchestrator.Range{End: 90}}}}
	if found := appends(m.Step(JournalRead{2, others})); len(found) > 0 {
		t.Errorf("a second append while the first is not answered: %s", describe(found[0]))
	}
	effects := m.Step(AppendRefused{})
	if len(effects) != 1 || describe(effects[0]) != "append after 2: {1 score 0[90,100)} end" {
		t.Errorf("%v", effects)
	}
}

// Cuts are made an eighth of the wanted number at a time, so that the journal has few entries.
func TestMachineCutsManyAtATime(t *testing.T) {
	t.Parallel()
	m, effects := opened(10_000, 16)
	first := appends(effects)[0]
	if len(first.Entry.Cuts) != 16 {
		t.Fatalf("%d cuts, want 16", len(first.Entry.Cuts))
	}
	m.Step(JournalRead{2, first.Entry})
	settle := func(number int) []AppendJournal {
		return appends(m.Step(CommitRead{uint64(number + 1), orchestrator.Commit{Number: number, Outcome: orchestrator.OutcomeScored, RowsOK: 10}}))
	}
	if found := settle(0); len(found) > 0 {
		t.Errorf("an entry for one missing shard of 16: %s", describe(found[0]))
	}
	if found := settle(1); len(found) != 1 || len(found[0].Entry.Cuts) != 2 {
		t.Errorf("no entry for two missing shards of 16: %v", found)
	}
}

// An entry has at most a thousand cuts, and a machine keeps at most MostAhead shards ahead, however many are asked for.
func TestMachineBoundsWhatItAsksFor(t *testing.T) {
	t.Parallel()
	m, effects := opened(1_000_000, 1<<40)
	published, seq := 0, uint64(1)
	for range 100 {
		found := appends(effects)
		if len(found) == 0 {
			break
		}
		if count := len(found[0].Entry.Cuts); count > mostPerEntry {
			t.Fatalf("%d cuts in an entry", count)
		}
		seq++
		effects = m.Step(JournalRead{seq, found[0].Entry})
		for _, effect := range effects {
			if publish, is := effect.(Publish); is {
				published += len(publish.Shards)
			}
		}
	}
	if published > MostAhead || published < MostAhead*7/8 || m.Unsettled() != published {
		t.Errorf("%d published, %d unsettled, at most %d", published, m.Unsettled(), MostAhead)
	}
	if effects := m.Step(Demand{Rows: 10, Ahead: -5}); len(appends(effects)) > 0 {
		t.Errorf("nothing is wanted: %v", effects)
	}
}

// The end may be recorded twice.
func TestMachineTakesTheEndTwice(t *testing.T) {
	t.Parallel()
	m, _ := opened(0, 2)
	effects := m.Step(JournalRead{2, orchestrator.JournalEntry{CutsDone: true}})
	if describe(effects[len(effects)-1]) != "all settled" {
		t.Errorf("%v", effects)
	}
	again := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 1)
	again.Step(JournalRead{1, orchestrator.JournalEntry{ObjectsDone: true, CutsDone: true}})
	again.Step(JournalRead{2, orchestrator.JournalEntry{ObjectsDone: true, CutsDone: true}})
	if effects := again.Step(Found{}); describe(effects[len(effects)-1]) != "all settled" {
		t.Errorf("%v", effects)
	}
}

// Index shards are published as many at a time as score shards, and neither take the other's place.
func TestMachineBoundsIndexShardsToo(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 1)
	entry := orchestrator.JournalEntry{ObjectsDone: true}
	for range 3 {
		entry.Objects = append(entry.Objects, object(100, orchestrator.FormatJSONL, ""), object(100, orchestrator.FormatParquet, ""))
	}
	m.Step(JournalRead{1, entry})
	m.Step(Found{})
	cuts := appends(m.Step(Demand{Rows: 50, Ahead: 2}))[0].Entry
	effects := m.Step(JournalRead{2, cuts})
	if got := describe(effects[0]); got != "publish j/0/000000 j/0/000001" {
		t.Error(got)
	}
	effects = m.Step(CommitRead{1, orchestrator.Commit{Number: 0, Outcome: orchestrator.OutcomeIndexed, Offsets: []int64{0, 10}}})
	if got := describe(effects[0]); got != "publish j/0/000002" {
		t.Error(got)
	}
	effects = m.Step(JournalRead{3, orchestrator.JournalEntry{Cuts: []orchestrator.Cut{
		{Number: 3, Kind: orchestrator.ShardScore, Range: orchestrator.Range{End: 30}}, {Number: 4, Kind: orchestrator.ShardScore, Range: orchestrator.Range{Start: 30, End: 60}},
		{Number: 5, Kind: orchestrator.ShardScore, Range: orchestrator.Range{Start: 60, End: 100}},
	}}})
	if got := describe(effects[0]); got != "publish j/0/000003 j/0/000004" {
		t.Error(got)
	}
}
