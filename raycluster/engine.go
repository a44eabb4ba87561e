package raycluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
	corev1 "k8s.io/api/core/v1"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/poolslots"
)

// Seen is a RayCluster, its pods and who scales it, as they were last seen.
type Seen struct {
	Cluster *rayv1.RayCluster // nil: there is none
	Pods    []*corev1.Pod
	Scalers []Scaler
	Notices map[string]string // why pods will be taken away, by their names, as far as their nodes say
	At      time.Time         // when that was so, for certain
	Err     error             // why it is not known for later
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

// Driver keeps the driver of the pool running inside the cluster.
type Driver interface {
	// Ensure submits it where it does not run, in this life of the head. state says how it stands, in words, where it does not run well.
	Ensure(ctx context.Context, life string, gpusPerReplica float64) (state string, err error)
}

// Config is what an engine works with.
type Config struct {
	Pool       string
	Name       string // namespace/name of the RayCluster, as people write it
	Group      string
	PerReplica int  // workers of a replica, at most
	Bounds     bool // where Ray's autoscaler sizes the group, its bounds are moved
	GrantLimit time.Duration
	RetryAfter time.Duration
	Cluster    Cluster
	Driver     Driver // nil: somebody else runs it
	Protect    Protection
	Slots      poolslots.Store
	NotFound   error // of Slots: there are none yet
	// Workers are the last words of the pool's workers, in any order.
	Workers func() []orchestrator.Presence
	Changed func() // is called when something has happened that nobody asked for
	Log     *slog.Logger
}

// Engine sizes one worker group. What the control loop asks is answered from what is known: only Run speaks to the API server and to the store.
type Engine struct {
	config Config
	record *poolslots.Record
	kick   chan struct{}

	// What Run alone uses.
	why     string
	told    string // the last refusal that was written
	looked  string // what was last seen, in short: a change wakes the loop
	unknown string // why nothing is known, as it was last said

	mu      sync.Mutex
	order   *order            // that Run has not taken yet
	doing   *order            // that it has taken
	newest  *rayv1.RayCluster // that a patch made; the watch may not have brought it yet
	starts  starts
	last    int       // replicas that were asked for, when that was last known; before, those that have slots
	refused time.Time // until when the provider is believed to give no more
}

// order is what the last plan asks for.
type order struct {
	plan    orchestrator.PoolPlan
	leaving []string
}

// New makes an engine; Run starts it.
func New(config Config) *Engine {
	return &Engine{config: config, record: poolslots.New(config.Pool, config.Slots, config.NotFound), kick: make(chan struct{}, 1), starts: newStarts(time.Now())}
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
	slots, known := e.record.Slots()
	view := orchestrator.PoolView{Name: e.config.Pool, Replicas: e.last, Slots: slots.Slots, Phases: e.starts.phases(), Reading: orchestrator.Reading{At: seen.At.UTC(), Source: "RayCluster " + e.config.Name}}
	group, err := e.group(seen, slots)
	if err == nil && !known {
		err = errors.New("the slots of the pool are not read yet")
	}
	if err != nil {
		view.Reading.Err = err.Error()
		return view
	}
	e.last = max(group.Replicas-group.leaving(slots), 0)
	view.Replicas, view.Least, view.Most = e.last, group.Min, &group.Max
	view.Leaving = leavingSlots(slots)
	if order := cmp.Or(e.order, e.doing); order != nil { // what is being asked for is not asked for again
		view.Replicas, view.Slots = max(min(order.plan.Replicas, group.Max), group.Min), order.plan.Slots
	}
	if granted, waits := group.granted(slots, now, e.config.GrantLimit); waits || now.Before(e.refused) {
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

// group reads what was seen, with these slots.
func (e *Engine) group(seen Seen, slots orchestrator.PoolSlots) (Group, error) {
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
	group.heed(seen.Notices)
	if group.Refused == autoscalerSizes && e.config.Bounds {
		group = group.within(slots)
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

// Scale asks for a number of replicas, as the plan says. leaving are workers that drain: their replicas leave, where fewer are wanted. It is done soon, or said in the log
// why not; the next plan starts from what is there then.
func (e *Engine) Scale(_ context.Context, plan orchestrator.PoolPlan, leaving []string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.group(e.seeLocked(), e.slots()); err != nil {
		return fmt.Errorf("size pool %s: %w", e.config.Pool, err)
	}
	e.order = &order{plan, leaving}
	e.Kick()
	return nil
}

const (
	lookEvery = time.Second      // workers end without a word to the API server
	restEvery = 10 * time.Second // where there is nothing; what comes kicks
)

// Run does what was asked for, keeps the slots as the pods are, and finishes what was begun, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	if e.config.Driver != nil {
		beside.Go(func() { e.drive(ctx) })
	}
	if e.config.Protect.For > 0 {
		beside.Go(func() { e.protect(ctx) })
	}
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		if err := e.pass(ctx); err != nil && ctx.Err() == nil {
			e.config.Log.Warn("the worker group is not as it shall be; trying again", "pool", e.config.Pool, "error", err)
		}
		timer.Reset(e.pause())
		select {
		case <-e.kick:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// pause is how long nothing has to be looked at, if nobody kicks.
func (e *Engine) pause() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if slots, known := e.record.Slots(); known && e.last == 0 && len(slots.Replicas) == 0 && e.unknown == "" {
		return restEvery
	}
	return lookEvery
}

// taken is what there is to do, and what it is done on.
func (e *Engine) taken() (*order, Seen) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.order, e.doing = nil, e.order
	return e.doing, e.seeLocked()
}

func (e *Engine) done() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doing = nil
}

func (e *Engine) pass(ctx context.Context) error {
	if err := e.load(ctx); err != nil {
		return err
	}
	order, seen := e.taken()
	defer e.done()
	group, err := e.group(seen, e.slots())
	e.note(err)
	e.wake(group, err)
	var not refusal
	if errors.As(err, &not) && string(not) == autoscalerSizes || err == nil && !group.Autoscaled {
		if done, err := e.putBoundsBack(ctx, group); done || err != nil {
			return err
		}
	}
	switch {
	case errors.As(err, &not):
		return e.refuse(ctx, seen, string(not))
	case err != nil:
		return nil // the reading says so
	}
	slots := 0
	if order != nil {
		slots = order.plan.Slots
	}
	if err := e.keep(ctx, seen, group, slots); err != nil {
		return err
	}
	e.remember(func(int) int { return max(group.Replicas-group.leaving(e.slots()), 0) })
	e.learnStarts(seen)
	if group.Autoscaled {
		return e.moveBounds(ctx, seen, group, order)
	}
	more := 0
	if order != nil {
		wanted := max(min(order.plan.Replicas, group.Max), group.Min)
		stays := group.Replicas - group.leaving(e.slots())
		if err := e.record.Put(ctx, Leave(e.slots(), group, e.staff(order.leaving), stays-wanted, time.Now().UTC())); err != nil {
			return err
		}
		more = max(wanted-stays, 0)
		e.why = fmt.Sprintf("%d->%d: %s", order.plan.From, order.plan.Replicas, order.plan.Why())
	}
	return e.settle(ctx, seen, group, more)
}

// keep brings the pool's slots to what there is. slots is how many workers a replica shall have; 0: as before.
func (e *Engine) keep(ctx context.Context, seen Seen, group Group, slots int) error {
	if slots == 0 {
		slots = cmp.Or(e.slots().Slots, e.config.PerReplica)
	}
	before := countGoing(e.slots())
	after := Keep(e.slots(), group, e.config.PerReplica, slots, time.Now().UTC())
	if err := e.record.Put(ctx, after); err != nil {
		return err
	}
	if countGoing(after) > before {
		e.tellNotices(seen, group)
	}
	return nil
}

func (e *Engine) load(ctx context.Context) error {
	read, err := e.record.Load(ctx)
	if read {
		slots := e.slots()
		e.remember(func(last int) int { return cmp.Or(last, len(slots.Replicas)-countGoing(slots)) })
	}
	return err
}

func (e *Engine) slots() orchestrator.PoolSlots {
	slots, _ := e.record.Slots()
	return slots
}

// remember notes how many replicas are asked for.
func (e *Engine) remember(replicas func(last int) int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = replicas(e.last)
}

// settle writes what there is to write: how many more, and which pods go. Nothing to change is no write.
func (e *Engine) settle(ctx context.Context, seen Seen, group Group, more int) error {
	gone, count := Gone(e.slots(), group, e.staff(nil), time.Now())
	if count > 0 {
		// KubeRay makes up for a pod that has gone meanwhile; lowering replicas for that one would take another, whichever comes first.
		now, err := e.group(e.config.Cluster.Look(ctx), e.slots())
		if err != nil || !now.has(gone) || now.Written != group.Written || !slices.Equal(now.Named, group.Named) {
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
	if err := e.apply(ctx, patch); err != nil {
		return fmt.Errorf("resize group %s of RayCluster %s from %d to %d: %w", e.config.Group, e.config.Name, group.Replicas, change.Replicas, err)
	}
	if change.Why != "" {
		e.told = ""
		e.config.Cluster.Tell(seen.Cluster, false, "Resized", e.config.Group+" "+change.Why)
	}
	return nil
}

// apply patches the object, and goes on with what became of it before the watch brings it.
func (e *Engine) apply(ctx context.Context, patch []byte) error {
	after, err := e.config.Cluster.Patch(ctx, patch)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.newest = after
	return nil
}

// wake tells the loop when the group has changed.
func (e *Engine) wake(group Group, err error) {
	if looked := group.looks(err); looked != e.looked {
		e.looked = looked
		e.config.Changed()
	}
}

// looks is the group in short: another text is another group.
func (g Group) looks(err error) string {
	text := fmt.Sprint(g.Replicas, err)
	for _, one := range g.Have {
		text += fmt.Sprint(" ", one.Pods, one.Phase)
	}
	return text
}
