package workflows

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/poolslots"
)

// Seen are the Workflows of a namespace and the ConfigMap with the semaphore, as they were last seen.
type Seen struct {
	Workflows []*wfv1.Workflow  // the runners of all pools, and all others that have not ended
	Semaphore *corev1.ConfigMap // nil: there is none
	At        time.Time         // when that was so, for certain
	Err       error             // why it is not known for later
}

// Runners makes and deletes runners.
type Runners interface {
	// Create makes one; one of its name that is there already is as good.
	Create(ctx context.Context, runner *wfv1.Workflow) error
	// Delete ends one that is still as it was seen.
	Delete(ctx context.Context, runner Runner) error
}

// Semaphores is the ConfigMap.
type Semaphores interface {
	// Patch applies a JSON Patch and gives what became of the object.
	Patch(ctx context.Context, patch []byte) (*corev1.ConfigMap, error)
	// Make creates it with one key.
	Make(ctx context.Context, key, value string) (*corev1.ConfigMap, error)
	// Tell makes an Event of it, a warning.
	Tell(of *corev1.ConfigMap, reason, sentence string)
}

// Config is what an engine works with.
type Config struct {
	Made
	ConfigMap  string // with the semaphore
	PerMinute  int    // runners that are made in a minute, at most
	See        func() Seen
	Runners    Runners
	Semaphores Semaphores
	Slots      poolslots.Store
	NotFound   error // of Slots: there are none yet
	// Workers are the last words of all workers, in any order.
	Workers func() []orchestrator.Presence
	Changed func() // is called when something has happened that nobody asked for
	Log     *slog.Logger
}

// Engine keeps the runners of one pool. What the control loop asks is answered from what is known: only Run speaks to the API server and to the store.
type Engine struct {
	config  Config
	record  *poolslots.Record
	kick    chan struct{}
	limiter *rate.Limiter

	// What Run alone uses.
	there    map[string]bool      // runners of the record that have been seen
	made     map[string]time.Time // those that were made and that the watch has not brought yet
	failures failures
	limit    int               // of the semaphore, as it was written last; 0: not by this process
	written  *corev1.ConfigMap // what a write made of it
	replaced string            // version that it replaced: while the watch still shows that one, written is newer
	wroteAt  time.Time
	looked   string // what was last seen, in short: a change wakes the loop
	unknown  string // why nothing is known, as it was last said
	wrong    string // with the semaphore, as it was last said

	mu      sync.Mutex
	order   *orchestrator.PoolPlan // that Run has not taken yet
	leaving []string               // workers that drain, of the last order
	doing   *orchestrator.PoolPlan // that it has taken
	refused time.Time              // until when the pool is believed to give no more
}

// New makes an engine; Run starts it.
func New(config Config) *Engine {
	return &Engine{
		config: config, record: poolslots.New(config.Pool, config.Slots, config.NotFound), kick: make(chan struct{}, 1), limiter: rate.NewLimiter(rate.Limit(float64(config.PerMinute)/60), madeAtOnce),
		made: map[string]time.Time{}, there: map[string]bool{},
	}
}

const (
	lookEvery    = time.Second // workers end without a word to the API server
	passTimeout  = 10 * time.Second
	madeAtOnce   = 10               // runners (AW12)
	appearWithin = 10 * time.Second // a runner that was made, and then is not in the watch: it is gone
)

// Kick says that something has changed. It never blocks.
func (e *Engine) Kick() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

// Observe says how many runners are asked for, and how many of them would run where others wait for too long (AW3, AW4, AW7).
func (e *Engine) Observe(context.Context) orchestrator.PoolView {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	seen := e.config.See()
	slots := e.slots()
	view := orchestrator.PoolView{
		Name: e.config.Pool, Replicas: staying(slots), Slots: 1, Reading: orchestrator.Reading{At: seen.At.UTC(), Source: "Workflows of " + e.config.Namespace},
	}
	if err := e.knownLocked(seen); err != nil {
		view.Reading.Err = err.Error()
		return view
	}
	if order := cmp.Or(e.order, e.doing); order != nil { // what is being asked for is not asked for again
		view.Replicas = order.Replicas
	}
	if count, waits := granted(slots, View(seen.Workflows, e.config.Pool), now); waits || now.Before(e.refused) {
		if waits {
			e.refused = now.Add(retryAfter)
		}
		view.Available = &count
	}
	return view
}

func (e *Engine) knownLocked(seen Seen) error {
	if _, known := e.record.Slots(); seen.Err == nil && !known {
		return errors.New("the slots of the pool are not read yet")
	}
	return seen.Err
}

// Scale asks for a number of runners, as the plan says. leaving are workers that drain: their runners leave, where fewer are wanted. It is done soon, or said in the log
// why not; the next plan starts from what is there then.
func (e *Engine) Scale(_ context.Context, plan orchestrator.PoolPlan, leaving []string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.knownLocked(e.config.See()); err != nil {
		return fmt.Errorf("size pool %s: %w", e.config.Pool, err)
	}
	e.order, e.leaving = &plan, leaving
	e.Kick()
	return nil
}

