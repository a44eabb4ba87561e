package control

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

func TestWorkersThatDrainAreNamedToTheirPool(t *testing.T) {
	t.Parallel()
	d := open(t, 2, "cheap", "fast")
	for slot, ids := range [][2]string{{"cheap-0", "fast-0"}, {"cheap-1", "fast-1"}} {
		d.say(idle("cheap", ids[0], slot))
		d.say(idle("fast", ids[1], slot))
	}
	d.run()
	for pool, want := range map[string][]request{"cheap": {{Replicas: 1, Leaving: []string{"cheap-1"}}}, "fast": {{Replicas: 1, Leaving: []string{"fast-1"}}}} {
		d.eventually("pool "+pool+" shrinks", func() bool { return len(d.engines[pool].sizes()) > 0 })
		if diff := cmp.Diff(want, d.engines[pool].sizes()); diff != "" {
			t.Errorf("pool %s was asked for (-want +got):\n%s", pool, diff)
		}
	}
}

func TestWorkersAreToldToDrainBeforeTheirPoolShrinks(t *testing.T) {
	t.Parallel()
	d := open(t, 2, "cheap")
	d.say(idle("cheap", "cheap-0", 0))
	d.say(idle("cheap", "cheap-1", 1))
	told := make(chan bool, 1)
	d.engines["cheap"].onScale = func() { told <- d.stored("cheap-1").Drain }
	d.run()
	select {
	case drain := <-told:
		if !drain {
			t.Error("the pool shrank before the worker was told to drain")
		}
	case <-time.After(20 * time.Second):
		t.Error("the pool did not shrink")
	}
}

func TestPoolIsScaledOnlyWhenItsSizeChanges(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.run()
	d.decide(3)
	if got := d.engines["cheap"].sizes(); len(got) > 0 {
		t.Errorf("nothing has changed, but the pool was asked for %v", got)
	}
	d.least(3)
	d.decide(3)
	if diff := cmp.Diff([]request{{Replicas: 3}}, d.engines["cheap"].sizes()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestPoolWhoseEngineFailsDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	d := open(t, 0, "broken", "sound")
	d.engines["broken"].refuse = true
	d.run()
	d.eventually("the other pool grows", func() bool { return len(d.engines["sound"].asked()) > 0 })
	if diff := cmp.Diff([]request{{Replicas: 1}}, d.engines["sound"].sizes()); diff != "" {
		t.Errorf("requests to the sound engine (-want +got):\n%s", diff)
	}
}

// Without a failure the next check of this desk would be half a minute away.
func TestPoolWhoseEngineFailsIsAskedAgainAfterASecond(t *testing.T) {
	t.Parallel()
	d := open(t, 0, "broken")
	d.engines["broken"].refuse = true
	d.run()
	d.eventually("it is asked three times", func() bool { return len(d.engines["broken"].asked()) >= 3 })
	requests := d.engines["broken"].asked()
	for i, again := range requests[1:] {
		if pause := again.At.Sub(requests[i].At); pause < time.Second || pause > 10*time.Second {
			t.Errorf("it was asked again after %s, want about a second", pause)
		}
	}
}

// H4, H8: the end of a scorer is decided on at once, not with the next check, and the engine hears that fewer workers share a replica, also where the number of replicas stays.
func TestFewerWorkersShareAReplicaAtOnce(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.policy.Pools[0].SlotsPerReplica, d.policy.Pools[0].MemoryPerReplica = 2, 1<<30
	d.engines["cheap"].slots = 2
	first, second := idle("cheap", "cheap-0", 0), idle("cheap", "cheap-1", 1)
	first.Model = orchestrator.ModelRef{Name: "fraud", Digest: "d"}
	d.say(first)
	d.say(second)
	d.run()
	d.decide(2)
	if got := d.engines["cheap"].sizes(); len(got) > 0 {
		t.Fatalf("the pool was asked for %v before anything happened", got)
	}
	began := time.Now()
	first.Used = []orchestrator.MemoryUse{{Model: "fraud", Ended: 600 << 20, EndedAt: began.UTC()}}
	d.say(first)
	d.eventually("fewer share", func() bool { return len(d.engines["cheap"].sizes()) > 0 })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("that was decided on after %s", took)
	}
	if diff := cmp.Diff([]request{{Replicas: 1, Leaving: []string{"cheap-1"}}}, d.engines["cheap"].sizes()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if got := d.stored("cheap-0"); got.Memory != 512<<20 || got.MemoryMost != 1<<30 {
		t.Errorf("the worker may hold %d of %d", got.Memory, got.MemoryMost)
	}
}
