package flowtest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/control"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/embedded"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/state"
	"nightshift.dev/nightshift/orchestrator/worker"
)

type inProcess struct {
	t       *testing.T
	ctx     context.Context
	store   *state.Store
	n       int
	want    int
}

func (e *inProcess) Observe(context.Context) orchestrator.PoolView {
	return orchestrator.PoolView{Name: "local", Replicas: e.want, Reading: orchestrator.Reading{At: time.Now()}}
}
func (e *inProcess) Scale(_ context.Context, n int, leaving []string) error {
	e.t.Log("scale to", n, leaving)
	for i := e.want; i < n; i++ {
		e.n++
		w := worker.New(worker.Config{ID: fmt.Sprintf("local-%d-%d", i, e.n), Pool: "local", Slot: i, Grace: time.Second, Heartbeat: time.Second, Orphan: time.Minute, Log: slog.Default()}, e.store)
		go func() { e.t.Log("worker ended", w.Run(e.ctx)) }()
	}
	e.want = n
	return nil
}

type noEvents struct{ t *testing.T }

func (e noEvents) Announce(_ context.Context, j orchestrator.Job) error { e.t.Log(j.ID, j.State); return nil }

func TestFlow(t *testing.T) {
	dir := t.TempDir()
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, "ident.py"), []byte("class Identity:\n    def __call__(self, batch):\n        return batch\n"), 0o644))
	must(os.WriteFile(filepath.Join(dir, "docs.yaml"), []byte(`
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: ident}
spec: {scorer: {python: "ident:Identity", path: ., interpreter: /tmp/v1/bin/python}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: local}
spec: {engine: local, capacityType: on-demand, price: {amount: "0.10", currency: EUR}, replicas: {max: 2}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: ident}
spec: {source: jobs, model: ident, pools: [local], input: {roots: ["."]}, output: {root: out}}
`), 0o644))
	var in bytes.Buffer
	for i := range 1_000_000 {
		fmt.Fprintf(&in, `{"id":"tx-%09d","amount":%d.25,"ratio":0.%06d,"hour":%d,"count":%d,"pad":"xxxxxxxxxx"}`+"\n", i, i%1000, i, i%24, i%77)
	}
	must(os.WriteFile(filepath.Join(dir, "in.jsonl"), in.Bytes(), 0o644))
	srv, err := embedded.Start(embedded.Config{Dir: filepath.Join(dir, "nats"), Port: -1})
	must(err)
	defer srv.Stop()
	nc, err := srv.Connect()
	must(err)
	store, err := state.Create(t.Context(), nc, state.Config{})
	must(err)
	set, err := catalog.Read([]string{filepath.Join(dir, "docs.yaml")})
	must(err)
	py, _ := filepath.Abs("../../raycluster/python")
	cat := catalog.New(set, py)
	ctx, cancel := context.WithCancel(t.Context())
	var loop *control.Loop
	d := dispatch.New(dispatch.Config{Store: store, Catalog: cat, Events: noEvents{t}, Log: slog.Default(), Wake: func() { loop.Wake() },
		Estimate: func(r planner.Request) orchestrator.Estimate { return planner.Estimate(r, orchestrator.Observation{}, cat.Policy(), time.Now()) }})
	loop = control.New(control.Config{Store: store, Jobs: d, Engines: map[string]control.Engine{"local": &inProcess{t: t, ctx: ctx, store: store}}, Policy: cat.Policy, Speeds: cat.Speeds, PresenceTTL: 10 * time.Second, Log: slog.Default()})
	done := make(chan struct{})
	go func() { _ = d.Run(ctx); close(done) }()
	go func() { _ = loop.Run(ctx) }()
	<-d.Ready()
	for round := range 2 {
		began := time.Now()
		job, _, err := d.Submit(ctx, dispatch.Submission{Tenant: "default", Queue: "ident", Spec: orchestrator.JobSpec{Input: []string{"file://" + filepath.Join(dir, "in.jsonl")}, Key: "id"}})
		must(err)
		t.Logf("submitted %+v in %s", job.Estimate, time.Since(began))
		for !job.State.Final() {
			time.Sleep(10 * time.Millisecond)
			if time.Since(began) > 60*time.Second {
				t.Fatalf("stuck: %+v\n%s", job, planner.Explain(loop.Plan()))
			}
			job, err = d.Find("default", job.ID)
			must(err)
		}
		el := time.Since(began)
		t.Logf("round %d: %s in %s = %.0f rows/s; counts %+v actual %+v failure %v", round, job.State, el, 1e6/el.Seconds(), job.Counts, job.Actual, job.Failure)
		m, _ := os.ReadFile(strings.TrimPrefix(job.Manifest, "file://"))
		t.Log(string(m[:min(len(m), 1500)]))
	}
	t.Log(planner.Explain(loop.Plan()))
	cancel()
	<-done
}

var _ = document.Set{}
