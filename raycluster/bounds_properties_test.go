package raycluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator/poolslots"
)

// moved is a world whose group Ray's autoscaler sizes, within bounds that the user may change.
type moved struct {
	*world
	user Bounds
}

func (w *moved) edit(least, most int32) {
	w.user = Bounds{int(least), int(most)}
	w.group().MinReplicas, w.group().MaxReplicas = &least, &most
	w.cluster.Generation++
}

// MB1 to MB9: whatever happens in whatever order, only the bounds are written while Ray's autoscaler is on and never while it is off, but to put them back; no bound makes
// it take a node on which somebody works; and once nothing happens any more the group is as it was asked for, and the user's bounds are known, or stand there again.
func TestBoundsEndAsAskedFor(t *testing.T) {
	rapid.Check(t, endAsAskedFor)
}

func endAsAskedFor(t *rapid.T) {
	perReplica := rapid.IntRange(1, 2).Draw(t, "per replica")
	w := &moved{world: newWorld(0, 0, 9), user: Bounds{0, 9}}
	w.bounds, w.deaf = true, rapid.Bool().Draw(t, "deaf")
	w.switchOn(true)
	w.sync()
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
	t.Repeat(map[string]func(*rapid.T){
		"decide": func(t *rapid.T) {
			target = rapid.IntRange(0, 6).Draw(t, "target")
			_ = w.decide(e, target, perReplica)
		},
		"decide again": func(*rapid.T) { _ = w.decide(e, target, perReplica) },
		"pass":         func(t *rapid.T) { _ = e.pass(t.Context()) },
		"watch":        func(*rapid.T) { w.sync() },
		"KubeRay":      func(*rapid.T) { w.kubeRay() },
		"autoscaler": func(t *rapid.T) {
			if autoscaled(w.cluster) {
				w.autoscale(rapid.Bool().Draw(t, "idle"))
			}
		},
		"driver": func(*rapid.T) { w.drive() },
		"ready":  func(t *rapid.T) { w.ready(someone(t, slices.Sorted(maps.Keys(w.pods)))) },
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
		"notice": func(t *rapid.T) {
			w.pods[someone(t, slices.Sorted(maps.Keys(w.pods)))].Annotations = map[string]string{terminating: "soon"}
		},
		"the user edits the bounds": func(t *rapid.T) {
			if !autoscaled(w.cluster) {
				t.Skip("a lower minReplicas removes pods then")
			}
			w.edit(rapid.Int32Range(0, 2).Draw(t, "least"), rapid.Int32Range(10, 12).Draw(t, "most"))
		},
		"the autoscaler is switched": func(t *rapid.T) {
			if autoscaled(w.cluster) { // as whoever does so waits until it has written what there is
				w.autoscale(false)
				w.kubeRay()
				if group := w.group(); len(w.pods) != max(min(int(*group.Replicas), int(*group.MaxReplicas)), int(*group.MinReplicas)) {
					t.Skip("it is not at rest")
				}
			}
			w.switchOn(!autoscaled(w.cluster))
		},
		"a while passes": func(t *rapid.T) {
			for range 2 {
				if autoscaled(w.cluster) {
					w.autoscale(false)
				}
				w.kubeRay()
				for name := range w.pods {
					w.ready(name)
				}
				w.sync()
				_ = e.pass(t.Context())
				w.drive()
			}
		},
		"the service dies": func(*rapid.T) { e = w.engine(perReplica) },
		"": func(t *rapid.T) {
			if len(w.others)+len(w.overcut)+len(w.random)+len(w.killed) > 0 {
				t.Fatalf("written %v, busy and taken by the autoscaler %v, taken by KubeRay %v, busy and named %v", w.others, w.overcut, w.random, w.killed)
			}
		},
	})
	w.answers = nil
	w.comesToRest(t, e, target, perReplica)
}

// comesToRest lets everything come to its end.
func (w *moved) comesToRest(t *rapid.T, e *Engine, target, slots int) {
	for minute := range 25 {
		w.sync()
		_ = e.pass(t.Context()) // reads the slots anew after an answer that was lost
		w.age(e, time.Minute)
		if err := errors.Join(w.decide(e, target, slots), e.pass(t.Context())); err != nil && !errors.As(err, new(refusal)) {
			t.Fatal(err)
		}
		for name, pod := range w.pods {
			if pod.DeletionTimestamp != nil || pod.Annotations[terminating] != "" { // it was given notice, and goes
				w.remove(name)
			}
		}
		w.drive()
		for id := range w.drains {
			delete(w.workers, id)
			delete(w.drains, id)
		}
		if autoscaled(w.cluster) {
			w.autoscale(minute > 10)
		}
		w.kubeRay()
		for name := range w.pods {
			w.ready(name)
		}
		w.drive()
	}
	want := max(target, w.user.Min)
	group := w.group()
	stands := Bounds{int(*group.MinReplicas), int(*group.MaxReplicas)}
	if len(w.pods) != want || len(w.workers) != want*slots || len(w.others)+len(w.overcut)+len(w.random)+len(w.killed) > 0 {
		t.Fatalf("pods %d, workers %d, want %d; bounds %v, replicas %d; written %v, busy and taken %v, taken by KubeRay %v, busy and named %v", len(w.pods), len(w.workers), want, stands, *group.Replicas, w.others, w.overcut, w.random, w.killed)
	}
	text, there := w.cluster.Annotations[boundsAnnotation("spot")]
	kept := readMoved(text)
	switch {
	case stands == w.user && (!there || kept.Ours != stands):
	case autoscaled(w.cluster) && kept != nil && kept.User == w.user && kept.Ours == stands && stands == Bounds{want, want}:
	default:
		t.Fatalf("autoscaled %t: bounds %v, the user's are %v, and %q says otherwise", autoscaled(w.cluster), stands, w.user, text)
	}
	if there && !autoscaled(w.cluster) {
		t.Fatalf("left over: %q", text)
	}
	patches, revision := w.patches, w.revision
	w.sync()
	if err := errors.Join(w.decide(e, want, slots), e.pass(t.Context())); err != nil || w.patches != patches || w.revision != revision {
		t.Fatalf("with nothing to do: %d patches and %d writes (%v)", w.patches-patches, w.revision-revision, err)
	}
}

// age lets time pass for replicas that were let go.
func (w *world) age(e *Engine, by time.Duration) {
	w.slots.Replicas = slices.Clone(w.slots.Replicas)
	for i := range w.slots.Replicas {
		if one := &w.slots.Replicas[i]; goes(*one) {
			one.Since = one.Since.Add(-by)
		}
	}
	e.record = poolslots.New(e.config.Pool, w, e.config.NotFound)
	_, _ = e.record.Load(context.Background()) // or the next pass does
}
