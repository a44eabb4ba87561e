package shard

import (
	"slices"
	"testing"

	"nightshift.dev/nightshift/orchestrator"
)

// G15: the machine of a standing job that keeps the order of its sources. Beside the sentences of TestStandingMachineSafety it publishes no shard while a commit is missing
// for an earlier one of the same source.
func TestOrderedMachineSafety(t *testing.T) {
	t.Parallel()
	standingIsSafe(t, true)
}

// checkOrder asks the commits that are stored, whatever the machine has read.
func (w *world) checkOrder(d *dispatcher, effect Publish) {
	if !w.ordered || d.epoch != w.epoch || w.ended {
		return
	}
	cuts := w.cuts(len(w.journal))
	unsettled := judge(cuts, true, w.commits, w.epoch, w.closed).unsettled
	for _, one := range effect.Shards {
		for number := range one.Number {
			if w.in.objects[cuts[number].Range.Object].URI == one.Object.URI && slices.Contains(unsettled, number) {
				w.fault("%s: shard %d of %s is published before shard %d is settled", d.name, one.Number, one.Object.URI, number)
			}
		}
	}
}

// Each source has one shard in flight, and none waits for another source.
func TestOrderedMachineServesAllSources(t *testing.T) {
	t.Parallel()
	m := NewMachine(orchestrator.JobKey{ID: "j"}, 0, nil, 0)
	m.KeepOrder()
	extent := func(uri string, start int64) orchestrator.Object {
		return orchestrator.Object{URI: uri, Start: start, Size: 10, Format: orchestrator.FormatMessages}
	}
	m.Step(JournalRead{1, orchestrator.JournalEntry{Objects: []orchestrator.Object{extent("a", 0), extent("b", 0), extent("a", 10), extent("c", 0)}}})
	m.Step(Found{})
	effects := m.Step(Demand{Rows: 3, Workers: 2, Ahead: 8})
	var cuts orchestrator.JournalEntry
	for _, effect := range effects {
		if entry, is := effect.(AppendJournal); is {
			cuts = entry.Entry
		}
	}
	if len(cuts.Cuts) != 4 || cuts.Cuts[0].Range.Length() != 10 {
		t.Fatalf("cuts %+v; want one for each object", cuts.Cuts)
	}
	if got := published(m.Step(JournalRead{2, cuts})); !slices.Equal(got, []int{0, 1, 3}) {
		t.Errorf("shards %v are published, want the first of each source", got)
	}
	if got := published(m.Step(CommitRead{1, orchestrator.Commit{Number: 1, Outcome: orchestrator.OutcomeScored}})); len(got) > 0 {
		t.Errorf("shards %v are published when b is settled, which has no other", got)
	}
	if got := published(m.Step(CommitRead{2, orchestrator.Commit{Number: 0, Outcome: orchestrator.OutcomeFailed}})); !slices.Equal(got, []int{2}) {
		t.Errorf("shards %v are published when the first of a has failed for good, want its next", got)
	}
}

func published(effects []Effect) (numbers []int) {
	for _, effect := range effects {
		if publish, is := effect.(Publish); is {
			for _, one := range publish.Shards {
				numbers = append(numbers, one.Number)
			}
		}
	}
	return numbers
}
