package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nightshift.dev/nightshift/orchestrator"
)

// Queue is one of those that the documents have.
type Queue struct {
	orchestrator.QueueName
	Drains bool // rows come from a source; else with jobs
}

// Sources are asked at every scrape.
type Sources struct {
	// Backlogs are the newest readings.
	Backlogs func() []orchestrator.BacklogStatus
	// Forecast tells what is known of a queue, with the history since a time; false: nobody looks after it.
	Forecast func(of orchestrator.QueueName, since time.Time) (orchestrator.QueueForecast, bool)
}

// Config is what a collector works with.
type Config struct {
	Sources
	Queues  []Queue
	Policy  func() orchestrator.Policy
	Version string // of the program
}

// Collector is a prometheus.Collector. It is safe for concurrent use.
type Collector struct {
	config   Config
	compute  prometheus.Histogram
	failures prometheus.Counter

	mu   sync.Mutex
	last *decision // nil: nothing was decided yet
}

// decision is what was decided, and on what; nobody changes either.
type decision struct {
	observation orchestrator.Observation
	plan        orchestrator.Plan
}

// computeBuckets are in seconds, from decisions on a few jobs to those on very many.
var computeBuckets = []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3, 10}

// New makes a collector.
func New(config Config) *Collector {
	return &Collector{
		config:   config,
		compute:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "nightshift_plan_compute_seconds", Help: "How long decisions took to compute.", Buckets: computeBuckets}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "nightshift_plan_failures_total", Help: "Decisions that were not applied whole, and were followed by another."}),
	}
}

// Decided hears of a decision: on what, how long it took to compute, and what kept it from being applied whole (nil: nothing).
func (c *Collector) Decided(observation orchestrator.Observation, plan orchestrator.Plan, took time.Duration, err error) {
	c.compute.Observe(took.Seconds())
	if err != nil {
		c.failures.Inc()
	}
	c.mu.Lock()
	c.last = &decision{observation, plan}
	c.mu.Unlock()
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, one := range descriptions {
		to <- one
	}
	c.compute.Describe(to)
	c.failures.Describe(to)
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	s := scrape{to: to, now: time.Now().UTC()}
	s.gauge(buildInfo, 1, c.config.Version)
	c.compute.Collect(to)
	c.failures.Collect(to)
	policy := c.config.Policy()
	for _, one := range c.config.Queues {
		told, known := c.config.Forecast(one.QueueName, s.now)
		if known {
			s.forecast(told)
		}
	}
	s.backlogs(c.config.Queues, c.config.Backlogs(), policy)
	if last != nil {
		s.gauge(planTimestamp, seconds(last.plan.At))
		s.jobs(c.config.Queues, last)
		s.pools(policy, last)
	}
}

// scrape is one time that Prometheus asks.
type scrape struct {
	to  chan<- prometheus.Metric
	now time.Time
}

func (s scrape) gauge(of *prometheus.Desc, value float64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, value, labels...)
}

func (s scrape) counter(of *prometheus.Desc, value float64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(of, prometheus.CounterValue, value, labels...)
}

// seconds since the Unix epoch.
func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

// one is 1 for true.
func one(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}
