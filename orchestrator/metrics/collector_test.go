package metrics

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"nightshift.dev/nightshift/orchestrator"
)

var (
	clicks  = Queue{QueueName: orchestrator.QueueName{Tenant: "acme", Queue: "clicks"}, Drains: true}
	papers  = Queue{QueueName: orchestrator.QueueName{Tenant: "acme", Queue: "papers"}, Drains: true}
	nightly = Queue{QueueName: orchestrator.QueueName{Tenant: "beta", Queue: "nightly"}}
	lax     = Queue{QueueName: orchestrator.QueueName{Tenant: "beta", Queue: "lax"}}
)

func policy() orchestrator.Policy {
	return orchestrator.Policy{
		StaleAfter: time.Minute,
		Queues:     []orchestrator.QueuePolicy{{Tenant: "acme", Name: "clicks", FinishWithin: 20 * time.Second}, {Tenant: "acme", Name: "papers"}},
		Pools: []orchestrator.PoolPolicy{
			{Name: "spot", CapacityType: orchestrator.CapacitySpot, Price: orchestrator.Money{Micros: 250_000, Currency: "EUR"}},
			{Name: "cpu", CapacityType: orchestrator.CapacityOnDemand},
		},
	}
}

func reading(queue Queue, at time.Time) orchestrator.BacklogStatus {
	return orchestrator.BacklogStatus{Backlog: orchestrator.Backlog{
		Tenant: queue.Tenant, Queue: queue.Queue, Reading: orchestrator.Reading{At: at}, Pending: 7, InFlight: 2, Oldest: at.Add(-30 * time.Second), Arrived: 109, Settled: 100,
	}}
}

func forecast(of orchestrator.QueueName, since time.Time) (orchestrator.QueueForecast, bool) {
	told := orchestrator.QueueForecast{Tenant: of.Tenant, Queue: of.Queue}
	if of != clicks.QueueName {
		return told, of == nightly.QueueName
	}
	value := func(v float64) *float64 { return &v }
	told.On, told.Trials, told.Learned = true, 27, since.Add(-time.Hour)
	told.ByHorizon = []orchestrator.HorizonError{
		{ToSeconds: 21600, ForecastError: orchestrator.ForecastError{WAPE: value(.08), Pinball50: value(50), Pinball90: value(30), Pinball95: value(20), Underprovision: value(.03)}},
		{FromSeconds: 21600, ToSeconds: 43200, ForecastError: orchestrator.ForecastError{WAPE: value(.12)}},
	}
	return told, true
}

// decide is a decision of a time, with something of everything.
func decide(now time.Time) (orchestrator.Observation, orchestrator.Plan) {
	job := func(id string, state orchestrator.JobState, deadline time.Time, rows int64) orchestrator.JobView {
		return orchestrator.JobView{JobKey: orchestrator.JobKey{Tenant: "beta", Queue: "nightly", ID: id}, State: state, Deadline: deadline, RowsLeft: rows}
	}
	observation := orchestrator.Observation{
		Jobs: []orchestrator.JobView{
			job("past", orchestrator.JobRunning, now.Add(-time.Second), 10), job("late", orchestrator.JobQueued, now.Add(time.Minute), 20),
			job("fine", orchestrator.JobQueued, now.Add(time.Hour), 30), job("whenever", orchestrator.JobQueued, time.Time{}, 40),
		},
		Pools: []orchestrator.PoolView{
			{Name: "spot", Replicas: 3, Reading: orchestrator.Reading{At: now}, Ledger: orchestrator.Ledger{Since: now.Add(-time.Hour), Seconds: 5000, Taken: 4, Killed: 1, Refused: 2}, Phases: []orchestrator.StartPhase{{Phase: "node", Starts: 9, Median: 12, P95: 60}}},
			{Name: "cpu", Replicas: 5, Reading: orchestrator.Reading{At: now}},
		},
		Workers: []orchestrator.WorkerView{
			{Pool: "spot", State: orchestrator.WorkerBusy}, {Pool: "spot", State: orchestrator.WorkerBusy}, {Pool: "spot", State: orchestrator.WorkerBusy, Draining: true},
			{Pool: "cpu", State: orchestrator.WorkerIdle},
		},
	}
	plan := orchestrator.Plan{
		At: now,
		Pools: []orchestrator.PoolPlan{{Name: "spot", From: 3, Replicas: 4, Reasons: []orchestrator.Reason{
			{Code: "demand", From: 0, To: 6}, {Code: "max", From: 6, To: 4}, {Code: "late", From: 4, To: 4},
		}}},
		Queues: []orchestrator.QueuePlan{{Tenant: "acme", Queue: "clicks", Workers: 2}},
	}
	for _, one := range observation.Jobs {
		plan.Jobs = append(plan.Jobs, orchestrator.JobPlan{JobKey: one.JobKey, Workers: 1, Finish: now.Add(10 * time.Minute)})
	}
	return observation, plan
}

func collector(backlogs ...orchestrator.BacklogStatus) *Collector {
	return New(Config{
		Queues: []Queue{clicks, papers, nightly, lax}, Policy: policy, Version: "1.2.3",
		Sources: Sources{Forecast: forecast, Backlogs: func() []orchestrator.BacklogStatus { return backlogs }},
	})
}

// shown is what Prometheus reads, but for the buckets of the histogram.
func shown(t *testing.T, c *Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, family := range families {
		if family.GetType() != dto.MetricType_HISTOGRAM {
			names = append(names, family.GetName())
		}
	}
	text, err := testutil.CollectAndFormat(c, expfmt.TypeTextPlain, names...)
	if err != nil {
		t.Fatal(err)
	}
	var samples strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			samples.WriteString(line)
		}
	}
	return samples.String()
}

