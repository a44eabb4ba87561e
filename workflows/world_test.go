package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"nightshift.dev/nightshift/orchestrator"
)

var errNone = errors.New("there are none")

const lock = "a/ConfigMap/pools/gpu"

// world is a namespace, Argo's controller as docs/argo.md knows it, the workers in pods, and the store. Patches are applied as the API server does, with its library.
type world struct {
	now       time.Time
	version   int
	workflows map[string]*wfv1.Workflow
	semaphore *corev1.ConfigMap
	seen      Seen                             // what the watches have brought
	workers   map[string]orchestrator.Presence // by runner
	drains    map[string]bool                  // by worker

	slots    orchestrator.PoolSlots
	revision uint64
	answers  func() error // what comes of an answer that was under way; nil: it arrives
	writes   int
	limits   []string // that were written
	told     []string // Events
	cut      []string // runners that were deleted while their worker ran
	failed   error    // of the next create
}

func newWorld() *world {
	w := &world{now: time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC), workflows: map[string]*wfv1.Workflow{}, workers: map[string]orchestrator.Presence{}, drains: map[string]bool{}}
	w.sync()
	return w
}

// engine is a fresh process of the service.
func (w *world) engine() *Engine {
	return New(Config{
		Made: Made{Pool: "gpu", Namespace: "a", Template: "nightshift-runner", Key: "gpu", MaxLife: time.Hour}, ConfigMap: "pools", PerMinute: 120,
		See: func() Seen { return w.seen }, Runners: w, Semaphores: w, Slots: w, NotFound: errNone,
		Workers: func() []orchestrator.Presence { return slices.Collect(maps.Values(w.workers)) }, Changed: func() {}, Log: slog.New(slog.DiscardHandler),
	})
}

// sync lets the watches bring what there is.
func (w *world) sync() {
	w.seen = Seen{At: w.now}
	for _, name := range slices.Sorted(maps.Keys(w.workflows)) {
		w.seen.Workflows = append(w.seen.Workflows, w.workflows[name].DeepCopy())
	}
	if w.semaphore != nil {
		w.seen.Semaphore = w.semaphore.DeepCopy()
	}
}

func (w *world) next() string {
	w.version++
	return strconv.Itoa(w.version)
}

func (w *world) answer() error {
	if w.answers == nil {
		return nil
	}
	return w.answers()
}

func (w *world) Create(_ context.Context, runner *wfv1.Workflow) error {
	if w.failed != nil {
		return w.failed
	}
	w.writes++
	if w.workflows[runner.Name] == nil {
		made := runner.DeepCopy()
		made.UID, made.ResourceVersion, made.CreationTimestamp = types.UID(w.next()), w.next(), metav1.NewTime(w.now)
		w.workflows[runner.Name] = made
	}
	return w.answer()
}

func (w *world) Delete(_ context.Context, runner Runner) error {
	w.writes++
	of := w.workflows[runner.Name]
	if of == nil || of.UID != runner.UID || of.ResourceVersion != runner.Version {
		return nil // NotFound, Conflict
	}
	if _, works := w.workers[runner.Name]; works {
		w.cut = append(w.cut, runner.Name)
	}
	w.remove(runner.Name)
	return w.answer()
}

// remove ends a runner, with what runs in it.
func (w *world) remove(name string) {
	delete(w.workflows, name)
	w.unstaff(name)
}

func (w *world) unstaff(name string) {
	delete(w.drains, w.workers[name].Worker)
	delete(w.workers, name)
}

func (w *world) Patch(_ context.Context, patch []byte) (*corev1.ConfigMap, error) {
	if w.semaphore == nil {
		return nil, errors.New("not found")
	}
	operations, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, err
	}
	before, err := json.Marshal(w.semaphore)
	if err != nil {
		return nil, err
	}
	after, err := operations.Apply(before)
	if err != nil {
		return nil, err
	}
	changed := &corev1.ConfigMap{}
	if err := json.Unmarshal(after, changed); err != nil {
		return nil, err
	}
	return w.wrote(changed)
}

func (w *world) Make(_ context.Context, key, value string) (*corev1.ConfigMap, error) {
	if w.semaphore != nil {
		return nil, errors.New("already exists")
	}
	return w.wrote(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "pools", Namespace: "a", UID: types.UID(w.next())}, Data: map[string]string{key: value}})
}

func (w *world) wrote(of *corev1.ConfigMap) (*corev1.ConfigMap, error) {
	of.ResourceVersion = w.next()
	w.semaphore = of
	w.writes++
	w.limits = append(w.limits, of.Data["gpu"])
	return of.DeepCopy(), w.answer()
}

func (w *world) Tell(_ *corev1.ConfigMap, reason, sentence string) {
	w.told = append(w.told, reason+": "+sentence)
}

