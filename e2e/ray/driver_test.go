package ray

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nightshift.dev/nightshift/e2e/raytest"
	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/embedded/embeddedtest"
	"nightshift.dev/nightshift/orchestrator/state"
	"nightshift.dev/nightshift/raycluster/driver"
	"nightshift.dev/nightshift/raycluster/jobs"
)

const within = 90 * time.Second // for anything that a test waits for, on a busy machine

// site is NATS, a store, and a Ray cluster whose head is in pod-a.
type site struct {
	t       *testing.T
	store   *state.Store
	cluster *raytest.Cluster
	client  *jobs.Client
	program *driver.Program
	config  driver.Config

	mu       sync.Mutex
	present  map[string]orchestrator.Presence
	changed  chan struct{}
	revision uint64
	others   int // jobs of somebody else
}

const (
	pool  = "gpu"
	token = "a-token-that-only-this-test-knows" // as the Secret of a RayCluster with authOptions has one
)

func newSite(t *testing.T) *site {
	t.Helper()
	server := embeddedtest.Start(t)
	store, err := state.Create(t.Context(), embeddedtest.Connect(t, server), state.Config{MaxBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, store: store, present: map[string]orchestrator.Presence{}, changed: make(chan struct{}, 1)}
	s.cluster = raytest.Start(t, "pod-a", "RAY_AUTH_MODE=token", "RAY_AUTH_TOKEN="+token)
	s.client = jobs.New(s.cluster.Dashboard, token)
	t.Cleanup(s.client.Close)
	if s.program, err = driver.OpenProgram(programFile(t)); err != nil {
		t.Fatal(err)
	}
	s.config = driver.Config{
		Pool: pool, Life: "first", Resources: driver.Resources{GPUs: 0.5}, NATS: server.URL(),
		AckWait: 30 * time.Second, Grace: 5 * time.Second, Orphan: time.Minute,
	}
	ctx, cancel := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		_ = store.WatchPresence(ctx, s.hear, func() {}) // until cancelled
	}()
	t.Cleanup(func() { cancel(); <-watched })
	return s
}

// programFile gives the static program under test: the one that make test has built, or one of its own.
func programFile(t *testing.T) string {
	t.Helper()
	if built := os.Getenv("NIGHTSHIFT_TEST_PROGRAM"); built != "" {
		return built
	}
	file := filepath.Join(t.TempDir(), "nightshift")
	build := exec.Command("go", "build", "-o", file, "nightshift.dev/nightshift/cmd/nightshift")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return file
}

