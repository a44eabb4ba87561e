package raycluster

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
	corev1 "k8s.io/api/core/v1"
)

// The labels that KubeRay gives its pods.
const (
	labelCluster = "ray.io/cluster"
	labelGroup   = "ray.io/group"
	labelType    = "ray.io/node-type"
	labelReplica = "ray.io/worker-group-replica-name" // of groups with several hosts
	headType     = "head"
)

// Phase is how far a replica has come.
type Phase int

// The phases, in order.
const (
	PhaseGated    Phase = iota // waits for somebody to let it be scheduled, such as a quota
	PhasePending               // has no node
	PhaseStarting              // has a node; images and programs are not there
	PhaseReady                 // all its pods are ready
	PhaseDeleted               // one of its pods is being deleted
)

// String is the word of docs/raycluster.md.
func (p Phase) String() string {
	return [...]string{"gated", "pending", "starting", "ready", "deleted"}[p]
}

// Replica is what a group is counted in: one pod, or as many as it has hosts.
type Replica struct {
	Pods    []string // by name
	Phase   Phase
	Created time.Time // the first of them
	Notice  string    // why one of its pods is about to be taken away; empty: nobody says so
}

// Group is a worker group as its RayCluster and its pods say.
type Group struct {
	Life     string  // of the cluster's head: another one knows nothing of what ran before
	Head     bool    // it is ready
	GPUs     float64 // of a pod, as its template says
	Place    int     // in workerGroupSpecs
	Written  int     // replicas, as they stand there
	Replicas int     // as KubeRay counts them: within Min and Max
	Min, Max int
	Bounds   Bounds       // minReplicas and maxReplicas, as they stand there
	Moved    *movedBounds // what the annotation says of them; nil: there is none
	Hosts    int          // pods of a replica
	// Named are the pods that stand in workersToDelete.
	Named []string
	// Have are the replicas that there are, by the time of their first pod and by name.
	Have       []Replica
	Autoscaled bool  // by Ray's autoscaler
	InTree     *bool // enableInTreeAutoscaling, as it stands there
	// Refused says who else sizes the group, or why it cannot be sized; empty: nobody.
	Refused string
}

// View reads the group of that name (RC1 to RC3). An error says that the group is unknown (RC5).
func View(cluster *rayv1.RayCluster, pods []*corev1.Pod, name string) (Group, error) {
	if !cluster.DeletionTimestamp.IsZero() {
		return Group{}, fmt.Errorf("RayCluster %s/%s is being deleted", cluster.Namespace, cluster.Name)
	}
	place := slices.IndexFunc(cluster.Spec.WorkerGroupSpecs, func(spec rayv1.WorkerGroupSpec) bool { return spec.GroupName == name })
	if place < 0 {
		return Group{}, fmt.Errorf("RayCluster %s/%s has no worker group %q; it has %s", cluster.Namespace, cluster.Name, name, groupNames(cluster))
	}
	spec := &cluster.Spec.WorkerGroupSpecs[place]
	g := Group{GPUs: gpus(spec), Place: place, Hosts: max(int(spec.NumOfHosts), 1), Min: number(spec.MinReplicas, 0), Max: number(spec.MaxReplicas, 1<<31-1)}
	g.Life, g.Head = life(cluster, pods)
	g.Written = number(spec.Replicas, 0)
	g.Replicas = max(min(g.Written, g.Max), g.Min)
	g.Bounds = Bounds{g.Min, g.Max}
	g.Moved = readMoved(cluster.Annotations[boundsAnnotation(name)])
	g.Named = spec.ScaleStrategy.WorkersToDelete
	g.Have, g.Refused = replicas(pods, name, g.Hosts)
	if g.Refused == "" {
		g.Refused = owner(cluster, spec)
	}
	g.InTree = cluster.Spec.EnableInTreeAutoscaling
	if g.Autoscaled = autoscaled(cluster); g.Autoscaled && g.Refused == "" {
		g.Refused = autoscalerSizes
	}
	if head := autoscalerHead(pods); g.Refused == "" && head != "" {
		g.Refused = fmt.Sprintf("Ray's autoscaler still runs in the head's pod %s, though it is switched off: it ends with that pod", head)
	}
	return g, nil
}

func number(value *int32, missing int) int {
	if value == nil {
		return missing
	}
	return int(*value)
}

