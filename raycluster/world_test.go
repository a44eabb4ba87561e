package raycluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"nightshift.dev/nightshift/orchestrator"
)

var errNone = errors.New("there are none")

// world is a RayCluster with one group, KubeRay as docs/raycluster.md knows it, the workers in its pods, and the store. Patches are applied as the API server does, with its
// library.
type world struct {
	cluster *rayv1.RayCluster
	pods    map[string]*corev1.Pod
	seen    Seen // what the watch has brought
	made    int
	workers map[string]orchestrator.Presence
	drains  map[string]bool

	slots    orchestrator.PoolSlots
	revision uint64
	answers  func() error // what comes of an answer that was under way; nil: it arrives
	patches  int
	killed   []string        // workers that ran in pods that were deleted by their names
	random   []string        // pods that KubeRay had to choose itself
	bounds   bool            // the pool moves the bounds of groups that are autoscaled
	drained  map[string]bool // pods whose nodes Ray drains
	deaf     bool            // Ray takes no drain
	others   []string        // what was written that is not ours to write
	overcut  []string        // pods that Ray's autoscaler took though somebody worked there
}

func newWorld(replicas, least, most int32) *world {
	spec := rayv1.WorkerGroupSpec{GroupName: "spot", Replicas: &replicas, MinReplicas: &least, MaxReplicas: &most, NumOfHosts: 1}
	w := &world{
		cluster: &rayv1.RayCluster{
			ObjectMeta: metav1.ObjectMeta{Name: "scoring", Namespace: "a", UID: "1", Generation: 1, Annotations: map[string]string{"theirs": "kept"}},
			Spec:       rayv1.RayClusterSpec{WorkerGroupSpecs: []rayv1.WorkerGroupSpec{{GroupName: "other"}, spec}},
		},
		pods: map[string]*corev1.Pod{}, workers: map[string]orchestrator.Presence{}, drains: map[string]bool{}, drained: map[string]bool{},
	}
	w.sync()
	return w
}

// engine is a fresh process of the service.
func (w *world) engine(perReplica int) *Engine {
	return New(Config{
		Pool: "gpu", Name: "a/scoring", Group: "spot", PerReplica: perReplica, Bounds: w.bounds, GrantLimit: time.Minute, RetryAfter: time.Minute, Cluster: w, Slots: w, NotFound: errNone,
		Workers: func() []orchestrator.Presence { return slices.Collect(maps.Values(w.workers)) }, Changed: func() {}, Log: slog.New(slog.DiscardHandler),
	})
}

// sync lets the watch bring what there is.
func (w *world) sync() { w.seen = w.Look(context.Background()) }

func (w *world) Look(context.Context) Seen {
	seen := Seen{Cluster: w.cluster.DeepCopy(), At: time.Now()}
	for _, name := range slices.Sorted(maps.Keys(w.pods)) {
		seen.Pods = append(seen.Pods, w.pods[name].DeepCopy())
	}
	return seen
}

func (w *world) See() Seen { return w.seen }

func (w *world) Tell(*rayv1.RayCluster, bool, string, string) {}

func (w *world) Patch(_ context.Context, patch []byte) (*rayv1.RayCluster, error) {
	operations, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, err
	}
	before, err := json.Marshal(w.cluster)
	if err != nil {
		return nil, err
	}
	after, err := operations.Apply(before)
	if err != nil {
		return nil, err
	}
	changed := &rayv1.RayCluster{}
	if err := json.Unmarshal(after, changed); err != nil {
		return nil, err
	}
	changed.Generation++
	w.note(operations)
	w.cluster = changed
	w.patches++
	return changed.DeepCopy(), w.answer()
}

// note keeps what is written that Ray's autoscaler owns while it is on, and what it does not need while it is off.
func (w *world) note(patch jsonpatch.Patch) {
	back := false
	for _, one := range patch {
		back = back || one.Kind() == "remove"
	}
	for _, one := range patch {
		path, err := one.Path()
		ours := strings.HasSuffix(path, "Replicas") == autoscaled(w.cluster) || back
		if err != nil || one.Kind() != "test" && strings.HasPrefix(path, "/spec/") && !ours {
			w.others = append(w.others, path)
		}
	}
}

func (w *world) answer() error {
	if w.answers == nil {
		return nil
	}
	return w.answers()
}

