package replay

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/record"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

const documents = `apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: m}
spec: {scorer: {command: [withheld]}, batchRows: 10, profile: {load: 10s, batches: [{rows: 10, rowsPerSecond: 10}]}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: own}
spec: {price: {amount: "3.60", currency: EUR}, startTime: 60s, scaleDownDelay: 30s, replicas: {max: 1}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: q}
spec: {tenant: t, model: m, pools: [own], input: {roots: [withheld]}, output: {root: withheld}}
`

var begin = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return begin.Add(time.Duration(seconds * float64(time.Second)))
}

// seen is a moment of a small installation: a job with so many rows left of 6000, and workers of the pool by their names.
type seen struct {
	at       float64
	left     int64 // negative: the job is gone
	replicas int
	plan     int
	workers  []string // "NAME STATE"
}

// night is a job that one worker does from 60 s on, as planned at the start; the worker is gone at 300 s, and another comes at 380 s.
var night = []seen{
	{0, 6000, 0, 1, nil},
	{60, 6000, 1, 1, []string{"a loading"}},
	{120, 5500, 1, 1, []string{"a busy"}},
	{300, 3700, 1, 1, nil},
	{380, 3700, 1, 1, []string{"b loading"}},
	{750, 0, 1, 1, []string{"b busy"}},
	{770, -1, 1, 1, []string{"b idle"}},
	{800, -1, 1, 0, []string{"b idle"}},
	{810, -1, 0, 0, nil},
}

func (s seen) decision() record.Decision {
	d := record.Decision{At: at(s.at), Decisions: 10}
	if s.left >= 0 {
		d.Observation.Jobs = []orchestrator.JobView{{
			JobKey: orchestrator.JobKey{Tenant: "t", Queue: "q", ID: "job"}, State: orchestrator.JobRunning, Model: orchestrator.ModelRef{Name: "m"},
			Submitted: begin, Deadline: at(900), RowsTotal: 6000, RowsLeft: s.left, RowsUncut: s.left, BatchRows: 10,
		}}
	}
	d.Observation.Pools = []orchestrator.PoolView{{Name: "own", Replicas: s.replicas, Reading: orchestrator.Reading{At: at(s.at)}}}
	for _, worker := range s.workers {
		var name, state string
		_, _ = fmt.Sscan(worker, &name, &state)
		d.Observation.Workers = append(d.Observation.Workers, orchestrator.WorkerView{ID: name, Pool: "own", State: orchestrator.WorkerState(state)})
	}
	d.Observation.Memory.Speeds = []orchestrator.SpeedMemory{{Model: "m", Pool: "own", RowsPerSecond: 10, LoadSeconds: 10, Rows: 1}}
	d.Pools = []orchestrator.PoolPlan{{Name: "own", From: s.replicas, Replicas: s.plan}}
	if s.replicas != s.plan {
		d.Changes = 1
	}
	return d
}

