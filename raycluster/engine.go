package raycluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
	corev1 "k8s.io/api/core/v1"

	"nightshift.dev/nightshift/orchestrator"
)

// Seen is a RayCluster, its pods and who scales it, as they were last seen.
type Seen struct {
	Cluster *rayv1.RayCluster // nil: there is none
	Pods    []*corev1.Pod
	Scalers []Scaler
	At      time.Time // when that was so, for certain
	Err     error     // why it is not known for later
}

// Cluster is one RayCluster.
type Cluster interface {
	// See never waits.
	See() Seen
	// Look asks the API server.
	Look(ctx context.Context) Seen
	// Patch applies a JSON Patch and gives what became of the object. An error says that nothing was changed, or that nobody knows.
	Patch(ctx context.Context, patch []byte) (*rayv1.RayCluster, error)
	// Tell makes an Event of the RayCluster.
	Tell(cluster *rayv1.RayCluster, warning bool, reason, sentence string)
}

// Slots keeps the slots of pools.
type Slots interface {
	Slots(ctx context.Context, pool string) (orchestrator.PoolSlots, uint64, error)
	PutSlots(ctx context.Context, slots orchestrator.PoolSlots, revision uint64) (uint64, error)
}

// Config is what an engine works with.
type Config struct {
	Pool       string
	Name       string // namespace/name of the RayCluster, as people write it
	Group      string
	PerReplica int // workers of a replica, at most
	GrantLimit time.Duration
	RetryAfter time.Duration
	Cluster    Cluster
	Slots      Slots
	NotFound   error // of Slots: there are none yet
	// Workers are the last words of all workers, in any order.
	Workers func() []orchestrator.Presence
	Changed func() // is called when something has happened that nobody asked for
	Log     *slog.Logger
}

// Engine sizes one worker group.
type Engine struct {
	config Config
	kick   chan struct{}

	mu       sync.Mutex
	loaded   bool
	slots    orchestrator.PoolSlots
	revision uint64
	last     int               // replicas that were asked for, when that was last known
	newest   *rayv1.RayCluster // that a patch made; the watch may not have brought it yet
	why      string
	told     string    // the last refusal that was written
	refused  time.Time // until when the provider is believed to give no more
	looked   string    // what was last seen, in short: a change wakes the loop
}

// New makes an engine; Run starts it.
func New(config Config) *Engine {
	return &Engine{config: config, kick: make(chan struct{}, 1)}
}

// Kick says that something has changed. It never blocks.
func (e *Engine) Kick() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

// Observe says how many replicas are asked for, and how many of them would run where the provider gives fewer (RC2, RC4, RC7).
func (e *Engine) Observe(context.Context) orchestrator.PoolView {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	seen := e.seeLocked()
	view := orchestrator.PoolView{Name: e.config.Pool, Replicas: e.last, Slots: e.slots.Slots, Reading: orchestrator.Reading{At: seen.At.UTC(), Source: "RayCluster " + e.config.Name}}
	group, err := e.group(seen)
	if err == nil && !e.loaded {
		err = errors.New("the slots of the pool are not read yet")
	}
	if err != nil {
		view.Reading.Err = err.Error()
		return view
	}
	e.last = max(group.Replicas-group.leaving(e.slots), 0)
	view.Replicas, view.Least, view.Most = e.last, group.Min, &group.Max
	if granted, waits := group.granted(e.slots, now, e.config.GrantLimit); waits || now.Before(e.refused) {
		if waits {
			e.refused = now.Add(e.config.RetryAfter)
		}
		view.Available = &granted
	}
	return view
}

// seeLocked gives what was last seen, or what a patch made of it since.
func (e *Engine) seeLocked() Seen {
	seen := e.config.Cluster.See()
	if seen.Cluster != nil && e.newest != nil && seen.Cluster.UID == e.newest.UID && seen.Cluster.Generation < e.newest.Generation {
		seen.Cluster = e.newest
	}
	return seen
}

