package faults

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/state"
)

// random gives the test's source of chance and prints its seed.
func random(t *testing.T) *rand.Rand {
	seed := uint64(1)
	if text := os.Getenv("NIGHTSHIFT_FAULT_SEED"); text != "" {
		parsed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = parsed
	}
	t.Logf("seed %d (NIGHTSHIFT_FAULT_SEED repeats it)", seed)
	return rand.New(rand.NewPCG(seed, 7))
}

// disturb calls a fault again and again, at random times, until the job has ended or it was called often enough.
func (in *installation) disturb(id string, chance *rand.Rand, times int, every time.Duration, fault func()) {
	in.t.Helper()
	strikes := 0
	for range times {
		time.Sleep(every/2 + time.Duration(chance.Int64N(int64(every)))) // when it strikes is the point of the test
		if in.job(id).State.Final() {
			break
		}
		fault()
		strikes++
	}
	in.t.Logf("it struck %d times", strikes)
	if strikes == 0 {
		in.t.Error("the job ended before anything struck: the test has shown nothing")
	}
}

func (in *installation) signalOne(chance *rand.Rand, pids []int, signal syscall.Signal) int {
	if len(pids) == 0 {
		return 0
	}
	pid := pids[chance.IntN(len(pids))]
	_ = syscall.Kill(pid, signal) // it may have ended at this moment
	return pid
}

// W1 to W5, W8, W9, W13: workers die at random moments.
func TestKilledWorkersLoseAndDoubleNothing(t *testing.T) {
	in, chance := install(t, setting{rows: 60_000, pause: .05, ack: 2 * time.Second}), random(t)
	job := in.submit("k")
	in.disturb(job.ID, chance, 8, 800*time.Millisecond, func() { in.signalOne(chance, in.workers(), syscall.SIGKILL) })
	in.check(in.finish(job.ID, 90*time.Second), 60_000)
}

// P5: scorers die by somebody else's hand; no row is blamed.
func TestKilledScorersBlameNoRow(t *testing.T) {
	in, chance := install(t, setting{rows: 60_000, pause: .05, ack: 2 * time.Second}), random(t)
	job := in.submit("k")
	in.disturb(job.ID, chance, 10, 600*time.Millisecond, func() { in.signalOne(chance, in.scorers(), syscall.SIGKILL) })
	in.check(in.finish(job.ID, 90*time.Second), 60_000)
}

// R1, C1, C2, C3, C6: the orchestrator dies at random moments, right after the submit too, and comes back; its workers go on meanwhile.
func TestKilledOrchestratorGoesOn(t *testing.T) {
	in, chance := install(t, setting{rows: 60_000, pause: .05, ack: 2 * time.Second}), random(t)
	job := in.submit("k")
	in.restartOrchestrator()
	in.disturb(job.ID, chance, 5, time.Second, in.restartOrchestrator)
	in.check(in.finish(job.ID, 90*time.Second), 60_000)
}

// R1: while no orchestrator is there, workers go on taking shards: they commit more than they can have held when it died.
func TestWorkersGoOnWithoutAnOrchestrator(t *testing.T) {
	const shards = 100
	in := install(t, setting{rows: 24_000, objects: shards, pause: .4, ack: 2 * time.Second})
	job := in.submit("k")
	in.eventually("every worker has begun", 30*time.Second, func() bool { return len(in.workers()) == mostWorkers && in.committed() >= mostWorkers })
	key, store := orchestrator.JobKey{Tenant: job.Tenant, Queue: job.Queue, ID: job.ID}, in.store()
	in.eventually("shards are published ahead", 30*time.Second, func() bool { // a few, as long as no speed is known
		published, err := store.PublishedShards(t.Context(), key, 0)
		return err == nil && len(published) >= 3*mostHeld
	})
	in.killOrchestrator()
	before := in.committed()
	if before+2*mostHeld >= shards {
		t.Fatalf("%d of %d shards are committed when the orchestrator dies: too few are left to show anything", before, shards)
	}
	in.eventually("shards are taken and committed", 20*time.Second, func() bool { return in.committed() >= before+2*mostHeld })
	in.orchestrator = in.startOrchestrator("state")
	in.check(in.finish(job.ID, 90*time.Second), 24_000)
}

// What mostWorkers of the installation's pool may hold together: each the shard that it scores and one fetched ahead.
const (
	mostWorkers = 3
	mostHeld    = 2 * mostWorkers
)

// A worker fetches one shard ahead and no more, however many wait, so that those who come later find some.
func TestWorkersFetchOneShardAhead(t *testing.T) {
	in := install(t, setting{rows: 24_000, objects: 60, pause: .1, ack: 2 * time.Second})
	job := in.submit("k")
	js, err := jetstream.New(in.conn)
	if err != nil {
		t.Fatal(err)
	}
	full := 0 // looks that saw every worker hold all it may while many shards waited
	in.eventually("the job ends", 90*time.Second, func() bool {
		consumer, err := js.Consumer(t.Context(), state.ShardStream, strings.Join([]string{job.Tenant, job.Queue, job.ID}, "_"))
		if err == nil { // it is there while the job is open
			info := consumer.CachedInfo()
			if info.NumAckPending > mostHeld {
				t.Fatalf("%d shards are held by %d workers, %d wait; want at most %d", info.NumAckPending, mostWorkers, info.NumPending, mostHeld)
			}
			if info.NumAckPending == mostHeld && info.NumPending > mostHeld {
				full++
			}
		}
		return in.job(job.ID).State.Final()
	})
	if full == 0 {
		t.Error("the workers never held all they may while shards waited: the test has shown nothing")
	}
	in.check(in.job(job.ID), 24_000)
}

