package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/apiserver"
	"nightshift.dev/nightshift/orchestrator/control"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/state"
	"nightshift.dev/nightshift/raycluster"
	"nightshift.dev/nightshift/raycluster/driver"
)

// rayPools are the engines of pools in RayClusters, and the watches that they share.
type rayPools struct {
	engines    map[string]control.Engine // by pool
	sizing     []*raycluster.Engine      // of them, those that write
	namespaces map[place]*namespace
	nodes      map[string]*raycluster.Nodes // by context
}

// place is a namespace of an API server.
type place struct{ context, namespace string }

// namespace is the watch of a place, and the engines that hear of it.
type namespace struct {
	*raycluster.Namespace
	engines map[string][]interface{ Kick() } // by RayCluster
}

// newRayPools prepares them; nothing is asked for before run.
func (in *installation) newRayPools(pools []document.Pool, log *slog.Logger) (rayPools, error) {
	made := rayPools{engines: map[string]control.Engine{}, namespaces: map[place]*namespace{}, nodes: map[string]*raycluster.Nodes{}}
	if len(pools) == 0 {
		return made, nil
	}
	file, err := os.Executable()
	if err != nil {
		return rayPools{}, fmt.Errorf("find this program: %w", err)
	}
	program, err := driver.OpenProgram(file)
	if err != nil {
		return rayPools{}, err
	}
	for _, pool := range pools {
		group := pool.Spec.Ray
		within, err := made.namespace(place{group.Context, group.Namespace})
		if err != nil {
			return rayPools{}, err
		}
		if pool.Spec.Mode == document.ModeObserve {
			watcher := raycluster.NewWatcher(raycluster.WatcherConfig{
				Pool: pool.Name, Name: group.Namespace + "/" + group.Cluster, Group: group.Group, Cluster: within.Cluster(group.Cluster), Changed: func() { in.loop.Wake() },
			})
			within.engines[group.Cluster] = append(within.engines[group.Cluster], watcher)
			made.engines[pool.Name] = watcher
			continue
		}
		engine := raycluster.New(raycluster.Config{
			Pool: pool.Name, Name: group.Namespace + "/" + group.Cluster, Group: group.Group, PerReplica: pool.Spec.SlotsPerReplica, Bounds: group.Autoscaler == document.AutoscalerBounds,
			GrantLimit: group.GrantLimit, RetryAfter: group.RetryAfter, Cluster: within.Cluster(group.Cluster),
			Protect: raycluster.Protection{Pods: within.Pods(group.Cluster), For: group.DoNotDisrupt}, Driver: newRayDriver(pool, program, in.options), Slots: in.store, NotFound: state.ErrNotFound,
			Workers: func() []orchestrator.Presence { return in.loop.WorkersIn(pool.Name) }, Changed: func() { in.loop.Wake() }, Log: log,
		})
		within.engines[group.Cluster] = append(within.engines[group.Cluster], engine)
		made.engines[pool.Name], made.sizing = engine, append(made.sizing, engine)
	}
	return made, nil
}

// namespace gives the watch of a place, a new one where there is none.
func (r rayPools) namespace(at place) (*namespace, error) {
	if known := r.namespaces[at]; known != nil {
		return known, nil
	}
	config, err := apiserver.Connect(at.context)
	if err != nil {
		return nil, err
	}
	if r.nodes[at.context] == nil {
		if r.nodes[at.context], err = raycluster.NewNodes(config); err != nil {
			return nil, err
		}
	}
	made := &namespace{engines: map[string][]interface{ Kick() }{}}
	made.Namespace, err = raycluster.NewNamespace(config, at.namespace, r.nodes[at.context], func(cluster string) {
		for _, engine := range made.engines[cluster] {
			engine.Kick()
		}
	})
	r.namespaces[at] = made
	return made, err
}

// run starts the watches and the engines.
func (r rayPools) run(start func(what string, run func(context.Context) error)) {
	for _, watched := range r.namespaces {
		start("watch of RayClusters", watched.Run)
	}
	for _, nodes := range r.nodes {
		start("watch of nodes", nodes.Run)
	}
	for _, engine := range r.sizing {
		start("engine of a worker group", engine.Run)
	}
}