// group reads what was seen.
func (e *Engine) group(seen Seen) (Group, error) {
	if seen.Err != nil {
		return Group{}, seen.Err
	}
	if seen.Cluster == nil {
		return Group{}, fmt.Errorf("there is no RayCluster %s", e.config.Name)
	}
	group, err := View(seen.Cluster, seen.Pods, e.config.Group)
	if err != nil {
		return Group{}, err
	}
	if group.Refused == "" {
		group.Refused = ScaledBy(seen.Scalers, seen.Cluster.Name)
	}
	if group.Refused != "" {
		return group, refusal(group.Refused)
	}
	return group, nil
}

// refusal is why a group is not sized by us (RC9).
type refusal string

func (r refusal) Error() string { return "not sized: " + string(r) }

// granted counts the replicas that stay and have nodes; waits says that others have waited for one for too long (RC7).
func (g Group) granted(slots orchestrator.PoolSlots, now time.Time, limit time.Duration) (granted int, waits bool) {
	for _, one := range slots.Replicas {
		if goes(one) {
			continue
		}
		switch replica := g.of(one); replica.Phase {
		case PhaseStarting, PhaseReady:
			granted++
		case PhaseGated, PhasePending:
			waits = waits || now.Sub(replica.Created) > limit
		case PhaseDeleted:
		}
	}
	return granted, waits
}

// Ended are no workers: the words of those whose pods are gone end by themselves within seconds.
func (e *Engine) Ended() []string { return nil }

// staff counts the workers of each replica; leaving are those that the plan drains.
func (e *Engine) staff(leaving []string) map[int]Staff {
	drains := make(map[string]bool, len(leaving))
	for _, id := range leaving {
		drains[id] = true
	}
	staff := map[int]Staff{}
	for _, worker := range e.config.Workers() {
		if worker.Pool != e.config.Pool {
			continue
		}
		index := worker.Slot / e.config.PerReplica
		of := staff[index]
		of.Workers++
		if drains[worker.Worker] {
			of.Leaving++
		}
		staff[index] = of
	}
	return staff
}

// Scale asks for a number of replicas, as the plan says. leaving are workers that drain: their replicas leave, where fewer are wanted.
func (e *Engine) Scale(ctx context.Context, plan orchestrator.PoolPlan, leaving []string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := e.seeLocked()
	group, err := e.group(seen)
	if err != nil {
		return fmt.Errorf("size pool %s: %w", e.config.Pool, err)
	}
	if err := e.keepLocked(ctx, group, plan.Slots); err != nil {
		return err
	}
	wanted := max(min(plan.Replicas, group.Max), group.Min)
	stays := group.Replicas - group.leaving(e.slots)
	if wanted < stays {
		slots := Leave(e.slots, group, e.staff(leaving), stays-wanted, time.Now().UTC())
		if err := e.putLocked(ctx, slots); err != nil {
			return err
		}
	}
	e.why = fmt.Sprintf("%d->%d: %s", plan.From, plan.Replicas, plan.Why())
	return e.settleLocked(ctx, seen, group, max(wanted-stays, 0))
}

// settleLocked writes what there is to write: how many more, and which pods go. Nothing to change is no write.
func (e *Engine) settleLocked(ctx context.Context, seen Seen, group Group, more int) error {
	gone, count := Gone(e.slots, group, e.staff(nil), time.Now())
	if count > 0 {
		// KubeRay makes up for a pod that has gone meanwhile; lowering replicas for that one would take another, whichever comes first.
		now, err := e.group(e.config.Cluster.Look(ctx))
		if err != nil || !now.has(gone) || now.Written != group.Written {
			return err // what the watch brings is decided on anew
		}
	}
	change := Change{Replicas: max(min(group.Replicas+more, group.Max)-count, group.Min), Delete: group.named(gone), Annotated: len(seen.Cluster.Annotations) > 0}
	if change.Replicas != group.Replicas {
		change.Why = bounded(e.why)
	}
	patch := group.Patch(e.config.Group, change)
	if patch == nil {
		return nil
	}
	var err error
	if e.newest, err = e.config.Cluster.Patch(ctx, patch); err != nil {
		return fmt.Errorf("resize group %s of RayCluster %s from %d to %d: %w", e.config.Group, e.config.Name, group.Replicas, change.Replicas, err)
	}
	if change.Why != "" {
		e.told = ""
		e.config.Cluster.Tell(seen.Cluster, false, "Resized", e.config.Group+" "+change.Why)
	}
	return nil
}

