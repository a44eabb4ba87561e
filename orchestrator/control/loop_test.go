package control

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nightshift.dev/nightshift/orchestrator"
)

func TestSleepEndsWithATriggerOrItsTime(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before func(l *Loop, cancel func())
		want   time.Duration
	}{
		{"nothing happens", func(*Loop, func()) {}, longestPause},
		{"one trigger", func(l *Loop, _ func()) { l.Wake() }, shortestPause},
		{"many triggers together", func(l *Loop, _ func()) {
			for range 1000 {
				l.Wake()
			}
		}, shortestPause},
		{"a trigger while it sleeps", func(l *Loop, _ func()) { time.AfterFunc(time.Second, l.Wake) }, time.Second + shortestPause},
		{"the end", func(_ *Loop, cancel func()) { cancel() }, 0},
		{"a trigger and the end", func(l *Loop, cancel func()) {
			l.Wake()
			time.AfterFunc(shortestPause/2, cancel)
		}, shortestPause / 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				loop := New(Config{})
				test.before(loop, cancel)
				began := time.Now()
				loop.sleep(ctx, longestPause)
				if took := time.Since(began); took != test.want {
					t.Errorf("slept %s, want %s", took, test.want)
				}
			})
		})
	}
}

func TestTriggersThatGatherAreSpentByOneDecision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		loop := New(Config{})
		for range 1000 {
			loop.Wake()
		}
		loop.sleep(t.Context(), longestPause)
		began := time.Now()
		loop.sleep(t.Context(), longestPause)
		if took := time.Since(began); took != longestPause {
			t.Errorf("the next sleep took %s, want %s: every trigger was answered", took, longestPause)
		}
	})
}

// The next check of an idle desk is half a minute away, and polls give up before.
func TestWakeMakesADecisionSoon(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.run()
	d.firstDecision()
	d.decide(1)
}

func TestManyTriggersGiveFewDecisions(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.run()
	d.firstDecision()
	const decisions = 20
	before, began := len(d.jobs.decisions()), time.Now()
	d.eventually("the decisions", func() bool {
		for range 100 {
			d.loop.Wake()
		}
		return len(d.jobs.decisions()) >= before+decisions
	})
	if took := time.Since(began); took < (decisions-1)*shortestPause {
		t.Errorf("%d decisions took %s: they are less than %s apart", decisions, took, shortestPause)
	}
}

func TestSlowDecisionIsFollowedByARest(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	const slow = 2 * slowDecision
	d.jobs.onApply = func() { <-time.After(slow) } // a dispatcher with much to do
	d.run()
	d.firstDecision()
	const decisions = 3
	before, began := len(d.jobs.decisions()), time.Now()
	d.eventually("the decisions", func() bool {
		d.loop.Wake()
		return len(d.jobs.decisions()) >= before+decisions
	})
	if took := time.Since(began); took < decisions*5*slow {
		t.Errorf("%d decisions of %s took %s: each of them is to be followed by a rest of four times as long", decisions, slow, took)
	}
}

func TestPlanIsTheLastDecision(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.jobs.set(waiting("fraud-1"))
	stop := d.run()
	d.decide(2)
	stop()
	if diff := cmp.Diff(d.lastDecision().plan, d.loop.Plan(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// Every decision is heard of when it was applied, with what kept it from being applied whole.
func TestDecisionsAreHeardOf(t *testing.T) {
	t.Parallel()
	d := open(t, 0, "cheap") // which has to grow to one
	var heard []error
	d.loop.config.Decided = func(observation orchestrator.Observation, plan orchestrator.Plan, took time.Duration, err error) {
		heard = append(heard, err)
		if len(observation.Pools) != 1 || took <= 0 || cmp.Diff(d.lastDecision().plan, plan, cmpopts.EquateEmpty()) != "" {
			t.Errorf("%+v in %s on %+v", plan, took, observation.Pools)
		}
	}
	d.engines["cheap"].refuse = true
	d.loop.once(t.Context(), time.Now().UTC())
	d.engines["cheap"].refuse = false
	d.loop.once(t.Context(), time.Now().UTC())
	if len(heard) != 2 || heard[0] == nil || !strings.Contains(heard[0].Error(), "no machine to be had") || heard[1] != nil {
		t.Errorf("heard: %v", heard)
	}
}

// Not parallel: no other test may have a loop at this time.
func TestRunEndsWithItsContextAndLeavesNoGoroutine(t *testing.T) {
	d := open(t, 1, "cheap")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.loop.Run(ctx) }()
	d.firstDecision()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the loop ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the loop does not end")
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for one := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(one, "control.(*Loop)") {
			t.Errorf("a goroutine is left:\n%s", one)
		}
	}
}

func TestEstimatesMayBeAskedForWhileTheLoopStarts(t *testing.T) {
	t.Parallel()
	d := open(t, 1, "cheap")
	d.must(d.store.PutPlan(t.Context(), "memory", orchestrator.Memory{Speeds: learned}))
	asked, ask := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(asked)
		for {
			select {
			case <-ask:
				return
			default:
				d.loop.Nearby(t.Context())
			}
		}
	}()
	d.run()
	d.firstDecision()
	close(ask)
	<-asked
	if diff := cmp.Diff(learned, d.loop.Nearby(t.Context()).Memory.Speeds); diff != "" {
		t.Errorf("speeds (-want +got):\n%s", diff)
	}
}
