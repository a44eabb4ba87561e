package planner

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// TestEveryCaseOfPeaksIsShown holds docs/peaks.md to the transcript.
func TestEveryCaseOfPeaksIsShown(t *testing.T) {
	t.Parallel()
	shown := read(t, "testdata/plans/27_peaks")
	for _, found := range regexp.MustCompile(`(?m)^- \*\*(PK\d+)\*\*`).FindAllStringSubmatch(read(t, "../../docs/peaks.md"), -1) {
		if !strings.Contains(shown, "# "+found[1]+":") {
			t.Errorf("%s is not shown in the transcript", found[1])
		}
	}
}

// A forecast may only add.
func TestForecastsOnlyAdd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, policy := drawWorld(t)
		for i := range o.Peaks {
			o.Peaks[i].Forecast = true
		}
		without := o
		without.Peaks = nil
		with, plain := Compute(o, policy, midnight), Compute(without, policy, midnight)
		for i, p := range with.Pools {
			if p.Replicas < plain.Pools[i].Replicas {
				t.Errorf("pool %s has %d replicas with a forecast, %d without: %v", p.Name, p.Replicas, plain.Pools[i].Replicas, p.Reasons)
			}
		}
	})
}

// A peak that never comes costs its workers for two leads at most, and a scale-down delay.
func TestPeakThatNeverComes(t *testing.T) {
	t.Parallel()
	const interval = 5 * time.Second
	for _, start := range []time.Duration{0, time.Minute, 10 * time.Minute} {
		t.Run(start.String(), func(t *testing.T) {
			t.Parallel()
			lead := start + 20*time.Second
			at := midnight.Add(2 * time.Hour)
			o := orchestrator.Observation{
				Pools: []orchestrator.PoolView{{Name: "gpu"}}, Speeds: []orchestrator.Speed{{Model: "bert", Pool: "gpu", RowsPerSecond: 100, LoadSeconds: 20}},
				Peaks: []orchestrator.Peak{{
					Tenant: "acme", Queue: "night", Model: model("bert"), Identity: "nightly", From: at, Until: at, Rows: 60_000, RowsHigh: 72_000, Finish: at.Add(lead),
				}},
			}
			policy := orchestrator.Policy{
				Interval: interval, Pools: []orchestrator.PoolPolicy{{Name: "gpu", Max: 1000, SlotsPerReplica: 1, StartSeconds: start.Seconds()}},
				Queues: []orchestrator.QueuePolicy{{Name: "night", Tenant: "acme", Pools: []string{"gpu"}}},
			}
			needed := whole(720 / lead.Seconds())
			held, most := time.Duration(0), 0
			for now := midnight; now.Before(at.Add(2 * time.Hour)); now = now.Add(interval) {
				o.Pools[0].Reading.At = now
				plan := Compute(o, policy, now)
				o = applied(o, plan)
				held += time.Duration(plan.Pools[0].Replicas) * interval
				most = max(most, plan.Pools[0].Replicas)
			}
			if most != needed || held > time.Duration(needed)*(2*lead+2*interval) {
				t.Errorf("at most %d workers, %s of one in all; want %d, and %s at most", most, held, needed, time.Duration(needed)*(2*lead+2*interval))
			}
		})
	}
}

// Prewarm says what the step does: when the workers are asked for, and how many.
func TestPrewarmIsWhatThePlanDoes(t *testing.T) {
	t.Parallel()
	at := midnight.Add(time.Hour)
	peak := orchestrator.Peak{Tenant: "acme", Queue: "night", Model: model("bert"), Identity: "nightly", From: at, Until: at, Rows: 60_000, RowsHigh: 72_000, Finish: at.Add(2 * time.Minute)}
	o := orchestrator.Observation{
		Pools: []orchestrator.PoolView{{Name: "gpu", Reading: orchestrator.Reading{At: midnight}}}, Speeds: []orchestrator.Speed{{Model: "bert", Pool: "gpu", RowsPerSecond: 100, LoadSeconds: 20}},
	}
	policy := orchestrator.Policy{
		Pools:  []orchestrator.PoolPolicy{{Name: "gpu", Max: 10, SlotsPerReplica: 2, StartSeconds: 100, Price: orchestrator.Money{Micros: 7_200_000, Currency: "EUR"}}},
		Queues: []orchestrator.QueuePolicy{{Name: "night", Tenant: "acme", Pools: []string{"gpu"}}},
	}
	got := Prewarm(o, policy, peak, midnight)
	if want := at.Add(-125 * time.Second); !got.At.Equal(want) || got.Workers != 6 || got.Short != 0 {
		t.Errorf("%+v, want 6 workers from %s on", got, want)
	}
	if want := "1.47 EUR"; fmt.Sprint(got.Cost) != want { // 720 s of work, and 6 workers that start and wait for 125 s
		t.Errorf("it costs %s, want %s", got.Cost, want)
	}
	o.Peaks = []orchestrator.Peak{peak}
	for _, one := range []struct {
		at   time.Time
		want int
	}{{got.At.Add(-time.Second), 0}, {got.At, 3}} {
		o.Pools[0].Reading.At = one.at
		if plan := Compute(o, policy, one.at); plan.Pools[0].Replicas != one.want {
			t.Errorf("%s: %d replicas, want %d", clock(one.at), plan.Pools[0].Replicas, one.want)
		}
	}
	peak.Finish = at.Add(time.Hour)
	if got := Prewarm(o, policy, peak, midnight); !got.At.Equal(at) || got.Workers != 1 {
		t.Errorf("%+v, want 1 worker when it comes", got)
	}
	peak.Finish = time.Time{}
	if got := Prewarm(o, policy, peak, midnight); got != (Prewarming{}) {
		t.Errorf("%+v, want nothing: it is never due", got)
	}
}
