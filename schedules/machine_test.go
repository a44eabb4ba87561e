package schedules

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world is what leaders of a service share: a store that takes a record only from who read the last one, the jobs, and clocks that are wrong.
type world struct {
	schedule Schedule
	clock    time.Time
	stored   []byte // the record
	revision int
	leaders  [2]leader
	jobs     map[string]*job
	begun    time.Time       // since when the schedule is known
	fate     map[string]int  // of each occurrence, how often it was decided for good
	decided  int             // occurrences
	opened   map[string]bool // those that are to run
}

type leader struct {
	revision int // that it read or stored
	record   []byte
	todo     []Decision
	stored   bool
}

type job struct{ ended, cancelled, gone bool }

func (w *world) runs() (runs []Run) {
	for id, job := range w.jobs {
		if !job.gone {
			runs = append(runs, Run{ID: id, Ended: job.ended})
		}
	}
	return runs
}

func (w *world) read() Record {
	var record Record
	if len(w.stored) > 0 {
		_ = json.Unmarshal(w.stored, &record) // was written by decide
	}
	return record
}

// decide is what a leader does up to the store.
func (w *world) decide(t *rapid.T, l *leader) {
	record, list := w.schedule.Decide(w.read(), w.runs(), w.clock)
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	*l = leader{revision: w.revision, record: text, todo: list}
}

// store takes what a leader has decided, unless another one was faster, and checks it: everything that the record passed over was either submitted or skipped.
func (w *world) store(t *rapid.T, l *leader) {
	if l.record == nil || l.stored {
		return
	}
	if l.revision != w.revision {
		*l = leader{}
		return
	}
	before := w.read()
	w.stored, w.revision = l.record, w.revision+1
	l.revision, l.stored = w.revision, true
	after := w.read()
	if w.begun.IsZero() {
		w.begun = after.Since
	}
	count := 0
	for _, one := range l.todo {
		w.check(t, before, one)
		switch {
		case one.Action == Submit && one.Code != "again":
			w.fate[one.Occurrence.ID]++
			w.opened[one.Occurrence.ID] = true
			count++
		case one.Action == Skip && w.opened[one.Occurrence.ID]: // it could not be submitted
			delete(w.opened, one.Occurrence.ID)
		case one.Action == Skip:
			w.fate[one.Occurrence.ID]++
			count += one.Count
		}
		if w.fate[one.Occurrence.ID] > 1 {
			t.Fatalf("decided twice: %+v", one)
		}
	}
	w.decided += count
	passed := 0
	for one := range w.schedule.After(w.begun) { // several may be at one moment
		if after.Last.ID == "" || one.At.After(after.Last.At) {
			break
		}
		if passed++; one.ID == after.Last.ID {
			break
		}
	}
	if passed != w.decided {
		t.Fatalf("%d occurrences until %v, and %d are decided", passed, after.Last, w.decided)
	}
}

// check looks at one decision by the policies.
func (w *world) check(t *rapid.T, before Record, one Decision) {
	late := w.clock.Sub(one.Occurrence.At) // the clock of the decision may have been another one: then the policies are checked by the tables
	next, _ := w.schedule.Next(one.Occurrence.At)
	if one.Action != Submit || one.Code == "again" || len(before.Open) > 0 {
		return
	}
	switch {
	case w.schedule.Suspended, late > Grace && w.schedule.Missed == MissedSkip, late > max(w.schedule.MissedWithin, Grace),
		late > Grace && w.schedule.Missed == MissedLatest && !next.At.After(w.clock):
		t.Fatalf("at %s under %+v: %+v", w.clock, w.schedule, one)
	}
}

// act does the next thing that a leader has decided, unless another one has decided since.
func (w *world) act(t *rapid.T, l *leader) {
	if !l.stored || len(l.todo) == 0 || l.revision != w.revision {
		return
	}
	one := l.todo[0]
	l.todo = l.todo[1:]
	known := w.jobs[one.Occurrence.ID]
	switch {
	case one.Action == Submit && known != nil && known.gone:
		t.Fatalf("%s ran, and is submitted again", one.Occurrence.ID)
	case one.Action == Submit && known == nil:
		w.jobs[one.Occurrence.ID] = &job{}
	case one.Action == Cancel && known != nil:
		known.cancelled = true
	}
	running := 0
	for _, job := range w.jobs {
		if !job.ended && !job.cancelled {
			running++
		}
	}
	if running > 1 && w.schedule.Overlap != Allow && !slices.ContainsFunc(l.todo, func(one Decision) bool { return one.Action == Cancel }) {
		t.Fatalf("%d run at once under %s", running, w.schedule.Overlap)
	}
}

