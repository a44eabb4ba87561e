package simulate

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// at is so many seconds after the beginning.
func at(seconds float64) time.Time {
	return beginning.Add(time.Duration(seconds * float64(time.Second)))
}

// office is a scenario with an on-demand pool at 3.60 and a spot pool at 1.20 an hour, a model that loads for ten seconds and scores ten rows a second, and a job of
// so many rows at the beginning.
func office(rows int64, within time.Duration, pools ...string) Scenario {
	pool := func(name string, kind orchestrator.CapacityType, micros int64) orchestrator.PoolPolicy {
		return orchestrator.PoolPolicy{
			Name: name, CapacityType: kind, Price: orchestrator.Money{Micros: micros, Currency: "EUR"}, Max: 2, SlotsPerReplica: 1,
			ScaleDownDelay: 30 * time.Second, StartSeconds: 60,
		}
	}
	s := Scenario{
		Policy: orchestrator.Policy{
			Pools:  []orchestrator.PoolPolicy{pool("own", orchestrator.CapacityOnDemand, 3_600_000), pool("spot", orchestrator.CapacitySpot, 1_200_000)},
			Queues: []orchestrator.QueuePolicy{{Name: "q", Tenant: "t", Pools: pools, MaxOpenJobs: 2, Weight: 1, MaxWorkers: 1}},
		},
		Begin: beginning, End: at(48 * 3600),
		Jobs: []Submit{{JobKey: orchestrator.JobKey{Tenant: "t", Queue: "q", ID: "job"}, Model: "m", At: beginning, Rows: rows, BatchRows: 10}},
	}
	if within > 0 {
		s.Jobs[0].Deadline = beginning.Add(within)
	}
	for _, name := range []string{"own", "spot"} {
		s.Speeds = append(s.Speeds, orchestrator.Speed{Model: "m", Pool: name, RowsPerSecond: 10, LoadSeconds: 10, Basis: "profile"})
	}
	return s
}

