package raycluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"

	"nightshift.dev/nightshift/orchestrator"
)

// autoscaledWorld gives a group with so many pods that are ready and have workers, within the user's bounds 0 to 8, and an engine that has read it.
func autoscaledWorld(t *testing.T, replicas int32) (*world, *Engine) {
	t.Helper()
	w := newWorld(replicas, 0, 8)
	w.bounds = true
	w.switchOn(true)
	e := w.engine(1)
	w.passes(t, e)
	w.drive()
	return w, e
}

// passes lets KubeRay, the kubelets and the watch do what they do, and the engine look.
func (w *world) passes(t *testing.T, e *Engine) {
	t.Helper()
	w.kubeRay()
	for name := range w.pods {
		w.ready(name)
	}
	w.sync()
	pass(t, e)
}

// says gives the bounds, replicas, what is named, and the annotation.
func (w *world) says() string {
	group := w.group()
	return fmt.Sprintf("%d..%d replicas %d named %v %s", *group.MinReplicas, *group.MaxReplicas, *group.Replicas, group.ScaleStrategy.WorkersToDelete, w.cluster.Annotations[boundsAnnotation("spot")])
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// MB2 to MB5: nothing is written before something else is wanted than there is; growing sets both bounds; shrinking lowers the lower one at once and the upper one when the
// workers have ended. replicas and workersToDelete are as the autoscaler left them all along.
func TestBoundsFollowThePlan(t *testing.T) {
	w, e := autoscaledWorld(t, 2)
	expect(t, "at first", w.says(), "0..8 replicas 2 named [] ")
	view := e.Observe(t.Context())
	if view.Replicas != 2 || view.Least != 0 || *view.Most != 8 || view.Reading.Err != "" {
		t.Errorf("at first: %+v", view)
	}
	if err := w.decide(e, 4, 1); err != nil {
		t.Fatal(err)
	}
	expect(t, "four are wanted", w.says(), `4..4 replicas 2 named [] {"user":{"min":0,"max":8},"ours":{"min":4,"max":4}}`)
	if words := w.cluster.Annotations["nightshift.dev/plan-spot"]; !strings.HasPrefix(words, "2->4") {
		t.Errorf("told: %q", words)
	}
	w.passes(t, e) // pods come, and replicas stays 2
	w.drive()
	expect(t, "four are there", w.says(), `4..4 replicas 2 named [] {"user":{"min":0,"max":8},"ours":{"min":4,"max":4}}`)
	if view = e.Observe(t.Context()); view.Replicas != 4 || *view.Most != 8 {
		t.Errorf("four are there: %+v", view)
	}
	if err := w.decide(e, 1, 1); err != nil {
		t.Fatal(err)
	}
	expect(t, "one is wanted", w.says(), `1..4 replicas 2 named [] {"user":{"min":0,"max":8},"ours":{"min":1,"max":4}}`)
	for _, id := range slices.Sorted(maps.Keys(w.drains))[:2] {
		delete(w.workers, id)
		delete(w.drains, id)
	}
	w.passes(t, e)
	expect(t, "two workers have ended", w.says(), `1..2 replicas 2 named [] {"user":{"min":0,"max":8},"ours":{"min":1,"max":2}}`)
	if view = e.Observe(t.Context()); view.Replicas != 1 {
		t.Errorf("two workers have ended: %+v", view)
	}
	e.slots().Replicas[slices.IndexFunc(e.slots().Replicas, func(one orchestrator.ReplicaSlots) bool { return goes(one) && w.worksIn(one.Pods[0]) > 0 })].Since = time.Now().Add(-drainLimit)
	w.passes(t, e)
	expect(t, "one works for too long", w.says(), `1..1 replicas 2 named [] {"user":{"min":0,"max":8},"ours":{"min":1,"max":1}}`)
	if len(w.others) > 0 {
		t.Errorf("written: %v", w.others)
	}
}

// MB3: the user may change the bounds at any time: they count from then on, and are moved with the next decision.
func TestUsersBoundsCount(t *testing.T) {
	w, e := autoscaledWorld(t, 2)
	if err := w.decide(e, 3, 1); err != nil {
		t.Fatal(err)
	}
	least, most := int32(1), int32(4)
	w.group().MinReplicas, w.group().MaxReplicas = &least, &most
	w.cluster.Generation++
	w.passes(t, e)
	expect(t, "changed", w.says(), `1..4 replicas 2 named [] {"user":{"min":0,"max":8},"ours":{"min":3,"max":3}}`)
	if view := e.Observe(t.Context()); view.Replicas != 2 || view.Least != 1 || *view.Most != 4 {
		t.Errorf("changed: %+v", view)
	}
	if err := w.decide(e, 9, 1); err != nil {
		t.Fatal(err)
	}
	expect(t, "more than they allow", w.says(), `4..4 replicas 2 named [] {"user":{"min":1,"max":4},"ours":{"min":4,"max":4}}`)
}

// MB4: what is written is tested: the group's place, the mode, and both bounds.
func TestBoundsPatch(t *testing.T) {
	on := true
	group := Group{Place: 1, Bounds: Bounds{1, 4}, Autoscaled: true, InTree: &on}
	got := string(encode(group.boundsPatch("spot", Bounds{3, 4})))
	want := `[{"op":"test","path":"/spec/workerGroupSpecs/1/groupName","value":"spot"},{"op":"test","path":"/spec/enableInTreeAutoscaling","value":true},` +
		`{"op":"test","path":"/spec/workerGroupSpecs/1/minReplicas","value":1},{"op":"test","path":"/spec/workerGroupSpecs/1/maxReplicas","value":4},` +
		`{"op":"replace","path":"/spec/workerGroupSpecs/1/minReplicas","value":3}]`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// MB6: what was let go and is kept in place of another counts again, after a while, and no more than are missing.
func TestTakenBack(t *testing.T) {
	group := Group{Autoscaled: true, Bounds: Bounds{2, 2}, Have: []Replica{one("stays", PhaseReady, 0), one("kept", PhaseReady, 1), one("works", PhaseReady, 2), one("deleted", PhaseDeleted, 3), one("noticed", PhaseReady, 4), one("kept too", PhaseReady, 5)}}
	group.Have[4].Notice = "the node goes"
	slots := Keep(orchestrator.PoolSlots{}, group, 1, 1, two)
	for i := 1; i < 6; i++ {
		slots.Replicas[i].Leaving, slots.Replicas[i].Since = true, two
	}
	staff := map[int]Staff{2: {Workers: 1}}
	back := func(after time.Duration) (list []string) {
		for _, one := range TakeBack(slots, group, staff, two.Add(after)).Replicas {
			if !one.Leaving {
				list = append(list, one.Pods[0])
			}
		}
		return list
	}
	expect(t, "soon", fmt.Sprint(back(takenBackAfter-1)), "[stays]")
	expect(t, "later", fmt.Sprint(back(takenBackAfter)), "[stays kept]")
	group.Bounds.Min = 9
	expect(t, "many are missing", fmt.Sprint(back(takenBackAfter)), "[stays kept kept too]")
	group.Bounds.Min = 1
	expect(t, "nobody is missing", fmt.Sprint(back(takenBackAfter)), "[stays]")
}

// MB7: the user's bounds are put back, with as many replicas as there are, when the autoscaler is switched off or the pool does not say bounds any more.
func TestBoundsArePutBack(t *testing.T) {
	for name, tc := range map[string]struct {
		switchOff, edited bool
		want              string
	}{
		"switched off":         {switchOff: true, want: "0..8 replicas 3 named [] "},
		"the pool says refuse": {want: "0..8 replicas 1 named [] "},
		"somebody was quicker": {edited: true, want: "2..5 replicas 1 named [] "},
	} {
		w, e := autoscaledWorld(t, 1)
		if err := w.decide(e, 3, 1); err != nil {
			t.Fatal(err)
		}
		w.passes(t, e)
		if tc.edited {
			least, most := int32(2), int32(5)
			w.group().MinReplicas, w.group().MaxReplicas = &least, &most
		}
		w.switchOn(!tc.switchOff)
		w.bounds = tc.switchOff
		e = w.engine(1)
		w.passes(t, e)
		expect(t, name, w.says(), tc.want)
		w.passes(t, e)
		patches := w.patches
		w.passes(t, e)
		if len(w.pods) != 3 || len(w.random) > 0 || w.patches != patches {
			t.Errorf("%s: %d pods, chosen by KubeRay %v, %d patches more", name, len(w.pods), w.random, w.patches-patches)
		}
		if refused := strings.Contains(e.Observe(t.Context()).Reading.Err, autoscalerSizes); refused == tc.switchOff {
			t.Errorf("%s: %+v", name, e.Observe(t.Context()).Reading)
		}
	}
}

// MB9: after a death between the record and the patch the bounds follow.
func TestBoundsFollowTheRecord(t *testing.T) {
	w, e := autoscaledWorld(t, 3)
	if err := w.decide(e, 3, 2); err != nil { // another number of slots: the bounds are taken over
		t.Fatal(err)
	}
	w.answers = func() error { return context.DeadlineExceeded } // the record is written, and nobody is told
	_ = w.decide(e, 2, 2)
	w.answers = nil
	expect(t, "it has died", w.says(), `3..3 replicas 3 named [] {"user":{"min":0,"max":8},"ours":{"min":3,"max":3}}`)
	e = w.engine(1)
	w.passes(t, e)
	if err := w.decide(e, 2, 2); err != nil {
		t.Fatal(err)
	}
	expect(t, "the next start", w.says(), `2..3 replicas 3 named [] {"user":{"min":0,"max":8},"ours":{"min":2,"max":3}}`)
	if going := countGoing(w.slots); going != 1 {
		t.Errorf("%d are let go, want 1", going)
	}
}

// MB1: who else sizes the group, or counts otherwise, is a reason to refuse; doctor and kubectl say the same as the engine.
func TestWhatIsRefusedBesideTheAutoscaler(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*rayv1.RayCluster)
		scaler []Scaler
		want   string
	}{
		"nothing":       {change: func(*rayv1.RayCluster) {}},
		"Kueue":         {change: func(of *rayv1.RayCluster) { of.Labels = map[string]string{queueLabel: "gpus"} }, want: "Kueue admits"},
		"several hosts": {change: func(of *rayv1.RayCluster) { of.Spec.WorkerGroupSpecs[1].NumOfHosts = 2 }, want: "which counts hosts"},
		"KEDA":          {change: func(*rayv1.RayCluster) {}, scaler: []Scaler{{"ScaledObject", "lag", "RayCluster", "scoring"}}, want: "ScaledObject lag names"},
	} {
		w := newWorld(0, 0, 8)
		w.bounds = true
		w.switchOn(true)
		tc.change(w.cluster)
		w.sync()
		w.seen.Scalers = tc.scaler
		e := w.engine(1)
		pass(t, e)
		if got := e.Observe(t.Context()).Reading.Err; (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		var said []string
		for _, one := range w.seen.check(Asked{Group: "spot", Most: 8, Bounds: true}) {
			if one.Refused {
				said = append(said, one.Found)
			}
		}
		if len(said) != min(len(tc.want), 1) || len(said) > 0 && !strings.Contains(said[0], tc.want) {
			t.Errorf("%s: doctor says %q, want %q", name, said, tc.want)
		}
	}
	w, e := autoscaledWorld(t, 2)
	if err := w.decide(e, 3, 1); err != nil {
		t.Fatal(err)
	}
	w.sync()
	if got := statuses(w.cluster, w.seen.Pods)[1]; got.Sizer != "" || got.Wanted != 3 {
		t.Errorf("kubectl shows %+v", got)
	}
	if got := w.seen.check(Asked{Group: "spot", Most: 9, Bounds: true})[0].Found; !strings.Contains(got, "maxReplicas is 8") {
		t.Errorf("doctor says %q", got)
	}
	w.cluster.Annotations[boundsAnnotation("spot")] = "x"
	if text, _ := json.Marshal(statuses(w.cluster, w.seen.Pods)[1]); !strings.Contains(string(text), "ray.autoscaler: bounds") {
		t.Errorf("kubectl shows %s", text)
	}
}