func (s *site) hear(change state.PresenceChange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if change.Gone {
		delete(s.present, change.Worker)
	} else {
		s.present[change.Worker] = change.Presence
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// put writes the slots of the pool.
func (s *site) put(slots int, replicas ...orchestrator.ReplicaSlots) {
	s.t.Helper()
	s.putOf(s.config.Life, slots, replicas...)
}

func (s *site) putOf(life string, slots int, replicas ...orchestrator.ReplicaSlots) {
	s.t.Helper()
	revision, err := s.store.PutSlots(s.t.Context(), orchestrator.PoolSlots{Pool: pool, Cluster: life, PerReplica: 2, Slots: slots, Replicas: replicas}, s.revision)
	if err != nil {
		s.t.Fatal(err)
	}
	s.revision = revision
}

// await waits until the workers that are present are as wished, and gives them by slot: those in the slots that said their last word are not among them.
func (s *site) await(what string, wished func(map[int]orchestrator.Presence) bool) map[int]orchestrator.Presence {
	s.t.Helper()
	late := time.After(within)
	for {
		s.mu.Lock()
		slots := map[int]orchestrator.Presence{}
		for _, one := range s.present {
			if before, ok := slots[one.Slot]; !ok || one.Started.After(before.Started) { // one that was killed says no last word
				slots[one.Slot] = one
			}
		}
		s.mu.Unlock()
		if wished(slots) {
			return slots
		}
		select {
		case <-s.changed:
		case <-late:
			s.t.Fatalf("%s: not within %s; present: %v\nthe driver:\n%s\nRay:\n%s", what, within, slots, s.driverLog(), s.cluster.Logs())
		}
	}
}

// driverLog is what the drivers of this life have printed.
func (s *site) driverLog() (text string) {
	all, err := s.client.Jobs(s.t.Context())
	if err != nil {
		return err.Error()
	}
	for _, job := range all {
		words, err := s.client.Logs(s.t.Context(), job.ID, 8000)
		text += fmt.Sprintf("%s %s %s %v\n%s\n", job.ID, job.Status, job.Message, err, words)
	}
	return text
}

// awaitStatus waits until the driver's attempt stands so.
func (s *site) awaitStatus(id string, status jobs.Status) {
	s.t.Helper()
	for late := time.Now().Add(within); ; {
		job, err := s.client.Job(s.t.Context(), id)
		if err == nil && job.Status == status {
			return
		}
		if time.Now().After(late) {
			s.t.Fatalf("%s is %s (%v), want %s\n%s", id, job.Status, err, status, s.driverLog())
		}
		select { // Ray does not tell
		case <-time.After(200 * time.Millisecond):
		case <-s.t.Context().Done():
		}
	}
}

func inSlots(numbers ...int) func(map[int]orchestrator.Presence) bool {
	return func(slots map[int]orchestrator.Presence) bool {
		return slices.Equal(slices.Sorted(maps.Keys(slots)), numbers)
	}
}

func (s *site) newDriver() *driver.Driver {
	s.t.Helper()
	made, err := driver.New(s.client, s.program, s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

func (s *site) ensure(of *driver.Driver, now time.Time) driver.State {
	s.t.Helper()
	state, err := of.Ensure(s.t.Context(), now)
	if err != nil {
		s.t.Fatal(err)
	}
	return state
}

func replica(index int, leaving bool, pods ...string) orchestrator.ReplicaSlots {
	return orchestrator.ReplicaSlots{Index: index, Pods: pods, Leaving: leaving}
}

func TestDriverOnRealRay(t *testing.T) {
	s := newSite(t)
	version, err := s.client.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	took := func(what string) {
		t.Logf("Ray %s, %5.1f s: %s", version, time.Since(began).Seconds(), what)
		began = time.Now()
	}

	stranger := jobs.New(s.cluster.Dashboard, "")
	defer stranger.Close()
	if _, err := stranger.Jobs(t.Context()); !errors.Is(err, jobs.ErrRefused) {
		t.Errorf("RD14: without a token: %v, want ErrRefused", err)
	}

	s.put(2, replica(0, false, "pod-a"))
	d := s.newDriver()
	first := s.ensure(d, time.Now())
	took("package uploaded, driver submitted")
	slots := s.await("RD4: a worker in each slot", inSlots(0, 1))
	took("two workers present")
	s.checkActors(slots)

	s.score(2000)
	took("a job of 2,000 rows scored")

	// RD1: again, and by another orchestrator, is harmless.
	if again, other := s.ensure(d, time.Now()), s.ensure(s.newDriver(), time.Now()); again.ID != first.ID || other.ID != first.ID || other.Status != jobs.Running {
		t.Errorf("submitted %s, then %v, and by another orchestrator %v", first.ID, again, other)
	}
	if err := s.client.Submit(t.Context(), jobs.Submission{ID: first.ID, Entrypoint: "true"}); !errors.Is(err, jobs.ErrExists) {
		t.Errorf("RD1: a second job with one id: %v, want ErrExists", err)
	}

	// RD8: a worker that dies is followed by another in its slot, and only there.
	s.kill(slots[0])
	after := s.await("RD8: another worker in slot 0", replaced(slots, 0))
	took("the worker of slot 0 killed, another present")
	if after[1].Worker != slots[1].Worker {
		t.Errorf("RD8: slot 1 has %s, want %s still", after[1].Worker, slots[1].Worker)
	}

	// RD7: a slot that is not named any more keeps its worker until its assignment ends it, and gets no other.
	s.put(1, replica(0, false, "pod-a"))
	s.drain(after[1])
	s.await("RD7: slot 1 drained", inSlots(0))
	took("slot 1 not named, drained")
	slots = after

	// RD11: a worker whose actor dies is told to end, and says its last word; another follows.
	s.killActor(slots[0])
	s.await("RD11: slot 0 given up", func(now map[int]orchestrator.Presence) bool { return now[0].Worker != slots[0].Worker })
	slots = s.await("RD11: slot 0 again", inSlots(0))
	took("the actor of slot 0 killed, its worker ended in order, another present")

	// RD9: the pod of another replica comes, dies, and comes again at once with two nodes on one address.
	s.put(1, replica(0, false, "pod-a"), replica(1, false, "pod-b"))
	s.cluster.Do("add", "pod-b")
	slots = s.await("RD9: slot 2", inSlots(0, 2))
	took("pod-b joined, its worker present")
	s.cluster.Do("kill", "pod-b")
	s.forget(slots[2]) // where it had no time for a last word
	s.cluster.Do("add", "pod-b")
	slots = s.await("RD10: slot 2 on the newer node", replaced(slots, 2))
	took("the node of pod-b killed and back, another worker present")

	// RD7: a replica that leaves gets no worker when its own has drained.
	s.put(1, replica(0, false, "pod-a"), replica(1, true, "pod-b"))
	s.drain(slots[2])
	s.await("RD7: slot 2 drained", inSlots(0))
	took("replica 1 left")

	// RD2, RD12: a driver that was stopped lets its workers end in order; the next attempt comes after a pause.
	if err := d.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.awaitStatus(first.ID, jobs.Stopped)
	s.await("RD12: nobody", inSlots())
	took("driver stopped, workers ended")
	now := time.Now()
	s.ensure(d, now) // which may begin a pause
	second := s.ensure(d, now.Add(time.Hour))
	if !strings.HasSuffix(second.ID, "-2") {
		t.Errorf("RD2: the second attempt is %s", second.ID)
	}
	s.await("RD2: slot 0 by the second driver", inSlots(0))
	took("second attempt, its worker present")

	printed, err := s.client.Logs(t.Context(), first.ID, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for slot, starts := range map[int]int{0: 3, 1: 1, 2: 2} {
		if got := strings.Count(printed, fmt.Sprintf("start in slot %d:", slot)); got != starts {
			t.Errorf("RD7: slot %d was filled %d times, want %d:\n%s", slot, got, starts, printed)
		}
	}

	// RD11: a driver that dies takes its actors with it, and their workers end in order.
	s.killDriver(second.ID)
	s.await("RD11: nobody", inSlots())
	s.awaitStatus(second.ID, jobs.Failed)
	took("the driver killed, its workers ended in order")
	s.ensure(d, now.Add(time.Hour)) // likewise
	third := s.ensure(d, now.Add(2*time.Hour))
	s.await("RD2: slot 0 by the third driver", inSlots(0))
	took("third attempt, its worker present")

	// RD3: another life of the cluster.
	s.putOf("another", 1, replica(0, false, "pod-a"))
	s.awaitStatus(third.ID, jobs.Succeeded)
	s.await("RD3: nobody", inSlots())
	took("another life: driver and workers ended")
}

func (s *site) kill(worker orchestrator.Presence) {
	s.t.Helper()
	if err := syscall.Kill(worker.PID, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	s.forget(worker) // it says no last word
}

func (s *site) forget(worker orchestrator.Presence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.present, worker.Worker)
}

// killActor kills the actor of a worker, its parent, and not the worker.
func (s *site) killActor(worker orchestrator.Presence) {
	s.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", worker.PID))
	if err != nil {
		s.t.Fatal(err)
	}
	var state string
	var parent int
	if _, err := fmt.Sscan(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), &state, &parent); err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(parent, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
}

// drain tells a worker by its assignment to end.
func (s *site) drain(worker orchestrator.Presence) {
	s.t.Helper()
	before, revision, err := s.store.Assignment(s.t.Context(), worker.Worker)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		s.t.Fatal(err)
	}
	if _, err := s.store.PutAssignment(s.t.Context(), orchestrator.Assignment{Worker: worker.Worker, Epoch: before.Epoch + 1, Drain: true}, revision); err != nil {
		s.t.Fatal(err)
	}
}

// replaced says that a slot has another worker than before.
func replaced(before map[int]orchestrator.Presence, slot int) func(map[int]orchestrator.Presence) bool {
	return func(now map[int]orchestrator.Presence) bool {
		worker, present := now[slot]
		return present && worker.Worker != before[slot].Worker
	}
}