func window(t *testing.T, moments []seen) *Window {
	t.Helper()
	w := &Window{}
	for _, one := range moments {
		if err := w.Add(documents, one.decision()); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// B2: what is taken from records: rows, end, size, changes, loss and starts.
func TestWindowGathersWhatHappened(t *testing.T) {
	t.Parallel()
	w := window(t, night)
	report := w.Recorded()
	job, pool := report.Jobs[0], report.Pools[0]
	if job.Rows != 6000 || !job.Finished.Equal(at(770)) || job.Late() {
		t.Errorf("job = %+v", job)
	}
	if math.Abs(pool.Hours*3600-800) > .1 || pool.Changes != 2 || pool.Lost != 1 || pool.Most != 1 || w.Changes != 2 || w.Decisions != 90 {
		t.Errorf("pool = %+v of %+v", pool, w)
	}
	scenario, _ := w.Scenario(w.Documents)
	provider := scenario.Pools[0]
	if !slices.Equal(provider.Starts, []time.Duration{time.Minute}) || provider.Initial != 0 || len(provider.Losses) != 1 || !provider.Losses[0].At.Equal(at(300)) {
		t.Errorf("provider = %+v", provider)
	}
}

// B2, B3: the simulation of the recorded documents stands near what was recorded, and other documents differ from it as they should.
func TestReplayOfOtherDocuments(t *testing.T) {
	t.Parallel()
	w := window(t, night)
	dearer := func(set document.Set) (document.Set, error) { return set.With(nil, []string{"price.own=2x"}) }
	none := func([]simulate.Submit) error { return nil }
	c, err := w.Compare(dearer, none)
	if err != nil {
		t.Fatal(err)
	}
	if c.Recorded.Cost[0].Micros != 800_000 || c.Changed.Cost[0].Micros != 2*c.Simulated.Cost[0].Micros || c.Recorded.Late+c.Simulated.Late+c.Changed.Late != 0 {
		t.Errorf("comparison = %+v, changed %+v", c, c.Changed)
	}
	if ratio := float64(c.Simulated.Cost[0].Micros) / float64(c.Recorded.Cost[0].Micros); ratio < .9 || ratio > 1.2 || c.FinishError > 100 {
		t.Errorf("the simulation costs %g of what was recorded, finishes %g s away", ratio, c.FinishError)
	}
	hurried := func(jobs []simulate.Submit) error { jobs[0].Deadline = at(400); return nil }
	same := func(set document.Set) (document.Set, error) { return set, nil }
	if c, err = w.Compare(same, hurried); err != nil || c.Changed.Late != 1 || !c.Jobs[0].ChangedDeadline.Equal(at(400)) || !c.Jobs[0].Deadline.Equal(at(900)) {
		t.Errorf("with an early deadline: %+v, %v", c, err)
	}
	closed := func(set document.Set) (document.Set, error) {
		return set.With(nil, []string{"pool/own.replicas.max=0"})
	}
	if c, err = w.Compare(closed, none); err != nil || c.Changed.Unfinished != 1 || !slices.ContainsFunc(c.Notes, func(note string) bool { return strings.Contains(note, "1 jobs more are not done") }) {
		t.Errorf("with a closed pool: %+v, %v", c, err)
	}
	if c, err = w.Compare(nil, nil); err != nil || c.Changed != nil {
		t.Errorf("without a change: %+v, %v", c, err)
	}
}

// B2: a deadline that the objective gave follows the objective; capacity that was seen is what there is.
func TestReplayFollowsObjectivesAndCapacity(t *testing.T) {
	t.Parallel()
	w := &Window{}
	for second := 0.0; second <= 1200; second += 60 {
		d := seen{at: second, left: 6000}.decision()
		none := 0
		if second >= 600 {
			none = 2
		}
		d.Observation.Pools[0].Available = &none
		if err := w.Add(documents, d); err != nil {
			t.Fatal(err)
		}
	}
	changed, err := w.Documents.With(nil, []string{"queue/q.objective.finishWithin=10m"})
	if err != nil {
		t.Fatal(err)
	}
	scenario, notes := w.Scenario(changed)
	if !scenario.Jobs[0].Deadline.Equal(at(900)) { // somebody named it
		t.Errorf("deadline = %s", scenario.Jobs[0].Deadline)
	}
	if steps := scenario.Pools[0].Capacity; len(steps) != 2 || !steps[1].At.Equal(at(600)) || steps[1].Replicas != 2 || len(notes) == 0 {
		t.Errorf("capacity %+v, notes %q", steps, notes)
	}
}

// B4: a job of a model that nobody has measured ends no replay: it is left out, and a note says so.
func TestJobsOfUnknownSpeedAreLeftOut(t *testing.T) {
	t.Parallel()
	w := &Window{}
	unmeasured := strings.Replace(documents, ", profile: {load: 10s, batches: [{rows: 10, rowsPerSecond: 10}]}", "", 1)
	for _, one := range night[:4] {
		d := one.decision()
		d.Observation.Memory.Speeds = nil
		if err := w.Add(unmeasured, d); err != nil {
			t.Fatal(err)
		}
	}
	c, err := w.Compare(nil, nil)
	if err != nil || len(c.Jobs) != 1 || !c.Jobs[0].Simulated.IsZero() || !slices.Contains(c.Notes, "jobs of model m are left out (1): it has no profile and was never measured") {
		t.Errorf("%+v, %v", c, err)
	}
}

// B4: of jobs that were put together, those count that came near enough to be seen alone.
func TestJobsPutTogetherAreNotCountedTwice(t *testing.T) {
	t.Parallel()
	w := &Window{}
	view := func(id string, also int) orchestrator.JobView {
		return orchestrator.JobView{JobKey: orchestrator.JobKey{Tenant: "t", Queue: "q", ID: id}, State: orchestrator.JobQueued, Submitted: begin, RowsTotal: 10, RowsLeft: 10, Also: also}
	}
	for second, jobs := range [][]orchestrator.JobView{{view("a", 0), view("b", 0), view("c", 5)}, {view("a", 0), view("b", 1)}, {view("b", 0)}} {
		d := seen{at: float64(second), left: -1}.decision()
		d.Observation.Jobs = jobs
		if err := w.Add(documents, d); err != nil {
			t.Fatal(err)
		}
	}
	jobs := w.Recorded().Jobs
	if len(jobs) != 2 || jobs[0].Finished.IsZero() || !jobs[1].Finished.IsZero() || w.Open.Skipped != 2 {
		t.Errorf("jobs = %+v, open %+v", jobs, w.Open)
	}
}

// B1: this version decides as was recorded, or the first difference is named with its reason.
func TestOpenLoop(t *testing.T) {
	t.Parallel()
	w := &Window{}
	set, err := document.Decode(document.File{Name: "d", Data: []byte(documents)})
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range night {
		d := one.decision()
		d.Pools = planner.Compute(d.Observation, set.Policy(), d.At).Pools
		if i == 2 {
			d.Pools[0].Replicas += 3
		}
		if err := w.Add(documents, d); err != nil {
			t.Fatal(err)
		}
	}
	if w.Open.Compared != len(night) || w.Open.Different != 1 || w.Open.First.Recorded != w.Open.First.Now+3 || !w.Open.First.At.Equal(at(120)) || w.Open.First.Sentence == "" {
		t.Errorf("open loop = %+v", w.Open)
	}
}

func TestNothingToReplay(t *testing.T) {
	t.Parallel()
	if _, err := (&Window{}).Compare(nil, nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("error = %v", err)
	}
	if err := (&Window{}).Add("kind: Nothing", record.Decision{}); err == nil {
		t.Error("documents that are none are taken")
	}
}
