package raycluster

import (
	"context"
	"fmt"

	authv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"nightshift.dev/nightshift/orchestrator"
)

// right is one that the engine needs in the namespace of a RayCluster.
type right struct {
	group, resource, verb string
	helps                 bool // it goes without
}

// reads says that it changes nothing.
func (r right) reads() bool { return r.verb != "patch" && r.verb != "create" }

var rights = []right{
	{"ray.io", "rayclusters", "get", false}, {"ray.io", "rayclusters", "list", false}, {"ray.io", "rayclusters", "watch", false}, {"ray.io", "rayclusters", "patch", false},
	{"", "pods", "list", false}, {"", "pods", "watch", false}, {"", "events", "create", true}, {"", "events", "patch", true},
	{"autoscaling", "horizontalpodautoscalers", "list", true}, {"keda.sh", "scaledobjects", "list", true},
}

func (r right) String() string {
	name := r.resource
	if r.group != "" {
		name += "." + r.group
	}
	return r.verb + " " + name
}

// Check looks whether a worker group can be sized with the rights of a connection: everything that stands in the way, and nothing is changed. most is the pool's
// replicas.max; with observe it is only looked whether the group can be read.
func Check(ctx context.Context, config *rest.Config, namespace, cluster, group string, most int, observe bool) (found []orchestrator.SourceFinding) {
	refuse := func(next, format string, values ...any) {
		found = append(found, orchestrator.SourceFinding{Refused: true, Found: fmt.Sprintf(format, values...), Next: next})
	}
	watched, err := NewNamespace(config, namespace, func(string) {})
	if err != nil {
		refuse("", "%v", err)
		return found
	}
	defer watched.events.Shutdown()
	if found, err = missing(ctx, watched.kube, namespace, observe); err != nil {
		refuse("See whether kubectl reaches it, with the same KUBECONFIG", "the API server does not answer: %v", err)
		return found
	}
	if _, err := watched.rays.Discovery().ServerResourcesForGroupVersion("ray.io/v1"); err != nil {
		refuse("Install the KubeRay operator with its definitions, 1.6 or later", "RayClusters are not known there: %v", err)
		return found
	}
	watched.scalers.look(ctx, watched.kube, namespace)
	switch seen := (clusterOf{watched, cluster}).Look(ctx); {
	case apierrors.IsNotFound(seen.Err):
		refuse("Create it, or change the pool's ray.namespace and ray.cluster", "there is no RayCluster %s/%s", namespace, cluster)
	case seen.Err != nil && len(found) == 0:
		refuse("", "it cannot be read: %v", seen.Err)
	case seen.Err == nil:
		found = append(found, seen.check(group, most, observe)...)
	}
	return found
}

// missing names the rights that the connection lacks.
func missing(ctx context.Context, kube kubernetes.Interface, namespace string, observe bool) (found []orchestrator.SourceFinding, err error) {
	for _, one := range rights {
		if observe && (one.helps || !one.reads()) {
			continue
		}
		review := &authv1.SelfSubjectAccessReview{Spec: authv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authv1.ResourceAttributes{Namespace: namespace, Group: one.group, Resource: one.resource, Verb: one.verb},
		}}
		answer, err := kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return nil, err
		}
		if !answer.Status.Allowed {
			found = append(found, orchestrator.SourceFinding{
				Refused: !one.helps, Found: fmt.Sprintf("the right to %s in namespace %s is missing", one, namespace), Next: "Give it to who the service is there: docs/raycluster.md lists all",
			})
		}
	}
	return found, nil
}

// check looks at what the RayCluster says.
func (s Seen) check(name string, most int, observe bool) (found []orchestrator.SourceFinding) {
	group, err := View(s.Cluster, s.Pods, name)
	if err != nil {
		return []orchestrator.SourceFinding{{Refused: true, Found: err.Error(), Next: "Change the pool's ray.group, or the RayCluster"}}
	}
	if observe {
		return nil
	}
	if group.Refused == "" {
		group.Refused = ScaledBy(s.Scalers, s.Cluster.Name)
	}
	if group.Refused != "" {
		found = append(found, orchestrator.SourceFinding{Refused: true, Found: group.Refused})
	}
	if most > group.Max {
		found = append(found, orchestrator.SourceFinding{
			Found: fmt.Sprintf("the pool may have %d replicas, and the group's maxReplicas is %d: more never come", most, group.Max), Next: "Raise maxReplicas, or lower the pool's replicas.max",
		})
	}
	if !group.Head {
		found = append(found, orchestrator.SourceFinding{Found: "its head is not ready: no worker starts before", Next: "kubectl describe pods -l ray.io/node-type=head"})
	}
	return found
}
