package faults

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
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

// N1, N2, W6: the NATS server dies at random moments and comes back on its file store.
func TestKilledNATSLosesNothing(t *testing.T) {
	in, chance := install(t, setting{rows: 60_000, pause: .05, ack: 2 * time.Second}), random(t)
	job := in.submit("k")
	in.disturb(job.ID, chance, 4, 1500*time.Millisecond, func() { in.killNATS(); in.startNATS() })
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

// R1, N1, W1, P5: everything dies, in any order.
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
			in.killNATS()
			in.startNATS()
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
