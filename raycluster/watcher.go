package raycluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// WatcherConfig is what a watcher works with.
type WatcherConfig struct {
	Pool    string
	Name    string // namespace/name of the RayCluster, as people write it
	Group   string
	Cluster Cluster // only See is called
	Changed func()  // is called when the group has changed
}

// Watcher says how many replicas a worker group has that somebody else sizes. It writes nothing: docs/observe.md.
type Watcher struct {
	config WatcherConfig

	mu     sync.Mutex
	last   int // replicas, when that was last known
	looked string
}

// NewWatcher makes a watcher.
func NewWatcher(config WatcherConfig) *Watcher { return &Watcher{config: config} }

// Kick says that something may have changed. It never blocks.
func (w *Watcher) Kick() {
	group, err := w.group(w.config.Cluster.See())
	looked := group.looks(err)
	w.mu.Lock()
	changed := looked != w.looked
	w.looked = looked
	w.mu.Unlock()
	if changed {
		w.config.Changed()
	}
}

func (w *Watcher) group(seen Seen) (Group, error) {
	if seen.Err != nil {
		return Group{}, seen.Err
	}
	if seen.Cluster == nil {
		return Group{}, fmt.Errorf("there is no RayCluster %s", w.config.Name)
	}
	return View(seen.Cluster, seen.Pods, w.config.Group)
}

// Observe counts the replicas that there are, whoever asked for them (OB2).
func (w *Watcher) Observe(context.Context) orchestrator.PoolView {
	seen := w.config.Cluster.See()
	group, err := w.group(seen)
	w.mu.Lock()
	defer w.mu.Unlock()
	view := orchestrator.PoolView{Name: w.config.Pool, Replicas: w.last, Reading: orchestrator.Reading{At: seen.At.UTC(), Source: "RayCluster " + w.config.Name}}
	if err != nil {
		view.Reading.Err = err.Error()
		return view
	}
	w.last = len(group.present())
	view.Replicas = w.last
	return view
}

// present are the replicas that are not being deleted.
func (g Group) present() (there []Replica) {
	for _, one := range g.Have {
		if one.Phase != PhaseDeleted {
			there = append(there, one)
		}
	}
	return there
}

// Running are the replicas that are ready, as consumers of which nobody asks what they do: where workers of nightshift ran, any of them could go (OB4).
func (w *Watcher) Running() (list []orchestrator.Consumer, own bool) {
	group, err := w.group(w.config.Cluster.See())
	if err != nil {
		return nil, true
	}
	for slot, one := range group.present() {
		if one.Phase == PhaseReady {
			list = append(list, orchestrator.Consumer{ID: one.Pods[0], Slot: slot, Started: one.Created, Unasked: true})
		}
	}
	return list, true
}

// Leave does nothing.
func (w *Watcher) Leave(string, time.Duration) error { return nil }

// Scale does nothing.
func (w *Watcher) Scale(context.Context, orchestrator.PoolPlan, []string) error { return nil }

// Ended are no workers.
func (w *Watcher) Ended() []string { return nil }
