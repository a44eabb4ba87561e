package raycluster

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// RC10 to RC18 and CP1 to CP6: whatever happens in whatever order, no pod whose worker runs is named, KubeRay never has to choose a pod itself, an index belongs to one
// replica; and once nothing happens any more, the group is as it was asked for, and nothing is left over.
func TestGroupEndsAsAskedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perReplica := rapid.IntRange(1, 2).Draw(t, "per replica")
		w := newWorld(int32(rapid.IntRange(0, 3).Draw(t, "replicas")), int32(rapid.IntRange(0, 1).Draw(t, "min")), 6)
		e := w.engine(perReplica)
		target := 0
		w.answers = func() error {
			if rapid.IntRange(0, 9).Draw(t, "answer") == 0 {
				return errors.New("the answer was lost")
			}
			return nil
		}
		someone := func(t *rapid.T, names []string) string {
			if len(names) == 0 {
				t.Skip("nobody")
			}
			return rapid.SampledFrom(names).Draw(t, "who")
		}
		indexes := map[string]int{}
		t.Repeat(map[string]func(*rapid.T){
			"decide": func(t *rapid.T) {
				target = rapid.IntRange(0, 6).Draw(t, "target")
				_ = w.decide(e, target, perReplica)
			},
			"decide again": func(*rapid.T) { _ = w.decide(e, target, perReplica) },
			"pass":         func(t *rapid.T) { _ = e.pass(t.Context()) },
			"watch":        func(*rapid.T) { w.sync() },
			"KubeRay":      func(*rapid.T) { w.kubeRay() },
			"driver":       func(*rapid.T) { w.drive() },
			"ready":        func(t *rapid.T) { w.ready(someone(t, slices.Sorted(maps.Keys(w.pods)))) },
			"worker ends": func(t *rapid.T) {
				id := someone(t, slices.Sorted(maps.Keys(w.drains)))
				delete(w.workers, id)
				delete(w.drains, id)
			},
			"spot loss": func(t *rapid.T) {
				name := someone(t, slices.Sorted(maps.Keys(w.pods)))
				now := metav1.NewTime(time.Now())
				w.pods[name].DeletionTimestamp = &now
			},
			"notice": func(t *rapid.T) { // RC22
				w.pods[someone(t, slices.Sorted(maps.Keys(w.pods)))].Annotations = map[string]string{terminating: "soon"}
			},
			"pod gone": func(t *rapid.T) {
				var going []string
				for name, pod := range w.pods {
					if pod.DeletionTimestamp != nil {
						going = append(going, name)
					}
				}
				slices.Sort(going)
				w.remove(someone(t, going))
			},
			"the service dies": func(*rapid.T) { e = w.engine(perReplica) },
			"": func(t *rapid.T) {
				if len(w.killed)+len(w.random) > 0 {
					t.Fatalf("killed %v; chosen by KubeRay %v", w.killed, w.random)
				}
				for _, one := range w.slots.Replicas {
					for name, index := range indexes {
						if _, lives := w.pods[name]; lives && (name == one.Pods[0]) != (index == one.Index) {
							t.Fatalf("pod %s has index %d, and %s has %d", name, index, one.Pods[0], one.Index)
						}
					}
					indexes[one.Pods[0]] = one.Index
				}
			},
		})
		w.answers = nil
		settle(t, w, e, target, perReplica)
	})
}

// settle lets everything come to its end.
func settle(t *rapid.T, w *world, e *Engine, target, slots int) {
	for range 20 {
		w.sync()
		_ = e.pass(t.Context()) // reads the slots anew after an answer that was lost
		if err := errors.Join(w.decide(e, target, slots), e.pass(t.Context())); err != nil {
			t.Fatal(err)
		}
		for name, pod := range w.pods {
			if pod.DeletionTimestamp != nil {
				w.remove(name)
			}
		}
		w.kubeRay()
		for name := range w.pods {
			w.ready(name)
		}
		w.drive()
		for id := range w.drains {
			delete(w.workers, id)
			delete(w.drains, id)
		}
	}
	want := max(target, int(*w.group().MinReplicas))
	if got := int(*w.group().Replicas); max(got, int(*w.group().MinReplicas)) != want || len(w.pods) != want || len(w.group().ScaleStrategy.WorkersToDelete) > 0 || len(w.workers) != want*slots {
		t.Fatalf("replicas %d, pods %d, workers %d, named %v; want %d", got, len(w.pods), len(w.workers), w.group().ScaleStrategy.WorkersToDelete, want)
	}
	for name, pod := range w.pods {
		if pod.Annotations[terminating] != "" {
			t.Fatalf("%s was given notice and is still there", name)
		}
	}
	for _, one := range w.slots.Replicas {
		if one.Leaving || w.pods[one.Pods[0]] == nil {
			t.Fatalf("left over: %+v", one)
		}
	}
	if len(w.killed)+len(w.random) > 0 {
		t.Fatalf("killed %v; chosen by KubeRay %v", w.killed, w.random)
	}
	patches, revision := w.patches, w.revision
	w.sync()
	if err := errors.Join(w.decide(e, want, slots), e.pass(t.Context())); err != nil || w.patches != patches || w.revision != revision {
		t.Fatalf("with nothing to do: %d patches and %d writes (%v)", w.patches-patches, w.revision-revision, err)
	}
	if w.cluster.Annotations["theirs"] != "kept" {
		t.Fatal("another's annotation is gone")
	}
}
