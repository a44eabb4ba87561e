package simulate

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// ofOneSecond makes requests, in order, of one second of execution each.
func ofOneSecond(arrivals ...struct{ at, model int }) (list []Request) {
	for _, one := range arrivals {
		list = append(list, Request{Arrival: time.Duration(one.at) * time.Second, Model: one.model, Work: time.Second})
	}
	return list
}

// always serves whatever waits, the first model first.
func always(view *RequestView) RequestDecision {
	return inTurns(func(_ *turns, a, b int) bool { return a < b })(view)
}

func TestRunRequestsCountsLoadsAndLateness(t *testing.T) {
	t.Parallel()
	type at = struct{ at, model int }
	world := &RequestWorld{
		Workers: 1, Due: 8 * time.Second, Models: []RequestModel{{"a", 2 * time.Second}, {"b", 3 * time.Second}},
		Requests: ofOneSecond(at{0, 0}, at{1, 1}, at{1, 0}, at{1, 1}),
	}
	// a loads until 2 and executes until 3 and 4; b loads until 7 and executes until 8 and 9: all in time.
	want := RequestResult{Busy: 9 * time.Second, Work: 4 * time.Second, Loads: 2, Longest: 8 * time.Second}
	got := RunRequests(world, always)
	got.Decisions = 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	world.Due = 7 * time.Second
	if got := RunRequests(world, always); got.Late != 1 {
		t.Errorf("%d late, want the last one", got.Late)
	}
	idle := func(view *RequestView) RequestDecision { return RequestDecision{Serve: []int{-1}} }
	if got := RunRequests(world, idle); got.Late != 4 || got.Busy != 0 {
		t.Errorf("a policy that never serves: %+v", got)
	}
}

// A policy may have requests that can be in time come before older ones.
func TestRunRequestsTakesTheOldestWithin(t *testing.T) {
	t.Parallel()
	type at = struct{ at, model int }
	world := &RequestWorld{Workers: 1, Due: 2 * time.Second, Models: []RequestModel{{"a", 0}}, Requests: ofOneSecond(at{0, 0}, at{0, 0}, at{0, 0}, at{0, 0}, at{2, 0})}
	for within, want := range map[time.Duration]int{0: 3, time.Second: 2} { // at 2 s the third and fourth cannot be in time any more, the fifth can
		policy := func(*RequestView) RequestDecision {
			return RequestDecision{Serve: []int{0}, Within: []time.Duration{within}}
		}
		if got := RunRequests(world, policy); got.Late != want || got.Unserved != 0 {
			t.Errorf("within %s: %d late, want %d, %d never served", within, got.Late, want, got.Unserved)
		}
	}
}

// The synthetic stream agrees with the published figures: each seed roughly, since requests copy each other, and their mean within .012.
func TestSyntheticRequests(t *testing.T) {
	t.Parallel()
	const seeds = 8
	want := []float64{.31, .70, .87, .94, .747}
	sums := make([]float64, len(want))
	for seed := range uint64(seeds) {
		models, requests := SyntheticRequests(seed+1, 22.7, 45.4)
		for i, one := range figures(requests, len(models)) {
			sums[i] += one / seeds
			if math.Abs(one-want[i]) > .07 {
				t.Errorf("seed %d, figure %d: %.3f, published %.3f", seed+1, i, one, want[i])
			}
		}
		world := RequestWorld{Models: models, Requests: requests}
		if math.Abs(world.Work().Hours()-213.6) > .01 || len(requests) != 26_798 || len(models) != 86 || !slices.IsSortedFunc(requests, func(a, b Request) int { return int(a.Arrival - b.Arrival) }) {
			t.Errorf("seed %d: %d requests of %d models, %s of execution, in order?", seed+1, len(requests), len(models), world.Work())
		}
	}
	for i, one := range sums {
		if math.Abs(one-want[i]) > .012 {
			t.Errorf("figure %d: %.4f on average, published %.3f", i, one, want[i])
		}
	}
	_, one := SyntheticRequests(3, 22.7, 45.4)
	if _, same := SyntheticRequests(3, 22.7, 45.4); !slices.Equal(one, same) {
		t.Error("the same seed gives other requests")
	}
}

