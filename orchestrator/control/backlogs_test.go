package control

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// warehouse is what a dispatcher would say of standing jobs.
type warehouse struct {
	heard    []orchestrator.Backlog
	standing []orchestrator.StandingView
}

func (w *warehouse) Hear(readings []orchestrator.Backlog)  { w.heard = readings }
func (w *warehouse) Standing() []orchestrator.StandingView { return w.standing }

var six = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

func readingOf(at time.Time, pending, settled, end int64) orchestrator.Backlog {
	return orchestrator.Backlog{
		Tenant: "acme", Queue: "clicks", Reading: orchestrator.Reading{At: at, Source: "nats CLICKS/scoring"}, Pending: pending, Arrived: end, Settled: settled,
		Parts: []orchestrator.Part{{URI: "nats://CLICKS", Start: 1, Settled: settled, End: end}},
	}
}

func TestBacklogIsWhatIsNeitherSettledNorRecordedTwice(t *testing.T) {
	t.Parallel()
	reach := func(end int64) []orchestrator.Position {
		return []orchestrator.Position{{URI: "nats://CLICKS", End: end}}
	}
	for name, one := range map[string]struct {
		reading  orchestrator.Backlog
		standing orchestrator.StandingView
		want     int64
	}{
		"nothing is recorded yet":                 {readingOf(six, 90, 11, 101), orchestrator.StandingView{}, 90},
		"half is recorded, some of that settled":  {readingOf(six, 90, 11, 101), orchestrator.StandingView{RowsLeft: 20, Reach: reach(61)}, 60},
		"all is settled, the source not told yet": {readingOf(six, 90, 11, 101), orchestrator.StandingView{Reach: reach(101)}, 0},
		"a third of the positions are of others":  {readingOf(six, 60, 11, 101), orchestrator.StandingView{RowsLeft: 30, Reach: reach(41)}, 60},
		"the source was moved on by somebody":     {readingOf(six, 10, 91, 101), orchestrator.StandingView{Reach: reach(50)}, 10},
	} {
		if got := rowsWaiting(one.reading, one.standing); got != one.want {
			t.Errorf("%s: %d rows wait, want %d", name, got, one.want)
		}
	}
}

func TestUnknownBacklogKeepsWhatWasKnown(t *testing.T) {
	t.Parallel()
	w := &warehouse{standing: []orchestrator.StandingView{{Tenant: "acme", Queue: "clicks", BatchRows: 10}}}
	b := newBacklogs(w)
	if view := b.views(six)[0]; view.Reading.Err == "" || len(view.Waiting) > 0 {
		t.Errorf("before the first reading: %+v", view)
	}
	b.take([]orchestrator.Backlog{readingOf(six, 90, 11, 101)})
	known := b.views(six)[0]
	if known.Reading.Err != "" || len(known.Waiting) != 1 || known.Waiting[0].Rows != 90 || known.BatchRows != 10 {
		t.Fatalf("after a reading: %+v", known)
	}
	failed := orchestrator.Backlog{Tenant: "acme", Queue: "clicks", Reading: orchestrator.Reading{At: six.Add(time.Second), Err: "no answer"}, Pending: -1, Arrived: -1}
	if !b.take([]orchestrator.Backlog{failed}) {
		t.Error("an error is no change")
	}
	view := b.views(six)[0]
	if diff := cmp.Diff(known.Waiting, view.Waiting); diff != "" || view.Reading.Err != "no answer" {
		t.Errorf("after an error: %+v\n%s", view, diff)
	}
	w.standing[0].Reading = true
	b.take([]orchestrator.Backlog{readingOf(six.Add(2*time.Second), 0, 101, 101)})
	if view := b.views(six)[0]; view.Reading.Err == "" {
		t.Errorf("while standing jobs are read: %+v", view)
	}
}

