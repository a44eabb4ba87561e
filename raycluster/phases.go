package raycluster

import (
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"nightshift.dev/nightshift/orchestrator"
)

// The phases of a start, in order (RC21).
const (
	startNode   = "node"   // from the request of the pod until it has a node: quotas, provisioning, scheduling
	startImage  = "image"  // until Ray's container runs: images are pulled
	startReady  = "ready"  // until the pod is ready: Ray has joined
	startWorker = "worker" // until its first worker runs
	startModel  = "model"  // loading a model, for the first time
)

var startPhases = []string{startNode, startImage, startReady, startWorker, startModel}

// startsKept is how many starts are looked at.
const startsKept = 50

// starts are how long the phases of the last starts took. Only pods are counted that became ready while somebody looked.
type starts struct {
	since time.Time
	seen  map[string]bool      // pods, and those with a worker, that are counted
	took  map[string][]float64 // seconds, the newest last, by phase
}

func newStarts(since time.Time) starts {
	return starts{since: since, seen: map[string]bool{}, took: map[string][]float64{}}
}

// learn counts what is new. staff are the first workers of each pod that have loaded a model, by its name.
func (s *starts) learn(pods []*corev1.Pod, staff map[string]orchestrator.Presence) {
	there := make(map[string]bool, 2*len(pods))
	for _, pod := range pods {
		ready := conditionSince(pod, corev1.PodReady)
		if ready.Before(s.since) {
			continue
		}
		there[pod.Name] = true
		if !s.seen[pod.Name] {
			s.pod(pod, ready)
		}
		worker, works := staff[pod.Name]
		if key := pod.Name + "/"; works {
			there[key] = true
			if !s.seen[key] {
				s.add(startWorker, worker.Started.Sub(ready))
				s.add(startModel, time.Duration(worker.LoadSeconds*float64(time.Second)))
			}
		}
	}
	s.seen = there
}

func (s *starts) pod(pod *corev1.Pod, ready time.Time) {
	node, container := conditionSince(pod, corev1.PodScheduled), containerSince(pod)
	if node.IsZero() {
		return
	}
	s.add(startNode, node.Sub(pod.CreationTimestamp.Time))
	if !container.IsZero() {
		s.add(startImage, container.Sub(node))
		s.add(startReady, ready.Sub(container))
	}
}

func (s *starts) add(phase string, took time.Duration) {
	kept := append(s.took[phase], max(took, 0).Seconds())
	s.took[phase] = kept[max(0, len(kept)-startsKept):]
}

// phases gives those that were seen, in order.
func (s *starts) phases() (list []orchestrator.StartPhase) {
	for _, phase := range startPhases {
		if took := slices.Sorted(slices.Values(s.took[phase])); len(took) > 0 {
			list = append(list, orchestrator.StartPhase{Phase: phase, Starts: len(took), Median: quantile(took, .5), P95: quantile(took, .95)})
		}
	}
	return list
}

// quantile is the smallest value that so many are not above; nearest rank.
func quantile(sorted []float64, q float64) float64 {
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// conditionSince is since when a condition holds; zero: it does not.
func conditionSince(pod *corev1.Pod, kind corev1.PodConditionType) time.Time {
	for _, one := range pod.Status.Conditions {
		if one.Type == kind && one.Status == corev1.ConditionTrue {
			return one.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// containerSince is since when Ray's container runs; zero: it does not.
func containerSince(pod *corev1.Pod) time.Time {
	for _, one := range pod.Status.ContainerStatuses {
		if len(pod.Spec.Containers) > 0 && one.Name == pod.Spec.Containers[0].Name && one.State.Running != nil {
			return one.State.Running.StartedAt.Time
		}
	}
	return time.Time{}
}

// learnStarts measures the starts of the group's pods, and of their first workers.
func (e *Engine) learnStarts(seen Seen) {
	var pods []*corev1.Pod
	for _, pod := range seen.Pods {
		if pod.Labels[labelGroup] == e.config.Group && pod.Labels[labelType] != headType {
			pods = append(pods, pod)
		}
	}
	first := map[string]orchestrator.Presence{}
	for _, worker := range e.config.Workers() {
		if worker.Loads == 0 {
			continue
		}
		for _, one := range e.slots().Replicas {
			if one.Index != worker.Slot/e.config.PerReplica {
				continue
			}
			for _, pod := range one.Pods {
				if known, has := first[pod]; !has || worker.Started.Before(known.Started) {
					first[pod] = worker
				}
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.starts.learn(pods, first)
}
