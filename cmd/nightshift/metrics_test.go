package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/arrivals"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/metrics"
	"nightshift.dev/nightshift/orchestrator/state"
)

// A backlog that the user's own consumer, which only waits, works off, and a queue of jobs.
const measuredDocuments = `apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: theirs}
spec:
  scorer: {command: ["true"]}
  profile: {load: 1s, batches: [{rows: 1, rowsPerSecond: 1}]}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: own}
spec:
  local: {command: [sleep, "3600"]}
  replicas: {max: 2}
  price: {amount: "0.25", currency: EUR}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: cpu}
spec: {replicas: {max: 1}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: work}
spec:
  tenant: acme
  source: nats
  delivery: external
  nats: {stream: WORK, consumer: own}
  model: theirs
  pools: [own]
  objective: {finishWithin: 20s}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: nightly}
spec: {tenant: acme, model: theirs, pools: [cpu], input: {roots: [.]}, output: {root: results}}
`

// TestMetrics scrapes a real service: what its backlog, its pool and its forecasts are is what the API says of them, and what becomes unknown goes.
func TestMetrics(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	server := embeddedtest.Start(t)
	conn := embeddedtest.Connect(t, server)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "WORK", Subjects: []string{"work"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(ctx, "WORK", jetstream.ConsumerConfig{Durable: "own", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	for range 70 {
		if _, err := js.Publish(ctx, "work", []byte("row")); err != nil {
			t.Fatal(err)
		}
	}
	store, err := state.Create(ctx, conn, state.Config{MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	rememberNights(ctx, t, store, orchestrator.QueueName{Tenant: "acme", Queue: "nightly"})

	in := serveMetrics(ctx, t, server.URL())
	address := "http://" + in.metrics.Address() + "/metrics"
	client := &client{conn: conn, tenant: "acme", within: 10 * time.Second}
	var seen samples
	until := func(what string, holds func() bool) {
		t.Helper()
		waitUntil(ctx, t, what, func() (bool, string) {
			seen = scraped(ctx, t, address)
			return holds(), fmt.Sprint(seen)
		})
	}
	const work = "queue=work,tenant=acme"
	until("what waits, and who was asked for", func() bool {
		return seen.has("nightshift_queue_pending_rows", work, 70) && seen.has("nightshift_queue_in_flight_rows", work, 0) && seen.has("nightshift_queue_backlog_known", work, 1) &&
			seen.has("nightshift_queue_arrived_rows_total", work, 70) && seen.has("nightshift_queue_backlog_workers", work, 0) &&
			seen.has("nightshift_pool_wanted_replicas", "capacity_type=on-demand,pool=own", 2) && seen.has("nightshift_pool_replicas", "capacity_type=on-demand,pool=own", 2) &&
			seen.has("nightshift_pool_workers", "capacity_type=on-demand,pool=own,state=unknown", 2) &&
			seen.has("nightshift_pool_cost_per_hour", "capacity_type=on-demand,currency=EUR,pool=own", .5) && seen.has("nightshift_queue_jobs", "queue=nightly,state=queued,tenant=acme", 0)
	})
	if age, known := seen["nightshift_queue_oldest_row_age_seconds{"+work+"}"]; !known || age <= 0 || age > 120 {
		t.Errorf("the oldest row is %g s old (%v)", age, known)
	}
	until("the forecast of the API", func() bool { return seen.matches(t, forecastOf(ctx, t, client, "nightly")) })
	if seen["nightshift_plan_compute_seconds{}"] < 2 || seen["nightshift_plan_timestamp_seconds{}"] < float64(time.Now().Add(-time.Minute).Unix()) {
		t.Errorf("decisions: %v", seen)
	}

	if err := js.DeleteConsumer(ctx, "WORK", "own"); err != nil {
		t.Fatal(err)
	}
	until("the unknown backlog is gone, and not zero", func() bool {
		return seen.has("nightshift_queue_backlog_known", work, 0) && seen.lacks("nightshift_queue_pending_rows", "nightshift_queue_in_flight_rows", "nightshift_queue_oldest_row_age_seconds", "nightshift_queue_late{"+work)
	})
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
		t.Error("metrics are served after the service has ended")
	}
}

// serveMetrics starts the service; an address that is taken keeps another one from it.
func serveMetrics(ctx context.Context, t *testing.T, url string) *installation {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "nightshift.yaml")
	if err := os.WriteFile(file, []byte(measuredDocuments), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &program{nats: url, ignoreDev: true}
	conn, err := p.dial("nightshift service")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	options := serviceOptions{documents: []string{file}, dir: filepath.Join(folder, "state"), grace: 5 * time.Second, ackWait: 30 * time.Second, orphanTimeout: time.Minute, maxStore: 64 << 20, metrics: ":0"}
	in, err := startService(ctx, conn, p.reach(), options, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	second := run(ctx, url, nil, "run", "-f", file, "--dir", filepath.Join(folder, "second"), "--max-store", fmt.Sprint(options.maxStore), "--metrics", in.metrics.Address())
	if second.code != 1 || !strings.Contains(second.errs, "serve metrics: ") || !strings.Contains(second.errs, "address already in use") {
		t.Errorf("a second service at one address: %+v", second)
	}
	return in
}

// rememberNights puts two weeks of arrivals into the store, most of them at two in the morning.
func rememberNights(ctx context.Context, t *testing.T, store *state.Store, queue orchestrator.QueueName) {
	t.Helper()
	var windows arrivals.Windows
	until := time.Now().UTC().Truncate(arrivals.Window)
	for at := until.AddDate(0, 0, -14); at.Before(until); at = at.Add(arrivals.Window) {
		rows := 100 + int64(at.Minute()+at.Day())
		if at.Hour() == 2 {
			rows *= 50
		}
		windows.Count(at, rows)
	}
	data, err := windows.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if err := store.PutArrivals(ctx, queue, data); err != nil {
		t.Fatal(err)
	}
}

func forecastOf(ctx context.Context, t *testing.T, client *client, queue string) orchestrator.QueueForecast {
	t.Helper()
	answer, err := request[api.ForecastResponse](ctx, client, "forecast", api.ForecastRequest{Queue: queue})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Forecast
}

// samples are what a scrape gave, by "NAME{LABEL=VALUE,...}"; of a histogram, how many were observed.
type samples map[string]float64

func scraped(ctx context.Context, t *testing.T, address string) samples {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", response.Status, err)
	}
	found := samples{}
	for name, family := range families {
		if !strings.HasPrefix(name, "nightshift_") {
			continue
		}
		for _, metric := range family.GetMetric() {
			found[name+"{"+labelsOf(metric)+"}"] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return found
}

func labelsOf(metric *dto.Metric) string {
	var labels []string
	for _, label := range metric.GetLabel() {
		labels = append(labels, label.GetName()+"="+label.GetValue())
	}
	return strings.Join(labels, ",")
}

func (s samples) has(name, labels string, value float64) bool {
	got, known := s[name+"{"+labels+"}"]
	return known && got == value
}

// lacks says whether no sample begins so.
func (s samples) lacks(beginnings ...string) bool {
	for name := range s {
		for _, beginning := range beginnings {
			if strings.HasPrefix(name, beginning) {
				return false
			}
		}
	}
	return true
}

// matches says whether all that is said of a forecast that has learned is what the API says, and as much of it.
func (s samples) matches(t *testing.T, told orchestrator.QueueForecast) bool {
	t.Helper()
	queue := "queue=" + told.Queue + ",tenant=" + told.Tenant
	on := 0.0
	if told.On {
		on = 1
	}
	want := samples{"nightshift_forecast_on{" + queue + "}": on, "nightshift_forecast_trials{" + queue + "}": float64(told.Trials), "nightshift_forecast_learned_timestamp_seconds{" + queue + "}": float64(told.Learned.UnixMilli()) / 1000}
	for _, quarter := range told.ByHorizon {
		ahead := "ahead=" + metrics.Ahead(quarter) + ","
		want["nightshift_forecast_wape_ratio{"+ahead+queue+"}"] = orNaN(quarter.WAPE)
		want["nightshift_forecast_underprovision_ratio{"+ahead+queue+"}"] = orNaN(quarter.Underprovision)
		want["nightshift_forecast_pinball_loss_rows{"+ahead+"level=0.5,"+queue+"}"] = orNaN(quarter.Pinball50)
		want["nightshift_forecast_pinball_loss_rows{"+ahead+"level=0.9,"+queue+"}"] = orNaN(quarter.Pinball90)
		want["nightshift_forecast_pinball_loss_rows{"+ahead+"level=0.95,"+queue+"}"] = orNaN(quarter.Pinball95)
	}
	if told.Trials < 5 || len(told.ByHorizon) != 4 {
		return false
	}
	for name, value := range want {
		if got, known := s[name]; known == math.IsNaN(value) || known && got != value {
			return false
		}
	}
	return true
}

// orNaN is the value, or NaN where there is none.
func orNaN(value *float64) float64 {
	if value == nil {
		return math.NaN()
	}
	return *value
}
