package raycluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	// doNotDisrupt keeps Karpenter from consolidating a pod's node: for that long after the pod's start (karpenter.sh, "Well-Known Annotations"), or with "true" always.
	doNotDisrupt = "karpenter.sh/do-not-disrupt"
	// protectedAs is what was written there by us: another value is somebody else's.
	protectedAs = "nightshift.dev/do-not-disrupt"
)

const (
	protectEvery = 10 * time.Second
	// restsAfter is how long nobody has worked in a pod that is not busy any more: between two shards it is.
	restsAfter = time.Minute
)

// Pods changes what stands on pods.
type Pods interface {
	// Protect writes the duration on a pod that is the same still; empty takes it away.
	Protect(ctx context.Context, pod *corev1.Pod, duration string) error
}

// Protection keeps the nodes of busy pods from being consolidated (RC24).
type Protection struct {
	Pods Pods
	For  time.Duration // from each write on; 0: nothing is written
}

// protect keeps the annotations as they shall be until ctx ends. Nothing waits for it.
func (e *Engine) protect(ctx context.Context) {
	ticker := time.NewTicker(protectEvery)
	defer ticker.Stop()
	said := ""
	for {
		why := ""
		if err := e.protectOnce(ctx, time.Now()); err != nil {
			why = err.Error()
		}
		if why != said && why != "" && ctx.Err() == nil {
			e.config.Log.Warn("busy pods are not protected from consolidation; trying again", "pool", e.config.Pool, "cluster", e.config.Name, "error", why)
		}
		said = why
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (e *Engine) protectOnce(ctx context.Context, now time.Time) error {
	e.mu.Lock()
	seen := e.seeLocked()
	slots, known := e.record.Slots()
	_, err := e.group(seen, slots)
	e.mu.Unlock()
	busy := map[string]bool{}
	if err == nil && known {
		busy = e.busy(slots, now)
	} else {
		seen.Pods = nil // nothing is known, or somebody else sizes the group: nothing is written
	}
	for _, pod := range seen.Pods {
		if pod.Labels[labelGroup] != e.config.Group || pod.Labels[labelType] == headType {
			continue
		}
		duration, change := protection(pod, busy[pod.Name], e.config.Protect.For, now)
		if !change {
			continue
		}
		if err := e.config.Protect.Pods.Protect(ctx, pod, duration); err != nil {
			return fmt.Errorf("write %s on pod %s: %w", doNotDisrupt, pod.Name, err)
		}
	}
	return nil
}

// busy are the pods of replicas in which somebody works, or has within the last minute.
func (e *Engine) busy(slots orchestrator.PoolSlots, now time.Time) map[string]bool {
	works := map[int]bool{}
	for _, worker := range e.config.Workers() {
		if worker.Shard != "" || worker.State == orchestrator.WorkerLoading || now.Sub(worker.Since) < restsAfter {
			works[worker.Slot/e.config.PerReplica] = true
		}
	}
	busy := map[string]bool{}
	for _, one := range slots.Replicas {
		for _, pod := range one.Pods {
			busy[pod] = works[one.Index]
		}
	}
	return busy
}

// protection is what shall stand on a pod; change says that it does not. What somebody else has written there stays, and a pod that goes needs nothing.
func protection(pod *corev1.Pod, busy bool, lasts time.Duration, now time.Time) (duration string, change bool) {
	written := pod.Annotations[doNotDisrupt]
	if written != pod.Annotations[protectedAs] || !pod.DeletionTimestamp.IsZero() || pod.Status.StartTime == nil {
		return "", false
	}
	if !busy {
		return "", written != ""
	}
	age := now.Sub(pod.Status.StartTime.Time)
	if until, err := time.ParseDuration(written); err == nil && until-age >= lasts/2 {
		return "", false
	}
	return (age + lasts).Round(time.Second).String(), true
}

// Protect writes both annotations, if the pod is the one that was seen.
func (c clusterOf) Protect(ctx context.Context, pod *corev1.Pod, duration string) error {
	ctx, done, err := c.in.request(ctx)
	if err != nil {
		return err
	}
	defer done()
	var value any // null takes away
	if duration != "" {
		value = duration
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID, "annotations": map[string]any{doNotDisrupt: value, protectedAs: value}}})
	if err != nil {
		return err
	}
	_, err = c.in.kube.CoreV1().Pods(c.in.name).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "nightshift"})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it has gone
	}
	return err
}

// Pods are those of the RayCluster of that name.
func (n *Namespace) Pods(name string) Pods { return clusterOf{n, name} }
