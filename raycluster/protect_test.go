package raycluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"nightshift.dev/nightshift/orchestrator"
)

// RC24: the duration counts from the pod's start, is renewed when half of it is over, and taken away when nobody works; what somebody else has written stays.
func TestProtectionOfPods(t *testing.T) {
	pod := func(rest string) *corev1.Pod {
		one := read[corev1.Pod](t, "metadata: {name: p, annotations: {other: x"+rest+"}}\nstatus: {startTime: \"2026-11-20T02:00:00Z\"}")
		if _, err := slim(one); err != nil {
			t.Fatal(err)
		}
		return one
	}
	ours := func(duration string) string {
		return ", karpenter.sh/do-not-disrupt: " + duration + ", nightshift.dev/do-not-disrupt: " + duration
	}
	going := pod("")
	now := metav1.Now()
	going.DeletionTimestamp = &now
	notStarted := pod("")
	notStarted.Status.StartTime = nil
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		busy bool
		want string // what is written; "-": it is taken away, "=": it stays
	}{
		"busy":                        {pod(""), true, "1h30m0s"},
		"idle":                        {pod(""), false, "="},
		"busy, written lately":        {pod(ours("1h15m0s")), true, "="},
		"busy, half of it is over":    {pod(ours("1h14m59s")), true, "1h30m0s"},
		"busy, over long ago":         {pod(ours("5m0s")), true, "1h30m0s"},
		"idle again":                  {pod(ours("1h15m0s")), false, "-"},
		"the template says always":    {pod(", karpenter.sh/do-not-disrupt: \"true\""), true, "="},
		"the template says how long":  {pod(", karpenter.sh/do-not-disrupt: 5m"), false, "="},
		"somebody has changed it":     {pod(", karpenter.sh/do-not-disrupt: 5m, nightshift.dev/do-not-disrupt: 1h"), true, "="},
		"somebody has taken it away":  {pod(", nightshift.dev/do-not-disrupt: 1h"), true, "="},
		"is being deleted":            {going, true, "="},
		"no kubelet has taken it yet": {notStarted, true, "="},
	} {
		duration, change := protection(tc.pod, tc.busy, 30*time.Minute, time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC))
		got := "="
		if change {
			got = duration
			if duration == "" {
				got = "-"
			}
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// written are pods as the API server has them, and what was written on them.
type written struct {
	*world
	mu    sync.Mutex
	count int
	stuck chan struct{} // nil: it answers
}

func (w *written) Protect(ctx context.Context, pod *corev1.Pod, duration string) error {
	if w.stuck != nil {
		select {
		case <-w.stuck:
		case <-ctx.Done():
		}
		return errors.New("no answer")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	of := w.pods[pod.Name]
	if duration == "" {
		delete(of.Annotations, doNotDisrupt)
		delete(of.Annotations, protectedAs)
	} else {
		of.Annotations = map[string]string{doNotDisrupt: duration, protectedAs: duration}
	}
	return nil
}

// protected gives an engine with three replicas, a worker in each, of which one has a shard.
func protected(t *testing.T, lasts time.Duration) (*written, *Engine, *orchestrator.Presence) {
	t.Helper()
	w, e := running(t)
	w.drive()
	for _, pod := range w.pods {
		start := metav1.Now()
		pod.Status.StartTime = &start
	}
	busy := w.workers[slices.Min(slices.Collect(maps.Keys(w.workers)))]
	busy.Shard, busy.State = "1", orchestrator.WorkerBusy
	w.workers[busy.Worker] = busy
	to := &written{world: w}
	e.config.Protect = Protection{Pods: to, For: lasts}
	w.sync()
	return to, e, &busy
}

// RC24: only pods in which somebody works are written, once; between two shards nothing is, and after a minute without one it is taken away.
func TestOnlyBusyPodsAreProtected(t *testing.T) {
	w, e, busy := protected(t, 30*time.Minute)
	now := time.Now()
	look := func(what string, at time.Time, writes int, want ...string) {
		t.Helper()
		w.sync()
		if err := e.protectOnce(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		var got []string
		for name, pod := range w.pods {
			if pod.Annotations[doNotDisrupt] != "" {
				got = append(got, name)
			}
		}
		if !slices.Equal(got, want) || w.count != writes {
			t.Errorf("%s: %v after %d writes, want %v after %d", what, got, w.count, want, writes)
		}
	}
	look("at once", now, 1, busy.Host)
	look("again", now.Add(14*time.Minute), 1, busy.Host)
	look("when half of it is over", now.Add(16*time.Minute), 2, busy.Host)
	busy.Shard, busy.State, busy.Since = "", orchestrator.WorkerIdle, now.Add(17*time.Minute)
	w.workers[busy.Worker] = *busy
	look("between two shards", now.Add(17*time.Minute+restsAfter-1), 2, busy.Host)
	look("at rest", now.Add(17*time.Minute+restsAfter), 3)
	look("at rest still", now.Add(time.Hour), 3)
	busy.State = orchestrator.WorkerLoading
	w.workers[busy.Worker] = *busy
	look("while it loads", now.Add(time.Hour), 4, busy.Host)
	w.cluster.Spec.EnableInTreeAutoscaling = new(bool)
	*w.cluster.Spec.EnableInTreeAutoscaling = true
	look("somebody else sizes the group", now.Add(2*time.Hour), 4, busy.Host)
}

// RC24: a shrink does not wait for pods that cannot be written.
func TestProtectionHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e, _ := protected(t, 30*time.Minute)
		w.stuck = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		synctest.Wait()
		clear(w.workers)
		if err := e.Scale(ctx, orchestrator.PoolPlan{From: 3, Replicas: 2, Slots: 1}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if *w.group().Replicas != 2 {
			t.Errorf("%d replicas, want 2", *w.group().Replicas)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