func (w *world) Slots(context.Context, string) (orchestrator.PoolSlots, uint64, error) {
	if w.revision == 0 {
		return orchestrator.PoolSlots{}, 0, errNone
	}
	return w.slots, w.revision, nil
}

func (w *world) PutSlots(_ context.Context, slots orchestrator.PoolSlots, revision uint64) (uint64, error) {
	if revision != w.revision {
		return 0, errors.New("somebody else has written")
	}
	w.slots, w.revision = slots, w.revision+1
	return w.revision, w.answer()
}

func (w *world) group() *rayv1.WorkerGroupSpec { return &w.cluster.Spec.WorkerGroupSpecs[1] }

// kubeRay is one pass of its: pods that are named go, then pods are made, or chosen at random, until there are as many as replicas says.
func (w *world) kubeRay() {
	group := w.group()
	for _, name := range group.ScaleStrategy.WorkersToDelete {
		for id, worker := range w.workers {
			if worker.Host == name && !autoscaled(w.cluster) {
				w.killed = append(w.killed, id)
			}
		}
		w.remove(name)
	}
	want := int(max(min(*group.Replicas, *group.MaxReplicas), *group.MinReplicas))
	for len(w.pods) < want {
		w.made++
		name := fmt.Sprintf("scoring-spot-worker-%03d", w.made)
		w.pods[name] = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "a", UID: types.UID(name), CreationTimestamp: metav1.NewTime(time.Now()), Labels: map[string]string{labelCluster: "scoring", labelGroup: "spot", labelType: "worker"},
		}}
	}
	for _, name := range slices.Sorted(maps.Keys(w.pods)) {
		if len(w.pods) <= want || autoscaled(w.cluster) {
			break
		}
		w.random = append(w.random, name)
		w.remove(name)
	}
}

// remove ends a pod and what runs in it.
func (w *world) remove(name string) {
	delete(w.pods, name)
	delete(w.drained, name)
	for id, worker := range w.workers {
		if worker.Host == name {
			delete(w.workers, id)
			delete(w.drains, id)
		}
	}
}

// ready lets a pod become ready.
func (w *world) ready(name string) {
	w.pods[name].Spec.NodeName = "node"
	w.pods[name].Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

// drive does what the driver does: it starts the workers that the slots name.
func (w *world) drive() {
	for _, replica := range w.slots.Replicas {
		if replica.Leaving && w.pods[replica.Pods[0]] != nil && !w.deaf {
			w.drained[replica.Pods[0]] = true
		}
		for n := range w.slots.Slots {
			slot := replica.Index*w.slots.PerReplica + n
			pod := w.pods[replica.Pods[0]]
			if replica.Leaving || pod == nil || len(pod.Status.Conditions) == 0 || w.has(slot) || w.drained[pod.Name] {
				continue
			}
			w.made++
			id := fmt.Sprintf("%s-%d-%d", pod.Name, n, w.made)
			w.workers[id] = orchestrator.Presence{Worker: id, Pool: "gpu", Slot: slot, Host: pod.Name}
		}
	}
}

func (w *world) has(slot int) bool {
	for _, worker := range w.workers {
		if worker.Slot == slot {
			return true
		}
	}
	return false
}

// decide does what the planner and the control loop do for a target: the workers of surplus replicas drain, and the engine is told.
func (w *world) decide(e *Engine, target, slots int) error {
	view := e.Observe(context.Background())
	if view.Reading.Err != "" {
		return errors.New(view.Reading.Err)
	}
	target = max(target, view.Least)
	for id, worker := range w.workers {
		if slices.Contains(view.Leaving, worker.Slot) {
			w.drains[id] = true
		}
	}
	busy := map[int][]string{} // workers of replicas that stay, by index
	for _, id := range slices.Sorted(maps.Keys(w.workers)) {
		if index := w.workers[id].Slot / e.config.PerReplica; !w.drains[id] {
			busy[index] = append(busy[index], id)
		}
	}
	for _, index := range slices.Sorted(maps.Keys(busy)) {
		if len(busy) <= target {
			break
		}
		for _, id := range busy[index] {
			w.drains[id] = true
		}
		delete(busy, index)
	}
	if view.Replicas == target && view.Slots == slots {
		return nil
	}
	plan := orchestrator.PoolPlan{Name: "gpu", From: view.Replicas, Replicas: target, Slots: slots}
	return errors.Join(e.Scale(context.Background(), plan, slices.Sorted(maps.Keys(w.drains))), e.pass(context.Background()))
}
