package ray

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/control"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/service"
)

const documents = `
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: double}
spec:
  scorer: {python: "double:Double", path: ., interpreter: python3}
  batchRows: 50
---
apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: gpu}
spec: {engine: local, capacityType: on-demand, price: {amount: "0.10", currency: EUR}, replicas: {min: 1, max: 1}, slotsPerReplica: 2}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: double}
spec: {source: jobs, model: double, pools: [gpu], input: {roots: [in]}, output: {root: out}}
`

const scorerSource = `
class Double:
    def __call__(self, batch):
        return {"double": [2 * n for n in batch["n"]]}
`

// given is an engine whose replicas are there already.
type given struct{}

func (given) Observe(context.Context) orchestrator.PoolView {
	return orchestrator.PoolView{Name: pool, Replicas: 1, Slots: 2, Reading: orchestrator.Reading{At: time.Now().UTC(), Source: "test"}}
}

func (given) Scale(context.Context, orchestrator.PoolPlan, []string) error { return nil }

func (given) Ended() []string { return nil }

// score has the workers that are present score a job, decided on by a dispatcher and a control loop of the test. The scorer host is found in the package only.
func (s *site) score(rows int) {
	s.t.Helper()
	dir := s.t.TempDir()
	var input strings.Builder
	for i := range rows {
		fmt.Fprintf(&input, "{\"id\":\"r%d\",\"n\":%d}\n", i, i)
	}
	for name, content := range map[string]string{"documents.yaml": documents, "double.py": scorerSource, "in/rows.jsonl": input.String()} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			s.t.Fatal(err)
		}
	}
	set, err := catalog.Read([]string{filepath.Join(dir, "documents.yaml")})
	if err != nil {
		s.t.Fatal(err)
	}
	read := catalog.New(set, "/nowhere/python")
	log := slog.New(slog.DiscardHandler)
	var loop *control.Loop
	dispatcher := dispatch.New(dispatch.Config{
		Store: s.store, Catalog: read, Events: service.Events{Store: s.store}, Log: log, Wake: func() { loop.Wake() },
		Estimate: func(request planner.Request) orchestrator.Estimate {
			return planner.Estimate(request, orchestrator.Observation{}, read.Policy(), time.Now().UTC())
		},
	})
	loop = control.New(control.Config{
		Store: s.store, Jobs: dispatcher, Engines: map[string]control.Engine{pool: given{}}, Policy: read.Policy, Speeds: read.Speeds, PresenceTTL: 10 * time.Second, Log: log,
	})
	ctx, stop := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	defer func() { stop(); running.Wait() }()
	running.Go(func() { _ = dispatcher.Run(ctx) }) // until it is stopped
	<-dispatcher.Ready()
	running.Go(func() { _ = loop.Run(ctx) }) // likewise
	job, _, err := dispatcher.Submit(ctx, dispatch.Submission{
		Tenant: "default", Queue: "double", Digest: "content", Spec: orchestrator.JobSpec{Input: []string{"file://" + filepath.Join(dir, "in", "rows.jsonl")}, Key: "id"},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for late := time.Now().Add(within); !job.State.Final(); {
		if job, err = dispatcher.Find("default", job.ID); err != nil {
			s.t.Fatal(err)
		}
		if time.Now().After(late) {
			s.t.Fatalf("the job is %s within %s: %+v\n%+v", job.State, within, job, s.await("anybody", func(map[int]orchestrator.Presence) bool { return true }))
		}
		select {
		case <-time.After(50 * time.Millisecond): // the dispatcher tells by events only, which tell less
		case <-ctx.Done():
		}
	}
	if job.State != orchestrator.JobSucceeded || job.Counts.RowsDone != int64(rows) {
		s.t.Errorf("the job is %s with %d of %d rows: %+v", job.State, job.Counts.RowsDone, rows, job.Failure)
	}
}