// Ended are the workers whose runners have ended. One whose pod was deleted may still hand back what it holds.
func (e *Engine) Ended() (workers []string) {
	runners := View(e.config.See().Workflows, e.config.Pool)
	for _, worker := range e.config.Workers() {
		if worker.Pool != e.config.Pool {
			continue
		}
		if one, there := find(runners, runnerOf(worker.Worker)); there && one.Phase == PhaseEnded && one.End != EndKilled {
			workers = append(workers, worker.Worker)
		}
	}
	return workers
}

// Run does what was asked for, keeps the record as the runners are, and finishes what was begun, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if err := e.pass(ctx, time.Now()); err != nil && ctx.Err() == nil {
			e.config.Log.Warn("the runners are not as they shall be; trying again", "pool", e.config.Pool, "error", err)
		}
		select {
		case <-e.kick:
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// taken is what there is to do.
func (e *Engine) taken() (order *orchestrator.PoolPlan, leaving []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.order, e.doing = nil, e.order
	return e.doing, e.leaving
}

func (e *Engine) done() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doing = nil
}

// pass brings the record, the semaphore and the runners to what is asked for, in this order (AW9).
func (e *Engine) pass(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	if _, err := e.record.Load(ctx); err != nil {
		return err
	}
	order, leaving := e.taken()
	defer e.done()
	seen := e.config.See()
	runners := View(seen.Workflows, e.config.Pool)
	e.note(seen.Err)
	e.wake(runners, seen.Err)
	if seen.Err != nil {
		return nil // the reading says so
	}
	if err := e.write(ctx, runners, order, leaving, now.UTC()); err != nil {
		return err
	}
	if err := e.guard(ctx, seen, now); err != nil {
		return err
	}
	e.alarm(seen, runners, now)
	return errors.Join(e.create(ctx, runners, now), e.delete(ctx, runners, now))
}

// write writes down what there is and what shall be.
func (e *Engine) write(ctx context.Context, runners []Runner, order *orchestrator.PoolPlan, leaving []string, now time.Time) error {
	e.arrived(runners)
	slots, ended := Keep(e.slots(), runners, func(name string) Absence { return e.absence(name, now) }, now)
	staff, busy := e.staff(leaving)
	slots = Stay(slots, staff)
	wanted := max(staying(e.slots()), staying(slots)) // those that are taken over count, too
	if order != nil {
		wanted = order.Replicas
	}
	slots = Leave(slots, runners, staff, staying(slots)-wanted, now)
	slots = Grow(slots, wanted, busy)
	if err := e.record.Put(ctx, slots); err != nil {
		return err
	}
	for _, one := range ended {
		e.config.Log.Info("a runner has ended", "pool", e.config.Pool, "runner", one.Name, "why", one.End, "message", one.Message)
	}
	e.failures.learn(ended, now)
	return nil
}

// arrived notes which runners of the record have been seen, and forgets the others.
func (e *Engine) arrived(runners []Runner) {
	there, made := map[string]bool{}, map[string]time.Time{}
	for _, entry := range e.slots().Replicas {
		name := entry.Pods[0]
		if _, now := find(runners, name); now || e.there[name] {
			there[name] = true
		} else if at, ok := e.made[name]; ok {
			made[name] = at
		}
	}
	e.there, e.made = there, made
}

// absence says of a runner that is not there why (AW5).
func (e *Engine) absence(name string, now time.Time) Absence {
	at, made := e.made[name]
	switch {
	case e.there[name] || made && now.Sub(at) > appearWithin:
		return AbsenceGone
	case made:
		return AbsenceComing
	default:
		return AbsenceNotMade
	}
}

// staff counts the workers of each runner, and the slots that they are in; leaving are those that the plan drains.
func (e *Engine) staff(leaving []string) (staff map[string]Staff, busy map[int]bool) {
	drains := make(map[string]bool, len(leaving))
	for _, id := range leaving {
		drains[id] = true
	}
	staff, busy = map[string]Staff{}, map[int]bool{}
	for _, worker := range e.config.Workers() {
		if worker.Pool != e.config.Pool {
			continue
		}
		busy[worker.Slot] = true
		in := staff[runnerOf(worker.Worker)]
		in.Workers++
		if drains[worker.Worker] || worker.State == orchestrator.WorkerDraining {
			in.Leaving++
		}
		staff[runnerOf(worker.Worker)] = in
	}
	return staff, busy
}

func (e *Engine) slots() orchestrator.PoolSlots {
	slots, _ := e.record.Slots()
	return slots
}

