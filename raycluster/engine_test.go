package raycluster

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// running gives an engine that has read a group of three, all ready.
func running(t *testing.T) (*world, *Engine) {
	t.Helper()
	w := newWorld(3, 0, 8)
	e := w.engine(1)
	w.kubeRay()
	for name := range w.pods {
		w.ready(name)
	}
	w.sync()
	pass(t, e)
	return w, e
}

func pass(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// RC4: what is not known any more keeps its size, is as old as the last contact, and is said in the log once; what it is asked for then is refused.
func TestUnknownKeepsItsSize(t *testing.T) {
	w, e := running(t)
	var log bytes.Buffer
	e.config.Log = slog.New(slog.NewTextHandler(&log, nil))
	lost := two
	if view := e.Observe(t.Context()); view.Replicas != 3 || view.Reading.Err != "" || view.Least != 0 || *view.Most != 8 {
		t.Errorf("known: %+v", view)
	}
	w.seen.At, w.seen.Err = lost, errors.New("there is no watch on pods")
	pass(t, e)
	pass(t, e)
	view := e.Observe(t.Context())
	if view.Replicas != 3 || view.Reading.Err != "there is no watch on pods" || !view.Reading.At.Equal(lost) {
		t.Errorf("unknown: %+v", view)
	}
	if err := e.Scale(t.Context(), orchestrator.PoolPlan{From: 3, Replicas: 9}, nil); err == nil {
		t.Error("an unknown group is sized")
	}
	w.sync()
	pass(t, e)
	if said := log.String(); strings.Count(said, "\n") != 2 || !strings.Contains(said, "there is no watch on pods") || !strings.Contains(said, "known again") {
		t.Errorf("the log says\n%s", said)
	}
}

// RC5: a RayCluster that is not there is unknown.
func TestNoClusterIsUnknown(t *testing.T) {
	w, e := running(t)
	w.seen = Seen{At: two}
	for _, of := range []*Engine{e, w.engine(1)} { // the second has just begun, and knows what was written down
		pass(t, of)
		if view := of.Observe(t.Context()); view.Replicas != 3 || view.Reading.Err != "there is no RayCluster a/scoring" {
			t.Errorf("%+v", view)
		}
	}
}

// RC20: what was asked for counts as asked for until it is done, and no longer where it failed.
func TestAskedForUntilItIsDone(t *testing.T) {
	for _, fails := range []bool{false, true} {
		w, e := running(t)
		if err := e.Scale(t.Context(), orchestrator.PoolPlan{From: 3, Replicas: 12, Slots: 1}, nil); err != nil {
			t.Fatal(err)
		}
		if view := e.Observe(t.Context()); view.Replicas != 8 { // the group's most
			t.Errorf("asked for: %d", view.Replicas)
		}
		want := 8
		if fails {
			*w.group().Replicas, want = 4, 3 // somebody was quicker, and the watch has not told
		}
		if err := e.pass(t.Context()); (err != nil) != fails {
			t.Errorf("fails %t: %v", fails, err)
		}
		if view := e.Observe(t.Context()); view.Replicas != want {
			t.Errorf("fails %t: then %d, want %d", fails, view.Replicas, want)
		}
	}
}

// RC7: a refusal is believed for a while, also after nothing waits any more.
func TestRefusalIsBelievedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(2, 0, 8)
		e := w.engine(1) // both limits are a minute
		w.kubeRay()
		w.ready("scoring-spot-worker-001")
		w.sync()
		pass(t, e)
		available := func() int {
			if view := e.Observe(t.Context()); view.Available != nil {
				return *view.Available
			}
			return -1
		}
		if got := available(); got != -1 {
			t.Errorf("at once: %d", got)
		}
		time.Sleep(61 * time.Second)
		if got := available(); got != 1 {
			t.Errorf("after a minute: %d, want 1", got)
		}
		w.ready("scoring-spot-worker-002")
		w.sync()
		time.Sleep(59 * time.Second)
		if got := available(); got != 2 {
			t.Errorf("once it has come: %d, want 2: the provider may give no more", got)
		}
		time.Sleep(2 * time.Second)
		if got := available(); got != -1 {
			t.Errorf("a minute later: %d, want unknown", got)
		}
	})
}

// RC11: where the watch lags behind a patch that came back to the same replicas, what is named there already is not taken for another pod.
func TestStaleWatchNamesNobodyTwice(t *testing.T) {
	w, _ := running(t)
	w.slots = Leave(w.slots, Group{}, nil, 1, two)
	e := w.engine(1)
	w.group().ScaleStrategy.WorkersToDelete = []string{w.slots.Replicas[0].Pods[0]} // by a patch 4 -> 3 that the watch has not brought
	w.patches = 0
	pass(t, e)
	if w.patches > 0 || *w.group().Replicas != 3 {
		t.Errorf("%d patches, %d replicas", w.patches, *w.group().Replicas)
	}
	w.sync()
	pass(t, e)
	if *w.group().Replicas != 3 {
		t.Errorf("when it has come: %d replicas", *w.group().Replicas)
	}
}