// R5, R1, C4: two orchestrators work on the same job, and both are killed at random moments.
func TestTwoOrchestratorsAreKilled(t *testing.T) {
	in, chance := install(t, setting{rows: 60_000, pause: .05, ack: 2 * time.Second}), random(t)
	second := in.startOrchestrator("second")
	defer func() { kill(second) }()
	job := in.submit("k")
	killed := [2]int{}
	in.disturb(job.ID, chance, 8, 800*time.Millisecond, func() {
		which := chance.IntN(2)
		killed[which]++
		if which == 0 {
			in.restartOrchestrator()
			return
		}
		kill(second)
		second = in.startOrchestrator("second")
	})
	if killed[0] == 0 || killed[1] == 0 {
		t.Errorf("killed %v times: want each at least once", killed)
	}
	in.check(in.finish(job.ID, 90*time.Second), 60_000)
}

// W12: a worker that is told to end and cannot finish its shard in time hands it back, which is no attempt.
func TestEndingWorkerHandsItsShardBack(t *testing.T) {
	in := install(t, setting{rows: 3000, pause: 1, ack: 30 * time.Second, grace: 100 * time.Millisecond})
	job := in.submit("k")
	key := orchestrator.JobKey{Tenant: job.Tenant, Queue: job.Queue, ID: job.ID}
	kinds := func(kind orchestrator.AttemptKind) (count int) {
		for number := range in.job(job.ID).Counts.ShardsTotal {
			events, _, err := in.store().Attempts(t.Context(), orchestrator.Shard{JobKey: key, Number: number})
			if err != nil {
				t.Fatal(err)
			}
			for _, event := range events {
				if event.Kind == kind {
					count++
				}
			}
		}
		return count
	}
	in.eventually("every worker is scoring", 30*time.Second, func() bool { return kinds(orchestrator.AttemptStarted) >= mostWorkers })
	for _, pid := range in.workers() {
		_ = syscall.Kill(pid, syscall.SIGTERM) // it may have ended at this moment
	}
	in.eventually("a shard is handed back", 20*time.Second, func() bool { return kinds(orchestrator.AttemptHandedBack) > 0 })
	in.check(in.finish(job.ID, 90*time.Second), 3000)
	if failed := kinds(orchestrator.AttemptFailed); failed > 0 {
		t.Errorf("%d attempts have failed", failed)
	}
	for _, commit := range in.commits(job) {
		if commit.Attempts != 1 {
			t.Errorf("shard %d has taken %d attempts, want 1: what was handed back does not count", commit.Number, commit.Attempts)
		}
	}
}

// N1, N2, N4, W6: the NATS server dies at random moments and comes back on its file store.
func TestKilledNATSLosesNothing(t *testing.T) {
	in, chance := install(t, setting{rows: 60_000, pause: .05, ack: 2 * time.Second}), random(t)
	job := in.submit("k")
	in.disturb(job.ID, chance, 4, 1500*time.Millisecond, func() { in.trouble(chance) })
	in.check(in.finish(job.ID, 120*time.Second), 60_000)
}

// W10, W7: a worker is stopped for longer than the ack wait and comes back.
func TestZombieDoublesNothing(t *testing.T) {
	in, chance := install(t, setting{rows: 40_000, pause: .05, ack: time.Second}), random(t)
	job := in.submit("k")
	in.disturb(job.ID, chance, 3, 500*time.Millisecond, func() {
		pid := in.signalOne(chance, in.workers(), syscall.SIGSTOP)
		time.Sleep(2500 * time.Millisecond) // longer than the ack wait
		if pid != 0 {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	})
	in.check(in.finish(job.ID, 90*time.Second), 40_000)
}

// C4, R5: two orchestrators split and finish the same job.
func TestTwoOrchestratorsAgree(t *testing.T) {
	in := install(t, setting{rows: 60_000, pause: .05, ack: 2 * time.Second})
	second := in.startOrchestrator("second")
	defer kill(second)
	job := in.submit("k")
	in.check(in.finish(job.ID, 90*time.Second), 60_000)
}

// R1, N1, N4, W1, P5: everything dies, in any order.
func TestEverythingDies(t *testing.T) {
	in, chance := install(t, setting{rows: 60_000, pause: .05, ack: 2 * time.Second}), random(t)
	job := in.submit("k")
	in.disturb(job.ID, chance, 10, time.Second, func() {
		switch chance.IntN(4) {
		case 0:
			in.signalOne(chance, in.workers(), syscall.SIGKILL)
		case 1:
			in.signalOne(chance, in.scorers(), syscall.SIGKILL)
		case 2:
			in.restartOrchestrator()
		default:
			in.trouble(chance)
		}
	})
	in.check(in.finish(job.ID, 120*time.Second), 60_000)
}

// S1, S3: the same submit answers the same job, over a restart of the service too.
func TestSubmitIsIdempotentOverARestart(t *testing.T) {
	in := install(t, setting{rows: 100, ack: 2 * time.Second})
	first := in.submit("same")
	in.restartOrchestrator()
	if second := in.submit("same"); second.ID != first.ID {
		t.Errorf("the same key gave %s and %s", first.ID, second.ID)
	}
	in.check(in.finish(first.ID, 60*time.Second), 100)
}