func groupNames(cluster *rayv1.RayCluster) string {
	text := "none"
	for i, spec := range cluster.Spec.WorkerGroupSpecs {
		if i == 0 {
			text = spec.GroupName
		} else {
			text += ", " + spec.GroupName
		}
	}
	return text
}

// life names the life of the head, as PoolSlots.Cluster has it: the cluster, its head's pod, and how often Ray's container in that was started again.
func life(cluster *rayv1.RayCluster, pods []*corev1.Pod) (name string, ready bool) {
	of := string(cluster.UID)
	for _, pod := range pods {
		if pod.Labels[labelType] != headType || !pod.DeletionTimestamp.IsZero() {
			continue
		}
		of += fmt.Sprintf("/%s/%d", pod.UID, restarts(pod))
		ready = phaseOf(pod) == PhaseReady
		break
	}
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:8]), ready
}

// restarts counts those of Ray's container, which is the first of KubeRay's pods.
func restarts(pod *corev1.Pod) int {
	for _, container := range pod.Status.ContainerStatuses {
		if len(pod.Spec.Containers) > 0 && container.Name == pod.Spec.Containers[0].Name {
			return int(container.RestartCount)
		}
	}
	return 0
}

// gpus is how many of any maker Ray's container has: KubeRay tells Ray of them.
func gpus(group *rayv1.WorkerGroupSpec) (count float64) {
	if len(group.Template.Spec.Containers) == 0 {
		return 0
	}
	for name, quantity := range group.Template.Spec.Containers[0].Resources.Limits {
		if strings.HasSuffix(string(name), "/gpu") {
			count += quantity.AsApproximateFloat64()
		}
	}
	return count
}

// replicas puts the group's pods together (RC3, RC6).
func replicas(pods []*corev1.Pod, name string, hosts int) (have []Replica, refused string) {
	together := map[string]*Replica{}
	for _, pod := range pods {
		if pod.Labels[labelGroup] != name || pod.Labels[labelType] == headType {
			continue
		}
		key := pod.Name
		if hosts > 1 {
			if key = pod.Labels[labelReplica]; key == "" {
				return nil, fmt.Sprintf("pod %s does not say which replica it belongs to, and numOfHosts is %d: KubeRay 1.6 labels them, with its feature gate RayMultiHostIndexing", pod.Name, hosts)
			}
		}
		one := together[key]
		if one == nil {
			one = &Replica{Phase: PhaseReady, Created: pod.CreationTimestamp.Time}
			together[key] = one
		}
		one.add(pod)
	}
	for _, one := range together {
		slices.Sort(one.Pods)
		if len(one.Pods) < hosts && one.Phase == PhaseReady {
			one.Phase = PhasePending
		}
		have = append(have, *one)
	}
	slices.SortFunc(have, func(a, b Replica) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Pods[0], b.Pods[0]))
	})
	return have, ""
}

// heed takes over what nodes say of the pods on them.
func (g *Group) heed(notices map[string]string) {
	for i := range g.Have {
		for _, pod := range g.Have[i].Pods {
			g.Have[i].Notice = cmp.Or(g.Have[i].Notice, notices[pod])
		}
	}
}

// add counts a pod in: a replica has come as far as the last of its pods, and goes with the first.
func (r *Replica) add(pod *corev1.Pod) {
	r.Pods = append(r.Pods, pod.Name)
	if pod.CreationTimestamp.Time.Before(r.Created) {
		r.Created = pod.CreationTimestamp.Time
	}
	r.Notice = cmp.Or(r.Notice, noticeOfPod(pod))
	phase := phaseOf(pod)
	if phase == PhaseDeleted || r.Phase == PhaseDeleted {
		r.Phase = PhaseDeleted
		return
	}
	r.Phase = min(r.Phase, phase)
}

func phaseOf(pod *corev1.Pod) Phase {
	condition := func(kind corev1.PodConditionType) corev1.PodCondition {
		for _, one := range pod.Status.Conditions {
			if one.Type == kind {
				return one
			}
		}
		return corev1.PodCondition{}
	}
	switch {
	case !pod.DeletionTimestamp.IsZero():
		return PhaseDeleted
	case condition(corev1.PodReady).Status == corev1.ConditionTrue:
		return PhaseReady
	case pod.Spec.NodeName != "":
		return PhaseStarting
	case condition(corev1.PodScheduled).Reason == corev1.PodReasonSchedulingGated:
		return PhaseGated
	default:
		return PhasePending
	}
}