// Everything that is known is shown, with a value that follows from what was handed in; testdata/shown has it.
func TestAllThatIsKnownIsShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		c := collector(reading(clicks, now))
		observation, plan := decide(now)
		c.Decided(observation, plan, 20*time.Millisecond, errors.New("no answer"))
		c.Decided(observation, plan, 40*time.Millisecond, nil)
		datadriven.RunTest(t, "testdata/shown", func(*testing.T, *datadriven.TestData) string { return shown(t, c) })
	})
}

// Unknown is not zero: what is not known is left out.
func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		before := shown(t, collector())
		for _, absent := range []string{"pending_rows", "in_flight", "oldest", "arrived", "settled", "late", "plan_timestamp", "pool_", "queue_jobs", "nightshift_forecast_wape_ratio{ahead=\"0h-6h\",queue=\"nightly\""} {
			if strings.Contains(before, absent) {
				t.Errorf("nothing was read or decided yet, but %s is shown:\n%s", absent, before)
			}
		}
		failed, old, uncounted, undated, empty := reading(clicks, now), reading(clicks, now.Add(-61*time.Second)), reading(clicks, now), reading(clicks, now), reading(clicks, now)
		failed.Err = "no answer" // with the counts that were read last
		uncounted.Pending, uncounted.InFlight, uncounted.Arrived, uncounted.Settled, uncounted.Oldest = -1, -1, -1, -1, time.Time{}
		undated.Oldest = time.Time{}
		empty.Pending, empty.InFlight, empty.Oldest = 0, 0, time.Time{}
		const queue = `{queue="clicks",tenant="acme"} `
		known := "nightshift_queue_backlog_known" + queue + "1\n"
		counts := "nightshift_queue_in_flight_rows" + queue + "2\n"
		totals := "nightshift_queue_settled_rows_total" + queue + "100\n"
		arrived := "nightshift_queue_arrived_rows_total" + queue + "109\n"
		for name, one := range map[string]struct {
			reading orchestrator.BacklogStatus
			want    string
		}{
			"failed":    {failed, "nightshift_queue_backlog_known" + queue + "0\n"},
			"old":       {old, "nightshift_queue_backlog_known" + queue + "0\n"},
			"uncounted": {uncounted, known},
			"undated":   {undated, arrived + known + counts + "nightshift_queue_pending_rows" + queue + "7\n" + totals},
			"empty": {empty, arrived + known + "nightshift_queue_in_flight_rows" + queue + "0\n" + "nightshift_queue_late" + queue + "0\n" +
				"nightshift_queue_oldest_row_age_seconds" + queue + "0\nnightshift_queue_pending_rows" + queue + "0\n" + totals},
		} {
			got := ""
			for line := range strings.Lines(shown(t, collector(one.reading))) {
				if strings.HasPrefix(line, "nightshift_queue_") && strings.Contains(line, queue) {
					got += line
				}
			}
			if diff := cmp.Diff(one.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	})
}

// An engine that does not answer, or has not for long, and a job of unknown length leave out what follows from them, and nothing else.
func TestUnknownPoolsAndJobsAreLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		observation, plan := decide(now)
		observation.Pools[0].Reading.Err = "no answer"
		observation.Pools[1].Reading.At = now.Add(-61 * time.Second)
		observation.Jobs[1].RowsLeft = -1
		c := collector()
		c.Decided(observation, plan, 0, nil)
		text := shown(t, c)
		for _, absent := range []string{"nightshift_pool_replicas{", "cost_per_hour", "replica_seconds", "taken", `job_rows{queue="nightly"`} {
			if strings.Contains(text, absent) {
				t.Errorf("%s is shown", absent)
			}
		}
		for _, present := range []string{`job_rows{queue="lax",tenant="beta"} 0`, `wanted_replicas{capacity_type="spot",pool="spot"} 4`, `queue_jobs{queue="nightly",state="queued",tenant="beta"} 3`} {
			if !strings.Contains(text, present) {
				t.Errorf("%s is not shown", present)
			}
		}
	})
}

// A queue is late when a job is known to be; it is not when all that are due are known not to be.
func TestLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		observation, plan := decide(now)
		late, fine, unsaid := observation.Jobs[1], observation.Jobs[2], observation.Jobs[2]
		unsaid.ID = "unsaid" // nothing is planned of it
		for name, one := range map[string]struct {
			jobs []orchestrator.JobView
			want string
		}{
			"none":            {nil, ""},
			"never due":       {observation.Jobs[3:], ""},
			"in time":         {[]orchestrator.JobView{fine}, "0\n"},
			"nobody can say":  {[]orchestrator.JobView{fine, unsaid}, ""},
			"late for sure":   {[]orchestrator.JobView{fine, unsaid, late}, "1\n"},
			"the past is due": {observation.Jobs[:1], "1\n"},
		} {
			observation.Jobs = one.jobs
			c := collector()
			c.Decided(observation, plan, 0, nil)
			_, got, _ := strings.Cut(shown(t, c), `nightshift_queue_late{queue="nightly",tenant="beta"} `)
			if !strings.HasPrefix(got, one.want) || one.want == "" && got != "" {
				t.Errorf("%s: %.10q, want %q", name, got, one.want)
			}
		}
	})
}

// gather is what a collector shows that knows everything.
func gather(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	c := collector(reading(clicks, time.Now()))
	observation, plan := decide(time.Now())
	c.Decided(observation, plan, 0, nil)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// Names are as Prometheus' own linter wants them.
func TestNamesFollowTheConventions(t *testing.T) {
	t.Parallel()
	families := gather(t)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}