// mostText bounds what is written to an annotation or an Event.
const mostText = 512

func bounded(text string) string {
	runes := []rune(text)
	if len(runes) > mostText {
		return string(runes[:mostText-1]) + "…"
	}
	return text
}

// keepLocked brings the pool's slots to what there is.
func (e *Engine) keepLocked(ctx context.Context, group Group, slots int) error {
	if err := e.loadLocked(ctx); err != nil {
		return err
	}
	if slots == 0 {
		if slots = e.slots.Slots; slots == 0 {
			slots = e.config.PerReplica
		}
	}
	return e.putLocked(ctx, Keep(e.slots, group, e.config.PerReplica, slots))
}

func (e *Engine) loadLocked(ctx context.Context) error {
	if e.loaded {
		return nil
	}
	slots, revision, err := e.config.Slots.Slots(ctx, e.config.Pool)
	if err != nil && !errors.Is(err, e.config.NotFound) {
		return err
	}
	slots.Pool = e.config.Pool
	e.slots, e.revision, e.loaded = slots, revision, true
	return nil
}

// putLocked stores the slots where they are others. After an error they are read anew: somebody else may have written.
func (e *Engine) putLocked(ctx context.Context, slots orchestrator.PoolSlots) error {
	if reflect.DeepEqual(slots, e.slots) {
		return nil
	}
	revision, err := e.config.Slots.PutSlots(ctx, slots, e.revision)
	if err != nil {
		e.loaded = false
		return fmt.Errorf("write the slots of pool %s: %w", e.config.Pool, err)
	}
	e.slots, e.revision = slots, revision
	return nil
}

const (
	lookEvery    = time.Second // workers end without a word to the API server
	writeTimeout = 10 * time.Second
)

// Run keeps the slots as the pods are, and finishes what was begun, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if err := e.pass(ctx); err != nil && ctx.Err() == nil {
			e.config.Log.Warn("the worker group is not as it shall be; trying again", "pool", e.config.Pool, "error", err)
		}
		select {
		case <-e.kick:
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *Engine) pass(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := e.seeLocked()
	group, err := e.group(seen)
	e.wakeLocked(group, err)
	var not refusal
	switch {
	case errors.As(err, &not):
		return e.refuseLocked(ctx, seen, string(not))
	case err != nil:
		return nil // the reading says so
	}
	if err := e.keepLocked(ctx, group, 0); err != nil {
		return err
	}
	return e.settleLocked(ctx, seen, group, 0)
}

// wakeLocked tells the loop when the group has changed.
func (e *Engine) wakeLocked(group Group, err error) {
	looked := fmt.Sprint(group.Replicas, err)
	for _, one := range group.Have {
		looked += fmt.Sprint(" ", one.Pods, one.Phase)
	}
	if looked != e.looked {
		e.looked = looked
		e.config.Changed()
	}
}

// refuseLocked says on the object why the group is not sized, once (RC9).
func (e *Engine) refuseLocked(ctx context.Context, seen Seen, why string) error {
	if e.told == why || seen.Cluster.Annotations[annotation(e.config.Group)] == "not sized: "+bounded(why) {
		e.told = why
		return nil
	}
	if _, err := e.config.Cluster.Patch(ctx, Told(e.config.Group, "not sized: "+bounded(why), len(seen.Cluster.Annotations) > 0)); err != nil {
		return fmt.Errorf("say on RayCluster %s why it is not sized: %w", e.config.Name, err)
	}
	e.told = why
	e.config.Cluster.Tell(seen.Cluster, true, "NotResized", e.config.Group+": "+why)
	return nil
}
