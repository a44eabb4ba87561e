package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/state"
	"nightshift.dev/nightshift/raycluster"
	"nightshift.dev/nightshift/raycluster/driver"
)

// rayPools are the engines of pools in RayClusters, and the watches that they share.
type rayPools struct {
	engines    map[string]*raycluster.Engine // by pool
	namespaces []*raycluster.Namespace
}

// place is a namespace of an API server.
type place struct{ context, namespace string }

// newRayPools prepares them; nothing is asked for before run.
func (in *installation) newRayPools(pools []document.Pool, log *slog.Logger) (rayPools, error) {
	made := rayPools{engines: map[string]*raycluster.Engine{}}
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
	of := map[place]map[string][]*raycluster.Engine{} // by RayCluster
	known := map[place]*raycluster.Namespace{}
	for _, pool := range pools {
		group := pool.Spec.Ray
		at := place{group.Context, group.Namespace}
		if known[at] == nil {
			config, err := raycluster.Connect(group.Context)
			if err != nil {
				return rayPools{}, err
			}
			engines := map[string][]*raycluster.Engine{}
			of[at] = engines
			namespace, err := raycluster.NewNamespace(config, group.Namespace, func(cluster string) {
				for _, engine := range engines[cluster] {
					engine.Kick()
				}
			})
			if err != nil {
				return rayPools{}, err
			}
			known[at] = namespace
			made.namespaces = append(made.namespaces, namespace)
		}
		engine := raycluster.New(raycluster.Config{
			Pool: pool.Name, Name: group.Namespace + "/" + group.Cluster, Group: group.Group, PerReplica: pool.Spec.SlotsPerReplica,
			GrantLimit: group.GrantLimit, RetryAfter: group.RetryAfter, Cluster: known[at].Cluster(group.Cluster), Driver: newRayDriver(pool, program, in.options), Slots: in.store, NotFound: state.ErrNotFound,
			Workers: func() []orchestrator.Presence { return in.loop.Workers() }, Changed: func() { in.loop.Wake() }, Log: log,
		})
		of[at][group.Cluster] = append(of[at][group.Cluster], engine)
		made.engines[pool.Name] = engine
	}
	return made, nil
}

// run starts the watches and the engines.
func (r rayPools) run(start func(what string, run func(context.Context) error)) {
	for _, namespace := range r.namespaces {
		start("watch of RayClusters", namespace.Run)
	}
	for _, engine := range r.engines {
		start("engine of a worker group", engine.Run)
	}
}
