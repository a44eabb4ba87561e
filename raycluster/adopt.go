package raycluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	rayv1 "github.com/ray-project/kuberay/ray-operator/apis/ray/v1"
	corev1 "k8s.io/api/core/v1"
)

// Adoption is what it takes for nightshift to size a RayCluster (docs/observe.md).
type Adoption struct {
	Groups []AdoptedGroup
	// Patch is the change of the RayCluster, guarded by what was read; nil: none is needed.
	Patch []byte
	// Hurdles are what else has to be done, or keeps the groups from being sized, as sentences.
	Hurdles []string
}

// AdoptedGroup is a worker group as it is now.
type AdoptedGroup struct {
	Name     string
	Spot     bool // its pods ask for nodes that a provider may take away
	Min, Max int
	There    int // replicas that are not being deleted
}

// autoscalerContainer is KubeRay's name of it in the head's pod (ray-operator, controllers/ray/common/pod.go).
const autoscalerContainer = "autoscaler"

// Adopt says what it takes.
func Adopt(seen Seen) Adoption {
	var adoption Adoption
	for _, spec := range seen.Cluster.Spec.WorkerGroupSpecs {
		group, err := View(seen.Cluster, seen.Pods, spec.GroupName)
		if err != nil {
			adoption.Hurdles = append(adoption.Hurdles, err.Error())
			continue
		}
		adoption.Groups = append(adoption.Groups, AdoptedGroup{Name: spec.GroupName, Spot: asksForSpot(spec.Template.Spec), Min: group.Min, Max: group.Max, There: len(group.present())})
	}
	adoption.Patch = adoptionPatch(seen.Cluster, adoption.Groups)
	adoption.Hurdles = append(adoption.Hurdles, hurdles(seen)...)
	return adoption
}

// hurdles are what a patch of the RayCluster does not take away.
func hurdles(seen Seen) (list []string) {
	of := seen.Cluster
	if autoscaled(of) && of.Spec.UpgradeStrategy != nil && of.Spec.UpgradeStrategy.Type != nil && *of.Spec.UpgradeStrategy.Type == rayv1.RayClusterRecreate {
		list = append(list, "the cluster's upgradeStrategy is Recreate: KubeRay deletes all its pods, the head too, when the change is made")
	} else if head := autoscalerHead(seen.Pods); head != "" {
		list = append(list, fmt.Sprintf("Ray's autoscaler runs in the head's pod and goes on after the change, until that pod is replaced: kubectl -n %s delete pod %s, when nothing runs that needs the head", of.Namespace, head))
	}
	for _, spec := range of.Spec.WorkerGroupSpecs {
		plain := of.DeepCopy()
		plain.Spec.EnableInTreeAutoscaling = nil
		if why := owner(plain, &spec); why != "" && !slices.Contains(list, why) {
			list = append(list, why)
		}
	}
	if why := ScaledBy(seen.Scalers, of.Name); why != "" {
		list = append(list, why)
	}
	return list
}

func autoscaled(of *rayv1.RayCluster) bool {
	return of.Spec.EnableInTreeAutoscaling != nil && *of.Spec.EnableInTreeAutoscaling
}

// autoscalerHead is the pod in which Ray's autoscaler runs; empty: none. Switching it off in the RayCluster does not end it: KubeRay leaves a head as it is.
func autoscalerHead(pods []*corev1.Pod) string {
	for _, pod := range pods {
		if pod.Labels[labelType] == headType && pod.DeletionTimestamp.IsZero() &&
			slices.ContainsFunc(pod.Spec.Containers, func(one corev1.Container) bool { return one.Name == autoscalerContainer }) {
			return pod.Name
		}
	}
	return ""
}

// adoptionPatch switches Ray's autoscaler off, and makes replicas what is there: the autoscaler leaves them behind, and KubeRay would go by them.
func adoptionPatch(of *rayv1.RayCluster, groups []AdoptedGroup) []byte {
	if !autoscaled(of) {
		return nil
	}
	patch := []operation{{"test", "/spec/enableInTreeAutoscaling", true}, {"replace", "/spec/enableInTreeAutoscaling", false}}
	for _, group := range groups {
		place := slices.IndexFunc(of.Spec.WorkerGroupSpecs, func(spec rayv1.WorkerGroupSpec) bool { return spec.GroupName == group.Name })
		at := fmt.Sprintf("/spec/workerGroupSpecs/%d", place)
		patch = append(patch, operation{"test", at + "/groupName", group.Name})
		if there := int32(min(group.There, group.Max)); of.Spec.WorkerGroupSpecs[place].Replicas == nil || *of.Spec.WorkerGroupSpecs[place].Replicas != there { //nolint:gosec // of pods
			patch = append(patch, operation{"add", at + "/replicas", there})
		}
	}
	return encode(patch)
}

// spotLabels are those by which providers and Karpenter mark nodes that may be taken away (their documentation, 2026).
var spotLabels = map[string]string{
	"karpenter.sh/capacity-type": "spot", "eks.amazonaws.com/capacityType": "SPOT", "cloud.google.com/gke-spot": "true", "cloud.google.com/gke-preemptible": "true",
	"kubernetes.azure.com/scalesetpriority": "spot", "nightshift.dev/capacity-type": "spot",
}

// asksForSpot looks at the node selector and at what the node affinity requires.
func asksForSpot(spec corev1.PodSpec) bool {
	for label, value := range spec.NodeSelector {
		if spotLabels[label] == value && value != "" {
			return true
		}
	}
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil || spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return false
	}
	for _, term := range spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, one := range term.MatchExpressions {
			if one.Operator == corev1.NodeSelectorOpIn && len(one.Values) == 1 && spotLabels[one.Key] == one.Values[0] {
				return true
			}
		}
	}
	return false
}

// Trigger is one of a KEDA ScaledObject or ScaledJob.
type Trigger struct {
	Type     string            `json:"type"`
	Metadata map[string]string `json:"metadata"`
}

func decodeTriggers(data []byte) ([]Trigger, error) {
	var object struct {
		Spec struct {
			Triggers []Trigger `json:"triggers"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, fmt.Errorf("read the triggers of the ScaledObject: %w", err)
	}
	slices.SortStableFunc(object.Spec.Triggers, func(a, b Trigger) int { return cmp.Compare(a.Type, b.Type) })
	return object.Spec.Triggers, nil
}

// PatchCommand is the kubectl command that makes the change.
func PatchCommand(namespace, name string, patch []byte) string {
	return fmt.Sprintf("kubectl -n %s patch raycluster %s --type=json -p '%s'", namespace, name, strings.ReplaceAll(string(patch), "'", `'\''`))
}