// guard keeps the semaphore (AW10, AW11).
func (e *Engine) guard(ctx context.Context, seen Seen, now time.Time) error {
	limit := Limit(staying(e.slots()))
	key, text := e.config.Key, strconv.Itoa(limit)
	at := seen.Semaphore
	if e.written != nil && version(at) == e.replaced && now.Sub(e.wroteAt) < appearWithin {
		at = e.written
	} else {
		e.written = nil
	}
	was, there := "", false
	if at != nil {
		was, there = at.Data[key]
	}
	byHand := e.limit > 0 && (!there || was != strconv.Itoa(e.limit))
	if there && was == text && !byHand {
		e.limit = limit
		return nil
	}
	after := at
	var err error
	if at == nil {
		after, err = e.config.Semaphores.Make(ctx, key, text)
	} else if patch := Patch(at, key, limit); patch != nil {
		after, err = e.config.Semaphores.Patch(ctx, patch)
	}
	if err != nil {
		return fmt.Errorf("make the semaphore %s of ConfigMap %s/%s %d: %w", key, e.config.Namespace, e.config.ConfigMap, limit, err)
	}
	if byHand {
		e.config.Semaphores.Tell(after, "SemaphoreRestored", edited(key, e.limit, limit, was, there))
		e.config.Log.Warn("somebody else has written the semaphore", "pool", e.config.Pool, "configmap", e.config.ConfigMap, "key", key, "was", was, "is", limit)
	}
	e.limit, e.written, e.replaced, e.wroteAt = limit, after, version(seen.Semaphore), now
	return nil
}

// edited says what was found where another number had been written.
func edited(key string, wrote, limit int, found string, there bool) string {
	what := fmt.Sprintf("was changed from %d to %q", wrote, found)
	if !there {
		what = fmt.Sprintf("was %d and was removed", wrote)
	}
	return fmt.Sprintf("%s %s by somebody else than nightshift, its only writer, and is %d again", key, what, limit)
}

func version(of *corev1.ConfigMap) string {
	if of == nil {
		return ""
	}
	return string(of.UID) + "/" + of.ResourceVersion
}

// alarm says in the log what is wrong with the semaphore, and when it is right again (AW19).
func (e *Engine) alarm(seen Seen, runners []Runner, now time.Time) {
	leave := 0
	for _, entry := range e.slots().Replicas {
		if one, there := find(runners, entry.Pods[0]); there && entry.Leaving && one.Phase != PhaseEnded {
			leave++
		}
	}
	wrong := trouble(runners, Holders(seen.Workflows, lockName(e.config.Namespace, e.config.ConfigMap, e.config.Key)), e.limit, leave, now)
	if wrong == e.wrong {
		return
	}
	e.wrong = wrong
	if wrong != "" {
		e.config.Log.Warn("the semaphore is not as it should be", "pool", e.config.Pool, "why", wrong)
	} else {
		e.config.Log.Info("the semaphore is as it should be again", "pool", e.config.Pool)
	}
}

// create makes the runners of the record that are not there, as many as may be made now (AW12, AW13).
func (e *Engine) create(ctx context.Context, runners []Runner, now time.Time) error {
	if now.Before(e.failures.until) {
		return nil
	}
	for _, entry := range Missing(e.slots(), runners) {
		name := entry.Pods[0]
		if _, under := e.made[name]; under {
			continue
		}
		if !e.limiter.AllowN(now, 1) {
			return nil
		}
		if err := e.config.Runners.Create(ctx, e.config.Runner(entry.Index, generationOf(name))); err != nil {
			return fmt.Errorf("make runner %s: %w", name, err)
		}
		e.made[name] = now
	}
	return nil
}

// delete ends the runners that leave and that nobody works in (AW15, AW16).
func (e *Engine) delete(ctx context.Context, runners []Runner, now time.Time) (failed error) {
	staff, _ := e.staff(nil)
	for _, one := range Over(e.slots(), runners, staff, now) {
		if err := e.config.Runners.Delete(ctx, one); err != nil {
			failed = errors.Join(failed, fmt.Errorf("delete runner %s: %w", one.Name, err))
		}
	}
	return failed
}

// note says in the log when it becomes unknown how the runners are, and when it is known again.
func (e *Engine) note(err error) {
	why := ""
	if err != nil {
		why = err.Error()
	}
	if why == e.unknown {
		return
	}
	e.unknown = why
	if err != nil {
		e.config.Log.Warn("nothing is known of the runners, and they stay as they are", "pool", e.config.Pool, "namespace", e.config.Namespace, "why", why)
	} else {
		e.config.Log.Info("the runners are known again", "pool", e.config.Pool, "namespace", e.config.Namespace)
	}
}

// wake tells the loop when the runners have changed.
func (e *Engine) wake(runners []Runner, err error) {
	looked := fmt.Sprint(err)
	for _, one := range runners {
		looked += fmt.Sprint(" ", one.Name, one.Phase, one.Unschedulable)
	}
	if looked != e.looked {
		e.looked = looked
		e.config.Changed()
	}
}