// figures are the shares of the 1, 5, 10 and 20 models that are asked for most, and that of requests for another model than the one before.
func figures(requests []Request, models int) []float64 {
	counts, changes := make([]int, models), 0
	for i, one := range requests {
		counts[one.Model]++
		if i > 0 && one.Model != requests[i-1].Model {
			changes++
		}
	}
	slices.SortFunc(counts, func(a, b int) int { return b - a })
	share := func(top int) (sum float64) {
		for _, one := range counts[:top] {
			sum += float64(one) / float64(len(requests))
		}
		return sum
	}
	return []float64{share(1), share(5), share(10), share(20), float64(changes) / float64(len(requests)-1)}
}

// drawRequests is a small world.
func drawRequests(t *rapid.T) *RequestWorld {
	world := &RequestWorld{Workers: rapid.IntRange(1, 3).Draw(t, "workers"), Due: time.Duration(rapid.IntRange(1, 1000).Draw(t, "due")) * time.Second}
	for i := range rapid.IntRange(1, 4).Draw(t, "models") {
		world.Models = append(world.Models, RequestModel{string(rune('a' + i)), time.Duration(rapid.IntRange(0, 60).Draw(t, "load")) * time.Second})
	}
	at := 0
	for range rapid.IntRange(1, 40).Draw(t, "requests") {
		at += rapid.IntRange(0, 100).Draw(t, "gap")
		world.Requests = append(world.Requests, Request{
			Arrival: time.Duration(at) * time.Second, Model: rapid.IntRange(0, len(world.Models)-1).Draw(t, "model"), Work: time.Duration(rapid.IntRange(1, 60).Draw(t, "work")) * time.Second,
		})
	}
	return world
}

// installationOf has a queue for each model.
func installationOf(world *RequestWorld) Installation {
	i := Installation{Policy: orchestrator.Policy{Pools: []orchestrator.PoolPolicy{{Name: "gpu", Min: world.Workers, Max: world.Workers, SlotsPerReplica: 1}}}}
	for model, mean := range world.Profile() {
		name := world.Models[model].Name
		i.Policy.Queues = append(i.Policy.Queues, orchestrator.QueuePolicy{Name: name, Tenant: "acme", Pools: []string{"gpu"}, FinishWithin: world.Due})
		i.Speeds = append(i.Speeds, orchestrator.Speed{Model: name, Pool: "gpu", RowsPerSecond: 1 / mean.Seconds(), LoadSeconds: world.Models[model].Load.Seconds()})
	}
	return i
}

// Every policy, ours with them, serves every request, costs no less than the executions and one load of each model, and does the same again.
func TestEveryRequestIsServed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		world := drawRequests(t)
		least := LeastLoads(world)
		policies := map[string]func() RequestPolicy{"nightshift": func() RequestPolicy {
			policy, err := installationOf(world).PlannedRequests(world)
			if err != nil {
				t.Fatal(err)
			}
			return policy
		}}
		for _, peer := range PeersOfRequests() {
			policies[peer.Name] = peer.New
		}
		for name, policy := range policies {
			got := RunRequests(world, policy())
			if got.Busy < least || got.Longest == 0 || got.Work != world.Work() || got.Unserved != 0 {
				t.Fatalf("%s: %+v, at least %s busy", name, got, least)
			}
			if again := RunRequests(world, policy()); again != got {
				t.Fatalf("%s: %+v, and again %+v", name, got, again)
			}
		}
	})
}

// In an hour of the synthetic stream, workers are less busy under our rule than under any other that is on time, and nobody is late.
func TestTurnsAreCheaperThanEveryPeer(t *testing.T) {
	t.Parallel()
	models, requests := SyntheticRequests(1, 22.7, 45.4)
	requests = requests[:2000]
	world := &RequestWorld{Workers: 4, Due: time.Hour, Models: models, Requests: requests}
	policy, err := installationOf(world).PlannedRequests(world)
	if err != nil {
		t.Fatal(err)
	}
	ours := RunRequests(world, policy)
	if ours.Late != 0 {
		t.Errorf("%d late", ours.Late)
	}
	for _, peer := range PeersOfRequests() {
		if got := RunRequests(world, peer.New()); got.Late == 0 && got.Busy <= ours.Busy {
			t.Errorf("%s: %s busy, ours %s", peer.Name, got.Busy, ours.Busy)
		}
	}
}