func play(t *testing.T, s Scenario) Report {
	t.Helper()
	report, err := s.Run()
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// V1, V2: start, load, work and the scale-down delay, to the second and the cent.
func TestScenarioOfOneJob(t *testing.T) {
	t.Parallel()
	report := play(t, office(6000, 0, "own"))
	want := JobReport{
		JobKey: orchestrator.JobKey{Tenant: "t", Queue: "q", ID: "job"}, Rows: 6000, Submitted: beginning, Started: at(60), Finished: at(670),
		Cost: orchestrator.Money{Micros: 610_000, Currency: "EUR"},
	}
	if diff := cmp.Diff(want, report.Jobs[0]); diff != "" {
		t.Errorf("the job (-want +got):\n%s", diff)
	}
	own := report.Pools[0]
	if math.Abs(own.Hours*3600-700) > 1 || own.Changes != 2 || own.Most != 1 || len(own.Steps) != 2 { // it drains half a minute after the end
		t.Errorf("the pool = %+v", own)
	}
	if cost := report.Cost(); len(cost) != 1 || math.Abs(float64(cost[0].Micros)-700_000) > 1000 {
		t.Errorf("cost = %v", cost)
	}
}

// V3: what a replica that is lost held is scored again, by the one that takes its place.
func TestScenarioLosesShards(t *testing.T) {
	t.Parallel()
	s := office(6000, 0, "own")
	whole := play(t, s).Jobs[0].Finished
	s.Pools = []Provider{{Pool: "own", Losses: []Step{{at(307), 1}}}}
	report := play(t, s)
	job, pool := report.Jobs[0], report.Pools[0]
	if job.Lost != 1 || pool.Lost != 1 || !job.Finished.After(whole.Add(60*time.Second)) {
		t.Errorf("job %+v, pool %+v; without the loss at %s", job, pool, whole)
	}
}

// V4: what may not be had waits and costs nothing.
func TestScenarioWaitsForCapacity(t *testing.T) {
	t.Parallel()
	s := office(6000, 0, "spot")
	s.Pools = []Provider{{Pool: "spot", Capacity: []Step{{at(0), 0}, {at(1000), 1}}}}
	report := play(t, s)
	if job := report.Jobs[0]; !job.Started.Equal(at(1060)) || !job.Finished.Equal(at(1670)) {
		t.Errorf("job = %+v", job)
	}
	if hours := report.Pools[1].Hours * 3600; math.Abs(hours-700) > 1 {
		t.Errorf("billed %g seconds", hours)
	}
}

// V5: the planner believes 10 rows a second, learns 20, and says so in what it expects; the world is as it is.
func TestScenarioTeachesSpeeds(t *testing.T) {
	t.Parallel()
	s := office(6000, 0, "own")
	s.Truth = []orchestrator.Speed{{Model: "m", Pool: "own", RowsPerSecond: 20, LoadSeconds: 10}}
	c, err := newCourse(s)
	if err != nil {
		t.Fatal(err)
	}
	for c.now.Before(at(300)) {
		c.happen()
		plan := c.decide()
		c.apply(plan)
		c.now = c.next(plan.NextCheck)
	}
	if len(c.memory.Speeds) != 1 || math.Abs(c.memory.Speeds[0].RowsPerSecond-20) > .1 {
		t.Errorf("learned %+v", c.memory.Speeds)
	}
	if got := play(t, s).Jobs[0].Finished; !got.Equal(at(370)) {
		t.Errorf("finished at %s", got)
	}
}

// A deadline that spot capacity alone would miss is met on demand; the same without a deadline waits for spot.
func TestScenarioBuysOnDemandForADeadline(t *testing.T) {
	t.Parallel()
	capacity := []Provider{{Pool: "spot", Capacity: []Step{{at(0), 0}, {at(7200), 2}}}}
	due, patient := office(6000, time.Hour, "spot", "own"), office(6000, 0, "spot", "own")
	due.Pools, patient.Pools = capacity, capacity
	due.Policy.Queues[0].MaxWorkers = 2 // one alone would ask for a table
	if job := play(t, due).Jobs[0]; job.Late() {
		t.Errorf("late: %+v", job)
	}
	report := play(t, patient)
	if report.Pools[0].Hours != 0 || report.Jobs[0].Finished.Before(at(7200)) || report.Late() != 0 {
		t.Errorf("a job without a deadline: %+v", report)
	}
	due.Pools, due.End = []Provider{{Pool: "spot", Capacity: []Step{}}, {Pool: "own", Capacity: []Step{}}}, at(4000)
	if report := play(t, due); report.Late() != 1 || !report.End.Equal(due.End) {
		t.Errorf("without any capacity: %+v", report)
	}
}

// V6: one seed, one course; starts are drawn from their range, and losses by chance.
func TestScenarioIsDeterministic(t *testing.T) {
	t.Parallel()
	s := office(15_000, 2*time.Hour, "spot", "own")
	s.Seed, s.Policy.Queues[0].MaxWorkers = 7, 2
	s.Pools = []Provider{{Pool: "spot", Capacity: []Step{{at(0), 2}}, LossRate: 8, Starts: []time.Duration{30 * time.Second, 90 * time.Second}, Range: true}}
	first := play(t, s)
	if diff := cmp.Diff(first, play(t, s)); diff != "" {
		t.Errorf("twice (-first +second):\n%s", diff)
	}
	if first.Pools[1].Lost == 0 {
		t.Error("nothing was lost")
	}
	if start := first.Jobs[0].Started; start.Before(at(30)) || start.After(at(90)) || start.Equal(at(60)) {
		t.Errorf("started at %s", start)
	}
	s.Seed = 8
	if cmp.Equal(first, play(t, s)) {
		t.Error("another seed changed nothing")
	}
}

func TestScenarioSaysAllThatIsMissing(t *testing.T) {
	t.Parallel()
	s := office(10, 0, "own", "spot")
	s.Speeds = s.Speeds[:1]
	s.Jobs = append(s.Jobs, s.Jobs[0], Submit{JobKey: orchestrator.JobKey{Tenant: "t", Queue: "other", ID: "x"}})
	s.Pools = []Provider{{Pool: "gpu"}}
	_, err := s.Run()
	for _, want := range []string{`no Pool "gpu"`, `two jobs are called "job"`, `no Queue "other" of tenant "t"`, `how fast model "m" is on pool "spot"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// Whatever happens: every row is scored once, replicas are billed for as long as they run, no more of them run than there may be, and work that
// capacity is there for ends.
func TestScenariosKeepTheirBooks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := office(int64(rapid.IntRange(0, 800).Draw(t, "rows")), time.Duration(rapid.IntRange(0, 4).Draw(t, "deadline"))*3*time.Minute, "spot", "own")
		s.Policy.Queues[0].MaxWorkers = rapid.SampledFrom([]int{0, 2, 3}).Draw(t, "workers") // one alone would ask for tables
		s.Policy.Pools[0].SlotsPerReplica = rapid.IntRange(1, 2).Draw(t, "slots")
		for n := range rapid.IntRange(0, 3).Draw(t, "more jobs") {
			more := s.Jobs[0]
			more.ID, more.At = fmt.Sprint(n), at(float64(rapid.IntRange(0, 200).Draw(t, "submit")))
			s.Jobs = append(s.Jobs, more)
		}
		spot := Provider{Pool: "spot", Capacity: []Step{}, LossRate: rapid.SampledFrom([]float64{0, 20}).Draw(t, "losses")}
		for n := range 5 {
			spot.Capacity = append(spot.Capacity, Step{at(float64(n) * 50), rapid.IntRange(0, 2).Draw(t, "capacity")})
		}
		s.End = at(12 * 3600)
		spot.Capacity = append(spot.Capacity, Step{at(300), 2})
		s.Pools = []Provider{spot}
		report, err := s.Run()
		if err != nil {
			t.Fatal(err)
		}
		for _, job := range report.Jobs {
			if job.Finished.IsZero() {
				t.Fatalf("job %s did not end: %+v", job.ID, report)
			}
		}
		for _, pool := range report.Pools {
			hours := 0.0
			for i, step := range pool.Steps {
				until := report.End
				if i+1 < len(pool.Steps) {
					until = pool.Steps[i+1].At
				}
				hours += float64(step.Replicas) * until.Sub(step.At).Hours()
				if step.Replicas > 2+1 { // one may still finish its shard while another comes
					t.Fatalf("%d replicas: %+v", step.Replicas, pool)
				}
			}
			if math.Abs(hours-pool.Hours) > 1e-6 {
				t.Fatalf("billed %g hours of %g: %+v", pool.Hours, hours, pool)
			}
		}
	})
}
