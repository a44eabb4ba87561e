package raycluster

import (
	"fmt"

	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
)

// queueLabel is Kueue's.
const queueLabel = "kueue.x-k8s.io/queue-name"

// autoscalerSizes is why a group is refused that Ray's autoscaler sizes, unless the pool moves its bounds.
const autoscalerSizes = "Ray's autoscaler sizes the group (spec.enableInTreeAutoscaling): set it to false, and nightshift does, or let the pool move its bounds (ray.autoscaler: bounds)"

// owner says who sizes the group beside Ray's autoscaler (RC8), as far as the RayCluster itself tells; empty: nobody.
func owner(cluster *rayv1.RayCluster, group *rayv1.WorkerGroupSpec) string {
	switch {
	case cluster.Labels[queueLabel] != "":
		return fmt.Sprintf("Kueue admits and suspends the cluster (label %s: %s): remove the label, and nightshift sizes it", queueLabel, cluster.Labels[queueLabel])
	case cluster.Spec.ManagedBy != nil && *cluster.Spec.ManagedBy != "ray.io/kuberay-operator":
		return fmt.Sprintf("%s manages the cluster (spec.managedBy)", *cluster.Spec.ManagedBy)
	case cluster.Spec.Suspend != nil && *cluster.Spec.Suspend:
		return "the cluster is suspended (spec.suspend)"
	case group.Suspend != nil && *group.Suspend:
		return "the worker group is suspended (spec.workerGroupSpecs[].suspend)"
	}
	return ""
}

// Scaler is an object that sizes others.
type Scaler struct {
	Kind, Name string
	// Target is the kind and name of what it sizes.
	TargetKind, TargetName string
}

// ScaledBy says which of them sizes the cluster; empty: none.
func ScaledBy(scalers []Scaler, cluster string) string {
	for _, one := range scalers {
		if one.TargetKind == "RayCluster" && one.TargetName == cluster {
			return fmt.Sprintf("%s %s names the cluster as what it scales: delete it, and nightshift sizes the group", one.Kind, one.Name)
		}
	}
	return ""
}
