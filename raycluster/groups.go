package raycluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"nightshift.dev/nightshift/orchestrator"
)

// GroupStatus is what is shown of a worker group.
type GroupStatus struct {
	Namespace  string `json:"namespace"`
	RayCluster string `json:"rayCluster"`
	Group      string `json:"group"`
	Wanted     int    `json:"wanted"` // replicas, as KubeRay counts them
	Gated      int    `json:"gated"`  // and how far those have come that there are
	Pending    int    `json:"pending"`
	Starting   int    `json:"starting"`
	Ready      int    `json:"ready"`
	Deleted    int    `json:"deleted"`
	Sizer      string `json:"sizer,omitempty"` // who else sizes it, or why it cannot be sized
	Told       string `json:"told,omitempty"`  // what the annotation says
}

// Groups reads the worker groups of the namespace's RayClusters (of all namespaces, where it is empty), of that name (empty: of all), by namespace, name and place.
func (d Direct) Groups(ctx context.Context, name string) ([]GroupStatus, error) {
	clusters, err := d.in.rays.RayV1().RayClusters(d.in.name).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list RayClusters: %w", err)
	}
	list, err := d.in.kube.CoreV1().Pods(d.in.name).List(ctx, metav1.ListOptions{LabelSelector: labelCluster})
	if err != nil {
		return nil, fmt.Errorf("list the pods of RayClusters: %w", err)
	}
	pods := map[string][]*corev1.Pod{}
	for i := range list.Items {
		pod := &list.Items[i]
		of := pod.Namespace + "/" + pod.Labels[labelCluster]
		pods[of] = append(pods[of], pod)
	}
	var groups []GroupStatus
	for i := range clusters.Items {
		if of := &clusters.Items[i]; name == "" || of.Name == name {
			groups = append(groups, statuses(of, pods[of.Namespace+"/"+of.Name])...)
		}
	}
	slices.SortStableFunc(groups, func(a, b GroupStatus) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.RayCluster, b.RayCluster))
	})
	return groups, nil
}

// statuses are those of a RayCluster's groups.
func statuses(of *rayv1.RayCluster, pods []*corev1.Pod) (groups []GroupStatus) {
	for _, spec := range of.Spec.WorkerGroupSpecs {
		one := GroupStatus{Namespace: of.Namespace, RayCluster: of.Name, Group: spec.GroupName, Told: of.Annotations[annotation(spec.GroupName)]}
		group, err := View(of, pods, spec.GroupName)
		if err != nil {
			one.Sizer = err.Error()
		} else {
			if group.Refused == autoscalerSizes && group.ours() { // a pool moves its bounds
				group = group.within(orchestrator.PoolSlots{})
			}
			one.Wanted, one.Sizer = group.Replicas, group.Refused
		}
		for _, replica := range group.Have {
			*[...]*int{&one.Gated, &one.Pending, &one.Starting, &one.Ready, &one.Deleted}[replica.Phase]++
		}
		groups = append(groups, one)
	}
	return groups
}
