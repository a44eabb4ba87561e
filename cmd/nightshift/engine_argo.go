package main

import (
	"context"
	"log/slog"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/apiserver"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/state"
	"nightshift.dev/nightshift/workflows"
)

// argoPools are the engines of pools in Workflows of Argo, and the watches that they share.
type argoPools struct {
	engines map[string]*workflows.Engine // by pool
	places  map[argoPlace]*argoNamespace
}

// argoPlace is a namespace of an API server, and the ConfigMap with its semaphores.
type argoPlace struct{ context, namespace, configMap string }

// argoNamespace is the watch of a place, and the engines that hear of it.
type argoNamespace struct {
	*workflows.Namespace
	engines []*workflows.Engine
}

// newArgoPools prepares them; nothing is asked for before run.
func (in *installation) newArgoPools(pools []document.Pool, log *slog.Logger) (argoPools, error) {
	made := argoPools{engines: map[string]*workflows.Engine{}, places: map[argoPlace]*argoNamespace{}}
	for _, pool := range pools {
		of := pool.Spec.Argo
		within, err := made.place(argoPlace{of.Context, of.Namespace, of.Semaphore.ConfigMap})
		if err != nil {
			return argoPools{}, err
		}
		engine := workflows.New(workflows.Config{
			Made:      workflows.Made{Pool: pool.Name, Namespace: of.Namespace, Template: of.Template, Key: of.Semaphore.Key, MaxLife: of.MaxLife},
			ConfigMap: of.Semaphore.ConfigMap, PerMinute: of.CreationsPerMinute, See: within.See, Runners: within, Semaphores: within, Slots: in.store, NotFound: state.ErrNotFound,
			Workers: func() []orchestrator.Presence { return in.loop.WorkersIn(pool.Name) }, Changed: func() { in.loop.Wake() }, Log: log,
		})
		within.engines = append(within.engines, engine)
		made.engines[pool.Name] = engine
	}
	return made, nil
}

// place gives the watch of a place, a new one where there is none.
func (a argoPools) place(at argoPlace) (*argoNamespace, error) {
	if known := a.places[at]; known != nil {
		return known, nil
	}
	config, err := apiserver.Connect(at.context)
	if err != nil {
		return nil, err
	}
	made := &argoNamespace{}
	made.Namespace, err = workflows.NewNamespace(config, at.namespace, at.configMap, func() {
		for _, engine := range made.engines {
			engine.Kick()
		}
	})
	a.places[at] = made
	return made, err
}

// run starts the watches and the engines.
func (a argoPools) run(start func(what string, run func(context.Context) error)) {
	for _, watched := range a.places {
		start("watch of Workflows", watched.Run)
	}
	for _, engine := range a.engines {
		start("engine of runners", engine.Run)
	}
}
