package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/calendar"
	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/control"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/forecaster"
	"nightshift.dev/nightshift/orchestrator/local"
	"nightshift.dev/nightshift/orchestrator/metrics"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/service"
	"nightshift.dev/nightshift/orchestrator/state"
	"nightshift.dev/nightshift/raycluster/python"
)

// serviceOptions are the flags that `dev` and `run` share.
type serviceOptions struct {
	documents     []string
	dir           string
	ackWait       time.Duration
	grace         time.Duration
	orphanTimeout time.Duration
	keepWorkers   bool
	replicas      int
	maxStore      int64
	metrics       string // address of the endpoint; empty: there is none
	embedded      bool   // the NATS server is in this process
}

// installation is a running service: everything but NATS.
type installation struct {
	options    serviceOptions
	store      *state.Store
	dispatcher *dispatch.Dispatcher
	loop       *control.Loop
	calendar   *calendar.Calendar
	sources    *sources
	forecaster *forecaster.Forecaster
	service    *service.Service
	collector  *metrics.Collector
	metrics    *metrics.Server // nil: there is none
	engines    []*local.Engine
	rays       rayPools
	argo       argoPools
	steps      stepsPlaces
	documents  document.Set
	cancel     context.CancelFunc
	running    sync.WaitGroup
	failed     chan error
}

// startService reads the documents, puts the rooms together and starts them. reach is
// the environment by which workers connect to NATS.
func startService(ctx context.Context, nc *nats.Conn, reach []string, options serviceOptions, log *slog.Logger) (*installation, error) {
	set, err := catalog.Read(options.documents)
	if err != nil {
		return nil, err
	}
	pythonPath := filepath.Join(options.dir, "python", python.Digest())
	if err := python.Write(pythonPath); err != nil {
		return nil, err
	}
	store, err := createStore(ctx, nc, state.Config{AckWait: options.ackWait, Replicas: options.replicas, MaxBytes: options.maxStore}, log)
	if err != nil {
		return nil, err
	}
	in := &installation{options: options, store: store, documents: set, failed: make(chan error, 8)}
	documents := catalog.New(set, pythonPath)
	bare, err := set.Bare().Encode()
	if err != nil {
		return nil, err
	}
	engines := map[string]control.Engine{}
	for _, pool := range documents.Pools(document.EngineLocal) {
		engine, err := in.engine(pool, reach, log)
		if err != nil {
			return nil, err
		}
		engines[pool.Name] = engine
		in.engines = append(in.engines, engine)
	}
	if in.rays, err = in.newRayPools(documents.Pools(document.EngineRay), log); err != nil {
		return nil, err
	}
	for pool, engine := range in.rays.engines {
		engines[pool] = engine
	}
	if in.argo, err = in.newArgoPools(documents.Pools(document.EngineArgo), log); err != nil {
		return nil, err
	}
	for pool, engine := range in.argo.engines {
		engines[pool] = engine
	}
	in.steps = newSteps(set.Queues, log)
	in.forecaster = forecaster.New(forecaster.Config{
		Store: store, Queues: forecastQueues(set), Log: log, Known: func(now time.Time) []orchestrator.Peak { return in.calendar.Peaks(now, calendar.Horizon) },
		Submitted: func(from, to time.Time) map[orchestrator.QueueName]int64 { return in.dispatcher.Submitted(from, to) },
		Model: func(of orchestrator.QueueName) orchestrator.ModelRef {
			model, _ := in.keptModels(ctx, documents.Snapshot)(of.Queue, nil) // without its artifacts it has no digest, which jobs hear
			return orchestrator.ModelRef{Name: model.Name, Digest: model.Digest}
		},
	})
	sources, err := newSources(nc, documents.Drained(), in.forecaster.Hear)
	if err != nil {
		return nil, err
	}
	in.sources = sources
	in.dispatcher = dispatch.New(dispatch.Config{
		Drained: sources.queues(), Sources: sources, Steps: in.steps.in,
		Store: store, Catalog: documents, Events: service.Events{Store: store}, Log: log, Wake: func() { in.loop.Wake() },
		Estimate: func(request planner.Request) orchestrator.Estimate {
			return planner.Estimate(request, in.loop.Nearby(ctx), documents.Policy(), time.Now().UTC())
		},
	})
	in.calendar = calendar.New(calendar.Config{Store: store, Jobs: in.dispatcher, Documents: documents.Documents, Model: in.keptModels(ctx, documents.Snapshot), Prewarm: in.prewarm(ctx, documents.Policy), Log: log})
	in.collector = metrics.New(metrics.Config{
		Queues: measuredQueues(set), Policy: documents.Policy, Version: version,
		Sources: metrics.Sources{Backlogs: func() []orchestrator.BacklogStatus { return in.loop.Backlogs() }, Forecast: in.forecaster.Forecast},
	})
	in.loop = control.New(control.Config{
		Store: store, Jobs: in.dispatcher, Engines: engines, Policy: documents.Policy, Speeds: documents.Speeds,
		Backlogs: sources.backlogs, Drains: in.dispatcher, Expected: in.expected, Decided: in.collector.Decided,
		Documents: string(bare), PresenceTTL: presenceTTL, Log: log,
	})
	return in, in.run(ctx, nc, log)
}

