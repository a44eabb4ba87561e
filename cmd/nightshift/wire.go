package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/control"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/local"
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
	embedded      bool // the NATS server is in this process
}

// installation is a running service: everything but NATS.
type installation struct {
	options    serviceOptions
	store      *state.Store
	dispatcher *dispatch.Dispatcher
	loop       *control.Loop
	sources    *sources
	service    *service.Service
	engines    []*local.Engine
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
	store, err := state.Create(ctx, nc, state.Config{AckWait: options.ackWait, Replicas: options.replicas, MaxBytes: options.maxStore})
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
	for _, pool := range documents.Local() {
		engine, err := in.engine(pool, reach, log)
		if err != nil {
			return nil, err
		}
		engines[pool.Name] = engine
		in.engines = append(in.engines, engine)
	}
	sources, err := newSources(nc, documents.Drained())
	if err != nil {
		return nil, err
	}
	in.sources = sources
	in.dispatcher = dispatch.New(dispatch.Config{
		Drained: sources.queues(), Sources: sources,
		Store: store, Catalog: documents, Events: service.Events{Store: store}, Log: log, Wake: func() { in.loop.Wake() },
		Estimate: func(request planner.Request) orchestrator.Estimate {
			return planner.Estimate(request, in.loop.Nearby(ctx), documents.Policy(), time.Now().UTC())
		},
	})
	in.loop = control.New(control.Config{
		Store: store, Jobs: in.dispatcher, Engines: engines, Policy: documents.Policy, Speeds: documents.Speeds,
		Backlogs: sources.backlogs, Drains: in.dispatcher,
		Documents: string(bare), PresenceTTL: presenceTTL, Log: log,
	})
	return in, in.run(ctx, nc, log)
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
	return local.New(local.Config{
		Pool: pool.Name, Slots: pool.Spec.SlotsPerReplica, Dir: filepath.Join(in.options.dir, "local"), Grace: in.options.grace + 5*time.Second, Log: log,
		Env: reach, Granted: granted, Notice: pool.Spec.Notice, Changed: func() { in.loop.Wake() },
		Command: func(id string, slot int) []string {
			return []string{
				program, "worker", "--pool", pool.Name, "--id", id, "--slot", strconv.Itoa(slot),
				"--ack-wait", in.options.ackWait.String(), "--grace", grace.String(), "--orphan-timeout", in.options.orphanTimeout.String(),
			}
		},
	})
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
	start("dispatcher", in.dispatcher.Run)
	select {
	case <-in.dispatcher.Ready():
	case err := <-in.failed:
		return err
	case <-time.After(time.Minute):
		return fmt.Errorf("read the stored jobs: no answer from JetStream within a minute")
	}
	start("control loop", in.loop.Run)
	for _, engine := range in.engines {
		start("local engine", engine.Run)
	}
	config := service.Config{Conn: nc, Store: in.store, Jobs: in.dispatcher, Plan: in.loop.Plan, Backlogs: in.loop.Backlogs, Observe: in.loop.Nearby, Documents: in.documents, Version: version, Log: log}
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