// SC7, SC10 to SC18: two leaders that read, decide, store and act, die between any two of these, and have clocks that are set forward and back: each occurrence is decided once, in order, none is left out,
// policies hold, and in the end all that is due is decided.
func TestMachine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		expression := rapid.SampledFrom([]string{"30 2 * * *", "*/20 * * * *", "0,30 0-3 * * *", "15 */6 * * *"}).Draw(t, "expression")
		w := world{clock: at(t, rapid.SampledFrom([]string{"2026-03-28T20:00Z", "2026-10-24T20:00Z"}).Draw(t, "begin")), jobs: map[string]*job{}, fate: map[string]int{}, opened: map[string]bool{}}
		w.schedule = Schedule{
			Timetable: timetable(t, expression, "Europe/Berlin"), Overlap: rapid.SampledFrom([]Overlap{Forbid, Replace, Allow}).Draw(t, "overlap"),
			Missed: rapid.SampledFrom([]Missed{MissedSkip, MissedLatest, MissedAll}).Draw(t, "missed"),
		}
		if w.schedule.Missed != MissedSkip {
			w.schedule.MissedWithin = time.Duration(rapid.IntRange(1, 100).Draw(t, "within")) * time.Hour
		}
		pick := func(t *rapid.T) *leader { return &w.leaders[rapid.IntRange(0, 1).Draw(t, "leader")] }
		step := func(most time.Duration) func(*rapid.T) {
			return func(t *rapid.T) {
				w.clock = w.clock.Add(time.Duration(rapid.Int64Range(0, int64(most/time.Second)).Draw(t, "seconds")) * time.Second)
				for i := range w.leaders {
					if !w.leaders[i].stored {
						w.leaders[i] = leader{} // what was decided by another clock is checked by no policy
					}
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"decide":  func(t *rapid.T) { w.decide(t, pick(t)) },
			"store":   func(t *rapid.T) { w.store(t, pick(t)) },
			"act":     func(t *rapid.T) { w.act(t, pick(t)) },
			"all":     func(t *rapid.T) { w.turn(t, pick(t)) },
			"die":     func(t *rapid.T) { *pick(t) = leader{} },
			"soon":    step(10 * time.Minute),
			"later":   step(12 * time.Hour),
			"outage":  step(5 * 24 * time.Hour),
			"back":    func(t *rapid.T) { step(3 * time.Hour)(t); w.clock = w.clock.Add(-3 * time.Hour) },
			"suspend": func(*rapid.T) { w.schedule.Suspended = !w.schedule.Suspended; w.leaders = [2]leader{} },
			"end": func(t *rapid.T) {
				for id, job := range w.jobs {
					if job.cancelled || len(id)%2 == w.revision%2 {
						job.ended = true
					}
				}
			},
			"forget": func(*rapid.T) { // the records of jobs whose end was seen are deleted
				open := w.read().Open
				for id, job := range w.jobs {
					job.gone = job.gone || job.ended && !slices.ContainsFunc(open, func(one Open) bool { return one.ID == id && !one.Seen })
				}
			},
		})
		w.finish(t)
	})
}

// turn is a leader that nothing disturbs.
func (w *world) turn(t *rapid.T, l *leader) {
	w.decide(t, l)
	w.store(t, l)
	for range len(l.todo) {
		w.act(t, l)
	}
}

// finish lets everything end.
func (w *world) finish(t *rapid.T) {
	w.clock = latest(w.clock, latest(w.read().Last.At, w.read().Since))
	for range 3000 {
		w.turn(t, &w.leaders[0])
		for _, job := range w.jobs {
			job.ended = true
		}
		due := w.schedule.following(w.read(), w.clock)
		if len(due) > 0 || len(w.read().Open) > 0 {
			continue
		}
		for id := range w.opened {
			if w.jobs[id] == nil {
				t.Fatalf("%s was to run, and did not", id)
			}
		}
		return
	}
	t.Fatalf("no end: %+v", w.read())
}
