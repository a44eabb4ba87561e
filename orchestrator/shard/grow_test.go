package shard

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// G1 to G3, G6: the machine of a standing job.
//
// TestStandingMachineSafety lets messages arrive in the parts of a source, and dispatchers hear of them late, out of order and twice, while everything
// happens that may happen to a job. Beside the sentences of TestMachineSafety it holds the machines to these:
//
//   - What is recorded of each part begins where the job begins, and has neither gap nor overlap.
//   - Nothing is recorded that has not arrived.
//   - No position is said to be settled before it is, nor one behind a gap.
//   - Once it is given no more, everything recorded is settled.
func TestStandingMachineSafety(t *testing.T) {
	t.Parallel()
	standingIsSafe(t, false)
}

func standingIsSafe(t *testing.T, ordered bool) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(input{})
		w.ordered = ordered
		for i := range rapid.IntRange(1, 3).Draw(t, "parts") {
			w.source = append(w.source, orchestrator.Object{
				URI: fmt.Sprintf("kafka://payments/%d", i), Start: rapid.Int64Range(0, 50).Draw(t, "begins at"), Format: orchestrator.FormatMessages,
			})
		}
		for i := range rapid.IntRange(0, 150).Draw(t, "steps") {
			w.arrives(t)
			if len(w.journal) > 0 || w.dispatchers["north"] == nil && w.dispatchers["south"] == nil {
				w.anything(t, i)
			} else if d := w.dispatchers["north"]; d != nil && len(d.pending) > 0 {
				w.performBadly(t, d)
			}
			w.checkStanding()
			w.report(t)
		}
		w.calm(t)
		w.checkStanding()
		w.report(t)
		for _, one := range w.dispatchers["north"].machine.Standing() {
			if one.Settled != one.End {
				t.Fatalf("%+v is not settled in the end", one)
			}
		}
	})
}

// arrives lets messages come, and tells a dispatcher what was read a while ago.
func (w *world) arrives(t *rapid.T) {
	switch rapid.IntRange(0, 5).Draw(t, "arrival") {
	case 0:
		part := rapid.IntRange(0, len(w.source)-1).Draw(t, "part")
		w.source[part].Size += rapid.Int64Range(1, 120).Draw(t, "messages")
	case 1:
		d := w.dispatchers[rapid.SampledFrom([]string{"north", "south"}).Draw(t, "hears")]
		if d == nil || w.ended {
			return
		}
		reach := slices.Clone(w.source)
		for i := range reach {
			reach[i].Size = rapid.Int64Range(0, reach[i].Size).Draw(t, "as it was")
		}
		w.feed(d, Grow{Reach: reach, Last: rapid.IntRange(0, 15).Draw(t, "last") == 0})
	}
}

// grown takes over what was recorded, and checks that it continues what was recorded before.
func (w *world) grown(d *dispatcher, entry orchestrator.JournalEntry) {
	for _, object := range entry.Objects {
		part := slices.IndexFunc(w.source, func(one orchestrator.Object) bool { return one.URI == object.URI })
		want := w.source[part].Start
		for _, before := range w.in.objects {
			if before.URI == object.URI {
				want = before.End()
			}
		}
		if object.Start != want || object.Size <= 0 || object.End() > w.source[part].End() {
			w.fault("%s: %s [%d, %d) is recorded, it was recorded up to %d and reaches %d", d.name, object.URI, object.Start, object.End(), want, w.source[part].End())
		}
		w.in.objects, w.in.ends = append(w.in.objects, object), append(w.in.ends, object.End())
	}
}

// checkStanding compares what machines say to be settled with what a person would find.
func (w *world) checkStanding() {
	for _, d := range w.dispatchers {
		if d.epoch != w.epoch || w.ended {
			continue
		}
		unsettled := w.verdictOf(d).unsettled
		for _, one := range d.machine.Standing() {
			want := one.From
			for number := range d.machine.Len() {
				cut := d.machine.Cut(number)
				if d.machine.Object(cut.Range.Object).URI != one.URI {
					continue
				}
				if slices.Contains(unsettled, number) {
					break
				}
				want = cut.Range.End
			}
			if one.Settled != want {
				w.fault("%s: %s is settled up to %d, want %d", d.name, one.URI, one.Settled, want)
			}
		}
	}
}
