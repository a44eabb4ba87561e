package raycluster

import (
	"errors"
	"slices"
	"testing"

	"nightshift.dev/nightshift/orchestrator"
)

// OB1 and OB2: what is there is counted, though Ray's autoscaler sizes the group and `replicas` says something else, and nothing is written. A change is told once.
func TestWatcherCountsWhatIsThere(t *testing.T) {
	w := newWorld(3, 0, 8)
	yes := true
	w.cluster.Spec.EnableInTreeAutoscaling = &yes
	w.kubeRay()
	changes := 0
	watcher := NewWatcher(WatcherConfig{Pool: "gpu", Name: "a/scoring", Group: "spot", Cluster: w, Changed: func() { changes++ }})
	*w.group().Replicas = 0 // the autoscaler leaves it
	w.ready("scoring-spot-worker-002")
	w.sync()
	watcher.Kick()
	watcher.Kick()
	view := watcher.Observe(t.Context())
	if view.Replicas != 3 || view.Reading.Err != "" || changes != 1 {
		t.Errorf("%+v, told %d times", view, changes)
	}
	if err := watcher.Scale(t.Context(), orchestrator.PoolPlan{From: 3, Replicas: 8}, nil); err != nil || w.patches != 0 {
		t.Errorf("%v, %d patches", err, w.patches)
	}
	running, own := watcher.Running()
	names := func(list []orchestrator.Consumer) (names []string) {
		for _, one := range list {
			names = append(names, one.ID)
		}
		return names
	}
	if got := names(running); !own || !slices.Equal(got, []string{"scoring-spot-worker-002"}) || !running[0].Unasked {
		t.Errorf("%v run, own %t", got, own)
	}
	w.seen.Err = errors.New("the watch was cut")
	if view := watcher.Observe(t.Context()); view.Replicas != 3 || view.Reading.Err != "the watch was cut" {
		t.Errorf("unknown: %+v", view)
	}
}
