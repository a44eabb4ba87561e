package local

import (
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// A program of the user's own is told to end once, has the grace that it declared, no more than the pool allows and no less than any worker, and is then ended by force.
func TestConsumersHaveTheirGrace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ declared, want time.Duration }{{0, 500 * time.Millisecond}, {10 * time.Second, 10 * time.Second}, {time.Hour, time.Minute}} {
		h := prepare(t)
		h.manner.Store("stubborn")
		config := h.config("cpu")
		config.Own, config.MostGrace = true, time.Minute
		e, err := New(config)
		h.must(err)
		h.scale(e, 1)
		one := h.ready(e, 1)[0]
		if environment := e.environment(one.ID); !slices.Contains(environment, "NIGHTSHIFT_CONSUMER="+one.ID) || !slices.Contains(environment, "NIGHTSHIFT_POOL=cpu") {
			t.Errorf("the environment is %q", environment)
		}
		h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 0, Slots: 1}, []string{}))
		h.must(e.Leave(one.ID, c.declared))
		h.eventually("it is told", func() bool { return strings.Contains(h.log(one.ID), "told to end") })
		h.must(e.Leave(one.ID, c.declared))
		told := e.workers[one.ID].Leaving
		h.must(e.reconcile(told.Add(c.want - time.Millisecond)))
		if list, own := e.Running(); !own || len(list) != 1 || !list[0].Leaves || list[0].MostGrace != time.Minute {
			t.Errorf("declared %s: before the grace is over: %+v", c.declared, list)
		}
		h.must(e.reconcile(told.Add(c.want + time.Millisecond)))
		h.eventually("it is ended", func() bool { return !e.alive(one.ID) })
		if times := strings.Count(h.log(one.ID), "told to end"); times != 1 {
			t.Errorf("told %d times", times)
		}
	}
}

func TestWorkersOfOursAreNoConsumers(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.scale(e, 1)
	one := h.ready(e, 1)[0]
	if list, own := e.Running(); own || len(list) > 0 {
		t.Errorf("%+v", list)
	}
	for _, variable := range e.environment(one.ID) {
		if strings.HasPrefix(variable, "NIGHTSHIFT_CONSUMER=") {
			t.Error(variable)
		}
	}
}