// edit is somebody's hand; empty: the key goes.
func (w *world) edit(text string) {
	if w.semaphore == nil {
		return
	}
	w.semaphore = w.semaphore.DeepCopy()
	w.semaphore.ResourceVersion = w.next()
	if text == "" {
		delete(w.semaphore.Data, "gpu")
	} else {
		w.semaphore.Data["gpu"] = text
	}
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
	w.writes++
	w.slots, w.revision = slots, w.revision+1
	return w.revision, w.answer()
}

// argo is one pass of its controller: who waits gets the lock while there are some, in the order of the queue, and then a pod.
func (w *world) argo() {
	limit := 0
	if w.semaphore != nil {
		limit, _ = strconv.Atoi(w.semaphore.Data["gpu"])
	}
	holders := Holders(slices.Collect(maps.Values(w.workflows)), lock)
	waiting := slices.Collect(maps.Values(w.workflows))
	slices.SortFunc(waiting, func(a, b *wfv1.Workflow) int { return generationOf(a.Name) - generationOf(b.Name) })
	for _, one := range waiting {
		switch {
		case one.Status.Phase.Completed() || one.Status.Synchronization != nil && len(one.Status.Synchronization.Semaphore.Holding) > 0:
		case holders < limit:
			holders++
			w.change(one, func(s *wfv1.WorkflowStatus) {
				s.Phase = wfv1.WorkflowRunning
				s.Synchronization = &wfv1.SynchronizationStatus{Semaphore: &wfv1.SemaphoreStatus{Holding: []wfv1.SemaphoreHolding{{Semaphore: lock, Holders: []string{"a/" + one.Name}}}}}
				s.Nodes = wfv1.Nodes{one.Name: {ID: one.Name, Type: wfv1.NodeTypePod, Phase: wfv1.NodePending}}
			})
		case one.Status.Phase == wfv1.WorkflowUnknown:
			w.change(one, func(s *wfv1.WorkflowStatus) { s.Phase = wfv1.WorkflowPending })
		}
	}
}

func (w *world) change(of *wfv1.Workflow, how func(*wfv1.WorkflowStatus)) {
	changed := of.DeepCopy()
	changed.ResourceVersion = w.next()
	how(&changed.Status)
	w.workflows[of.Name] = changed
}

// run lets a runner's pod run, and its worker come.
func (w *world) run(name string) {
	of := w.workflows[name]
	if of == nil || of.Status.Nodes[name].Phase != wfv1.NodePending {
		return
	}
	w.change(of, func(s *wfv1.WorkflowStatus) {
		node := s.Nodes[name]
		node.Phase = wfv1.NodeRunning
		s.Nodes = wfv1.Nodes{name: node}
	})
	slot, _ := strconv.Atoi(of.Labels[labelSlot])
	id := fmt.Sprintf("%s-%08x-0000-0000-0000-%012x", name, w.version, w.version)
	w.workers[name] = orchestrator.Presence{Worker: id, Pool: "gpu", Slot: slot}
}

// end ends a runner; its message tells why.
func (w *world) end(name string, phase wfv1.WorkflowPhase, message string) {
	of := w.workflows[name]
	if of == nil || of.Status.Phase.Completed() {
		return
	}
	w.unstaff(name)
	w.change(of, func(s *wfv1.WorkflowStatus) {
		s.Phase, s.Message, s.Synchronization, s.Nodes = phase, message, nil, nil
	})
}

// live are the runners that have not ended, by name.
func (w *world) live() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(w.workflows)) {
		if !w.workflows[name].Status.Phase.Completed() {
			names = append(names, name)
		}
	}
	return names
}

// decide does what the planner and the control loop do for a target: surplus workers drain, and the engine is told.
func (w *world) decide(e *Engine, target int) error {
	view := e.Observe(context.Background())
	if view.Reading.Err != "" {
		return errors.New(view.Reading.Err)
	}
	staying := 0
	for _, name := range slices.Sorted(maps.Keys(w.workers)) {
		if one := w.workers[name]; !w.drains[one.Worker] {
			if staying++; staying > target {
				w.drains[one.Worker] = true
				one.State = orchestrator.WorkerDraining
				w.workers[name] = one
			}
		}
	}
	if view.Replicas == target {
		return nil
	}
	return e.Scale(context.Background(), orchestrator.PoolPlan{Name: "gpu", From: view.Replicas, Replicas: target, Slots: 1}, slices.Sorted(maps.Keys(w.drains)))
}

// drained ends the workers that drain, and with them their pods.
func (w *world) drained() {
	for _, name := range slices.Sorted(maps.Keys(w.workers)) {
		if w.drains[w.workers[name].Worker] {
			w.end(name, wfv1.WorkflowSucceeded, "")
		}
	}
}

// settle lets everything go on undisturbed for a minute and a half.
func (w *world) settle(target int, engines ...*Engine) {
	for range 90 {
		w.now = w.now.Add(time.Second)
		w.sync()
		for _, e := range engines {
			_ = w.decide(e, target)
			_ = e.pass(context.Background(), w.now)
		}
		w.argo()
		for _, name := range w.live() {
			w.run(name)
		}
		w.drained()
	}
	w.sync()
}
