package planner

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

func anyBytes() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64Range(0, 8<<30), rapid.SampledFrom([]int64{0, -1, 1, math.MinInt64, math.MaxInt64}))
}

// drawMemory puts memory into a world, with absurd numbers.
func drawMemory(t *rapid.T, o *orchestrator.Observation, policy *orchestrator.Policy) {
	names := []string{"bert", "forest", "unheard"}
	for i := range policy.Pools {
		policy.Pools[i].MemoryPerReplica = anyBytes().Draw(t, "of a replica")
	}
	for _, name := range names[:2] {
		policy.Models = append(policy.Models, orchestrator.ModelPolicy{
			Name: name, Memory: anyBytes().Draw(t, "profiled"), MemoryLimit: anyBytes().Draw(t, "limit"),
		})
		for _, pool := range policy.Pools {
			o.Memory.Models = append(o.Memory.Models, orchestrator.ModelMemory{
				Model: name, Pool: pool.Name, Peak: anyBytes().Draw(t, "remembered"), Since: midnight.Add(-time.Duration(rapid.IntRange(-1, 400).Draw(t, "for hours")) * time.Hour),
				MiB: int(anyBytes().Draw(t, "planned") >> 20),
			})
		}
	}
	for i := range o.Workers {
		o.Workers[i].Seen = midnight
		o.Workers[i].Memory = []orchestrator.MemoryUse{{
			Model: rapid.SampledFrom(names).Draw(t, "of"), Peak: anyBytes().Draw(t, "peak"), Ended: anyBytes().Draw(t, "ended"),
			EndedAt: midnight.Add(time.Duration(rapid.IntRange(-90, 5).Draw(t, "ended at")) * time.Minute),
		}}
	}
}

// H7, H8, H9: whatever is observed, the workers of a replica together may hold no more than it has, and what is needed fits as often as the plan says.
func TestWorkersOfAReplicaShareItsMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, policy := drawWorld(t)
		drawMemory(t, &o, &policy)
		plan := Compute(o, policy, midnight)
		checkPlan(t, o, policy, midnight, plan)
		again := o
		again.Workers = rapid.Permutation(o.Workers).Draw(t, "workers in another order")
		if a, b := fmt.Sprintf("%+v", plan.Pools), fmt.Sprintf("%+v", Compute(again, policy, midnight).Pools); a != b {
			t.Fatalf("the order of the workers matters:\n%s\n%s", a, b)
		}
		replica, most := map[string]string{}, map[string]int64{}
		for _, p := range policy.Pools {
			most[p.Name] = p.MemoryPerReplica
			for _, one := range o.Workers {
				if one.Pool == p.Name {
					replica[one.ID] = fmt.Sprint(p.Name, " ", one.Slot/max(p.SlotsPerReplica, 1))
				}
			}
		}
		held := map[string]int64{}
		for _, one := range plan.Workers {
			if one.Memory > one.MemoryMost || one.Memory < 0 {
				t.Fatalf("%+v", one)
			}
			if held[replica[one.Worker]] += one.Memory; held[replica[one.Worker]] > one.MemoryMost {
				t.Fatalf("workers of replica %s may hold more than %d", replica[one.Worker], one.MemoryMost)
			}
		}
		for _, p := range plan.Pools {
			for _, need := range p.Memory {
				if m := min(most[p.Name], mostBytes); m > 0 && int64(need.MiB) > m>>20 {
					t.Errorf("pool %s: %d MiB of %d bytes", p.Name, need.MiB, m)
				}
			}
		}
	})
}

// H6: nothing but newer words of workers lowers what is planned, and not within an hour of an end; a raise is what was said and no more.
func TestMemoryIsNotLoweredBySilence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policy := orchestrator.Policy{
			StaleAfter: time.Minute, Pools: []orchestrator.PoolPolicy{{Name: "gpu", Max: 4, SlotsPerReplica: 4, MemoryPerReplica: 16 << 30}},
			Models: []orchestrator.ModelPolicy{{Name: "bert", Memory: rapid.Int64Range(1, 1<<30).Draw(t, "profiled")}},
		}
		now, seen := midnight, midnight.Add(-time.Second)
		var memory orchestrator.Memory
		planned, peak, ended := 0, int64(0), int64(0)
		for range rapid.IntRange(2, 12).Draw(t, "looks") {
			one := orchestrator.WorkerView{ID: "a", Pool: "gpu", State: orchestrator.WorkerIdle, Model: model("bert"), Seen: seen}
			fresh := now.Sub(seen) <= time.Minute
			if rapid.Bool().Draw(t, "says something") {
				use := orchestrator.MemoryUse{Model: "bert", Peak: rapid.Int64Range(0, 4<<30).Draw(t, "peak")}
				if rapid.Bool().Draw(t, "was ended") {
					use.Ended, use.EndedAt = rapid.Int64Range(1, 4<<30).Draw(t, "ended"), now
					ended = max(ended, use.Ended)
				}
				peak = max(peak, use.Peak)
				one.Memory = []orchestrator.MemoryUse{use}
			}
			plan := Compute(orchestrator.Observation{
				Memory: memory, Workers: []orchestrator.WorkerView{one}, Pools: []orchestrator.PoolView{{Name: "gpu", Replicas: 1, Reading: orchestrator.Reading{At: now}}},
			}, policy, now)
			memory = plan.Memory
			got := plan.Pools[0].Memory[0].MiB
			measured := peak > 0 || ended > 0
			if got < planned && measured && (!fresh || now.Sub(midnight) < time.Hour) && planned > inMiB(headroom*float64(policy.Models[0].Memory)) {
				t.Fatalf("%d MiB become %d: %v", planned, got, plan.Pools[0].Memory[0].Reasons)
			}
			if most := max(inMiB(headroom*float64(peak)), inMiB(endedMore*float64(ended)), inMiB(headroom*float64(policy.Models[0].Memory))); got > most {
				t.Fatalf("%d MiB, want at most %d", got, most)
			}
			planned = got
			now = now.Add(time.Duration(rapid.SampledFrom([]int{1, 30, 600, 86_400, 900_000}).Draw(t, "seconds")) * time.Second)
			if now.Sub(midnight) < time.Minute && rapid.Bool().Draw(t, "is heard") {
				seen = now
			}
		}
	})
}
