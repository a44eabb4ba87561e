package document

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

const installation = `
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: fraud}
spec:
  scorer: {python: "fraud:FraudModel", path: model, env: {A: "1"}, parameters: {threshold: 0.5, trees: 10}}
  artifacts: [model.onnx]
  columns: {amount: float64}
  batchRows: 2000
  profile: {load: 2500ms, memory: 300Mi, batches: [{rows: 4096, rowsPerSecond: 300}, {rows: 1024, rowsPerSecond: 200}, {rows: 10, rowsPerSecond: 100}]}
---
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: unmeasured}
spec: {scorer: {command: [./bin/score, --fast]}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: limited}
spec: {scorer: {command: [./bin/score]}, memoryLimit: 2Gi}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: spot}
spec: {capacityType: spot, price: {amount: "0.05", currency: EUR}, replicas: {min: 1, max: 4}, slotsPerReplica: 2, memoryPerReplica: 4Gi, scaleDownDelay: 1m, startTime: 1500ms, interruptions: {trace: a.json, speed: 200}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: demand}
spec: {replicas: {max: 1}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: nightly}
spec: {model: fraud, pools: [spot, demand], tenant: payments, input: {roots: [data, /srv/data/, "s3://in/2026?region=eu-central-1"], inbox: up/load}, output: {root: "../results"}, limits: {maxWorkers: 3}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: hourly}
spec: {model: fraud, pools: [demand], input: {roots: ["file:///"]}, output: {root: "s3://out?region=eu-central-1"}, limits: {maxOpenJobs: 2}, objective: {finishWithin: 1h}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: other}
spec: {model: unmeasured, pools: [spot], input: {roots: [.]}, output: {root: .}}
`

func decoded(t *testing.T, text string) Set {
	t.Helper()
	set, err := Decode(File{"nightshift.yaml", []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	want := orchestrator.Policy{
		StaleAfter: time.Minute,
		Pools: []orchestrator.PoolPolicy{
			{Name: "demand", CapacityType: orchestrator.CapacityOnDemand, Max: 1, SlotsPerReplica: 1, ScaleDownDelay: 30 * time.Second, StartSeconds: 1},
			{Name: "spot", CapacityType: orchestrator.CapacitySpot, Price: orchestrator.Money{Micros: 50_000, Currency: "EUR"}, Min: 1, Max: 4,
				SlotsPerReplica: 2, ScaleDownDelay: time.Minute, StartSeconds: 1.5, Notice: 15 * time.Second, TimeScale: 200, MemoryPerReplica: 4 << 30},
		},
		Models: []orchestrator.ModelPolicy{{Name: "fraud", Memory: 300 << 20}, {Name: "limited", MemoryLimit: 2 << 30}, {Name: "unmeasured"}},
		Queues: []orchestrator.QueuePolicy{
			{Name: "hourly", Tenant: "default", Pools: []string{"demand"}, MaxOpenJobs: 2, Weight: 1, FinishWithin: time.Hour},
			{Name: "nightly", Tenant: "payments", Pools: []string{"spot", "demand"}, MaxOpenJobs: 8, MaxWorkers: 3, Weight: 1},
			{Name: "other", Tenant: "default", Pools: []string{"spot"}, MaxOpenJobs: 8, Weight: 1},
		},
	}
	if diff := cmp.Diff(want, decoded(t, installation).Policy()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSpeeds(t *testing.T) {
	t.Parallel()
	want := []orchestrator.Speed{
		{Model: "fraud", Pool: "demand", RowsPerSecond: 200, LoadSeconds: 2.5, Basis: "profile"},
		{Model: "fraud", Pool: "spot", RowsPerSecond: 200, LoadSeconds: 2.5, Basis: "profile"},
	}
	if diff := cmp.Diff(want, decoded(t, installation).Speeds()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	profile := Profile{Batches: []BatchSpeed{{4096, 300}, {10, 100}, {1024, 200}}}
	for batchRows, want := range map[int]float64{1: 100, 10: 100, 1023: 100, 1024: 200, 4095: 200, 4096: 300, 9999: 300} {
		if got := profile.speed(batchRows); got != want {
			t.Errorf("speed of batches of %d rows = %v, want %v", batchRows, got, want)
		}
	}
}

func TestFindByName(t *testing.T) {
	t.Parallel()
	set := decoded(t, installation)
	model, found := set.Model("unmeasured")
	if want := (Position{"nightshift.yaml", 12}); !found || model.Position != want {
		t.Errorf("Model: found %v at %v, want it at %v", found, model.Position, want)
	}
	if pool, found := set.Pool("spot"); !found || pool.Name != "spot" {
		t.Errorf("Pool: found %v, %v", found, pool)
	}
	if queue, found := set.Queue("nightly"); !found || queue.Name != "nightly" {
		t.Errorf("Queue: found %v, %v", found, queue)
	}
	_, model1 := set.Model("nightly")
	_, pool := set.Pool("nightly")
	_, queue := set.Queue("fraud")
	if model1 || pool || queue {
		t.Errorf("found what is not declared: model %v, pool %v, queue %v", model1, pool, queue)
	}
}