// forecastQueues are all queues.
func forecastQueues(set document.Set) (queues []forecaster.Queue) {
	for _, one := range set.Queues {
		queues = append(queues, forecaster.Queue{
			QueueName: orchestrator.QueueName{Tenant: one.Spec.Tenant, Queue: one.Name}, Zone: one.Spec.Zone(), Holidays: one.Spec.Calendar.Holidays,
			Drains: one.Spec.Source != document.SourceJobs, ByTheClock: one.Spec.Objective.TimeZone != "",
		})
	}
	return queues
}

// measuredQueues are all queues, too.
func measuredQueues(set document.Set) (queues []metrics.Queue) {
	for _, one := range set.Queues {
		name := orchestrator.QueueName{Tenant: one.Spec.Tenant, Queue: one.Name}
		queues = append(queues, metrics.Queue{QueueName: name, Drains: one.Spec.Source != document.SourceJobs})
	}
	return queues
}

// presenceTTL is five heartbeats of a worker.
const presenceTTL = 5 * heartbeat

func (in *installation) engine(pool document.Pool, reach []string, log *slog.Logger) (*local.Engine, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	grace := in.options.grace
	var granted func(time.Duration) int
	if pool.Spec.Interruptions != nil {
		trace, err := interruptedBy(pool)
		if err != nil {
			return nil, err
		}
		granted = func(since time.Duration) int { return trace.At(replayed(pool, since)) }
		grace = min(grace, time.Duration(float64(pool.Spec.Notice)*workedOn))
	}
	config := local.Config{
		Pool: pool.Name, Slots: pool.Spec.SlotsPerReplica, Dir: filepath.Join(in.options.dir, "local"), Grace: in.options.grace + 5*time.Second, Log: log,
		Env: reach, Granted: granted, Notice: pool.Spec.Notice, Changed: func() { in.loop.Wake() },
		Command: func(id string, slot int) []string {
			return []string{
				program, "worker", "--pool", pool.Name, "--id", id, "--slot", strconv.Itoa(slot),
				"--ack-wait", in.options.ackWait.String(), "--grace", grace.String(), "--orphan-timeout", in.options.orphanTimeout.String(),
			}
		},
	}
	if own := pool.Spec.Local; own != nil {
		config.Own, config.MostGrace, config.Command = true, own.MaxGrace, func(string, int) []string { return own.Command }
		config.Env = append(slices.Clone(reach), kafkaVariables(in.documents.Queues, pool.Name)...)
	}
	return local.New(config)
}

// run starts the loops and, when the stored jobs are known, the service.
func (in *installation) run(ctx context.Context, nc *nats.Conn, log *slog.Logger) error {
	ctx, in.cancel = context.WithCancel(context.WithoutCancel(ctx))
	start := func(what string, run func(context.Context) error) {
		in.running.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				in.failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	if in.options.metrics != "" {
		var err error
		if in.metrics, err = metrics.Listen(ctx, in.options.metrics); err != nil {
			return err
		}
		start("metrics", func(ctx context.Context) error { return in.metrics.Serve(ctx, in.collector) })
	}
	in.steps.run(start)
	start("dispatcher", in.dispatcher.Run)
	select {
	case <-in.dispatcher.Ready():
	case err := <-in.failed:
		return err
	case <-time.After(time.Minute):
		return fmt.Errorf("read the stored jobs: no answer from JetStream within a minute")
	}
	start("control loop", in.loop.Run)
	start("forecaster", in.forecaster.Run)
	start("schedules", in.calendar.Run)
	for _, engine := range in.engines {
		start("local engine", engine.Run)
	}
	in.rays.run(start)
	in.argo.run(start)
	config := service.Config{Conn: nc, Store: in.store, Jobs: in.dispatcher, Plan: in.loop.Plan, Backlogs: in.loop.Backlogs, Forecast: in.forecaster.Forecast, Observe: in.loop.Nearby, Schedules: in.calendar, Documents: in.documents, Version: version, Log: log}
	if in.options.embedded {
		config.EmbeddedServer = nc.ConnectedServerId()
	}
	var err error
	in.service, err = service.Start(config)
	return err
}

// stop ends in order: no more requests, no more decisions, then the workers, which finish or hand back what they hold.
func (in *installation) stop() error {
	in.service.Stop()
	in.cancel()
	in.running.Wait()
	in.sources.close()
	if in.options.keepWorkers {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), in.options.grace+20*time.Second)
	defer cancel()
	for _, engine := range in.engines {
		if err := engine.Stop(ctx); err != nil {
			return err
		}
	}
	return nil
}
