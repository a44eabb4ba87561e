package local

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

func TestStopAsksWorkersToEndAndLeavesNone(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.scale(e, 3)
	workers := h.ready(e, 3)
	h.stop(e)
	for _, one := range workers {
		if !strings.HasSuffix(h.log(one.ID), "told to end\n") {
			t.Errorf("worker %s was not asked to end; its log:\n%s", one.ID, h.log(one.ID))
		}
	}
}

func TestStopKillsAfterTheGraceWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	h.manner.Store("stubborn")
	e := h.engine()
	h.scale(e, 2)
	workers := h.ready(e, 2)
	began := time.Now()
	h.stop(e)
	if took := time.Since(began); took < e.config.Grace {
		t.Errorf("stopped after %s, want a grace of %s", took, e.config.Grace)
	}
	for _, one := range workers {
		if !strings.HasSuffix(h.log(one.ID), "told to end\n") {
			t.Errorf("worker %s was not asked before it was killed; its log:\n%s", one.ID, h.log(one.ID))
		}
	}
}

func TestStopEndsWorkersThatLeave(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.scale(e, 1)
	h.scale(e, 0, h.ready(e, 1)[0].ID)
	h.stop(e)
}

func TestStopThatMayNotWaitSaysHowManyAreLeft(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	h.manner.Store("stubborn")
	e := h.engine()
	h.scale(e, 2)
	h.ready(e, 2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := e.Stop(ctx)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "end 2 workers of pool cpu") {
		t.Errorf("error = %v, want that 2 workers of pool cpu are left", err)
	}
	h.stop(e)
}

func TestStopStartsNoOtherWorkers(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	e := h.engine()
	h.run(e)
	h.must(e.Scale(t.Context(), orchestrator.PoolPlan{Replicas: 2, Slots: e.config.Slots}, nil))
	h.ready(e, 2)
	h.stop(e)
	h.must(e.reconcile(time.Now().Add(time.Hour)))
	if got := h.started.Load(); got != 2 {
		t.Errorf("%d workers started, want 2", got)
	}
	if got := e.Observe(t.Context()).Replicas; got != 0 {
		t.Errorf("replicas = %d after the stop, want 0", got)
	}
}