func TestOrdersOfABacklogAreThoseOfItsStandingJobs(t *testing.T) {
	t.Parallel()
	order := func(queue, id string) *orchestrator.Order {
		return &orchestrator.Order{JobKey: orchestrator.JobKey{Tenant: "acme", Queue: queue, ID: id}}
	}
	standing := []orchestrator.StandingView{
		{Tenant: "acme", Queue: "clicks", Open: []*orchestrator.Order{order("clicks", "clicks-1"), order("clicks", "clicks-2")}, Arrived: []time.Time{six, {}}},
		{Tenant: "acme", Queue: "views"},
	}
	wanted := orchestrator.Assignment{Worker: "w", Jobs: []*orchestrator.Order{order("views", planner.BacklogID), order("clicks", planner.BacklogID), order("nightly", "nightly-1")}}
	got := expand(wanted, standing, six.Add(time.Hour))
	want := orchestrator.Assignment{Worker: "w", Jobs: []*orchestrator.Order{order("clicks", "clicks-1"), order("clicks", "clicks-2"), order("nightly", "nightly-1")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("orders (-want +got)\n%s", diff)
	}
	if wanted.Jobs[0].ID != planner.BacklogID {
		t.Error("the plan's own list was changed")
	}
}

// What can be on time goes first: a standing job all of whose rows are too old comes behind those that hold younger ones.
func TestRowsThatAreLateComeBehindOthers(t *testing.T) {
	t.Parallel()
	order := func(id string, within time.Duration) *orchestrator.Order {
		return &orchestrator.Order{JobKey: orchestrator.JobKey{Tenant: "acme", Queue: "clicks", ID: id}, Within: within}
	}
	standing := []orchestrator.StandingView{{
		Tenant: "acme", Queue: "clicks", Open: []*orchestrator.Order{order("1", 0), order("2", 0), order("3", 0)},
		Arrived: []time.Time{six.Add(-30 * time.Minute), six.Add(-10 * time.Minute), {}},
	}}
	for within, want := range map[time.Duration][]string{0: {"1", "2", "3"}, 20 * time.Minute: {"2", "3", "1"}, 5 * time.Minute: {"3", "1", "2"}, time.Hour: {"1", "2", "3"}} {
		var got []string
		for _, one := range expand(orchestrator.Assignment{Jobs: []*orchestrator.Order{order(planner.BacklogID, within)}}, standing, six).Jobs {
			got = append(got, one.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("up to %s (-want +got)\n%s", within, diff)
		}
	}
}

// Of a queue whose rows are scored in their order, a worker for each partition that has some is of use, and one at least.
func TestPartitionsBoundTheWorkers(t *testing.T) {
	t.Parallel()
	w := &warehouse{standing: []orchestrator.StandingView{{Tenant: "acme", Queue: "clicks"}}}
	b := newBacklogs(w)
	reading := readingOf(six, 90, 11, 101)
	reading.Parts = append(reading.Parts, orchestrator.Part{URI: "b", Settled: 5, End: 5}, orchestrator.Part{URI: "c", Settled: 5, End: 6})
	b.take([]orchestrator.Backlog{reading})
	if got := b.views(six)[0].MostWorkers; got != 0 {
		t.Errorf("in any order: %d", got)
	}
	w.standing[0].Ordered = true
	if got := b.views(six)[0].MostWorkers; got != 2 {
		t.Errorf("in order: %d, want 2", got)
	}
	b.take([]orchestrator.Backlog{readingOf(six.Add(time.Second), 0, 101, 101)})
	if got := b.views(six)[0].MostWorkers; got != 1 {
		t.Errorf("nothing waits: %d, want 1", got)
	}
}

// What comes while a decision is made is heard after the next one: nothing is cut as a decision says that has not seen it.
func TestOnlyWhatADecisionHasSeenIsHeard(t *testing.T) {
	t.Parallel()
	d, w := open(t, 1, "cheap"), &warehouse{}
	d.loop.config.Drains, d.loop.backlogs = w, newBacklogs(w)
	first, second := readingOf(six, 90, 11, 101), readingOf(six.Add(time.Second), 900, 11, 911)
	d.loop.backlogs.take([]orchestrator.Backlog{first})
	d.jobs.onApply = func() {
		if w.heard != nil {
			t.Error("it is heard before the plan is applied")
		}
		d.loop.backlogs.take([]orchestrator.Backlog{second})
	}
	d.loop.once(t.Context(), six)
	if diff := cmp.Diff([]orchestrator.Backlog{first}, w.heard); diff != "" {
		t.Errorf("heard (-want +got)\n%s", diff)
	}
	d.jobs.onApply = nil
	d.loop.once(t.Context(), six)
	if diff := cmp.Diff([]orchestrator.Backlog{second}, w.heard); diff != "" {
		t.Errorf("heard after the second decision (-want +got)\n%s", diff)
	}
}

// A source that was made again is another decision, though the counts are as before.
func TestSourceThatWasMadeAgainIsAChange(t *testing.T) {
	t.Parallel()
	b := newBacklogs(&warehouse{})
	one := readingOf(six, 90, 11, 101)
	if !b.take([]orchestrator.Backlog{one}) || b.take([]orchestrator.Backlog{one}) {
		t.Error("the same again is a change, or the first reading is none")
	}
	one.Identity = "another"
	if !b.take([]orchestrator.Backlog{one}) {
		t.Error("another identity is no change")
	}
}
