package raycluster

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/apiserver"
)

var rights = []apiserver.Right{
	{Group: "ray.io", Resource: "rayclusters", Verb: "get"}, {Group: "ray.io", Resource: "rayclusters", Verb: "list"}, {Group: "ray.io", Resource: "rayclusters", Verb: "watch"},
	{Group: "ray.io", Resource: "rayclusters", Verb: "patch"}, {Resource: "pods", Verb: "list"}, {Resource: "pods", Verb: "watch"},
	{Resource: "events", Verb: "create", Helps: true}, {Resource: "events", Verb: "patch", Helps: true},
	{Group: "autoscaling", Resource: "horizontalpodautoscalers", Verb: "list", Helps: true}, {Group: "keda.sh", Resource: "scaledobjects", Verb: "list", Helps: true},
	{Resource: "nodes", Verb: "list", Helps: true, Everywhere: true}, {Resource: "nodes", Verb: "watch", Helps: true, Everywhere: true},
}

// Asked is what a pool asks of a worker group.
type Asked struct {
	Namespace, Cluster, Group string
	Most                      int  // the pool's replicas.max
	Observe                   bool // only to be read
	Protect                   bool // busy pods are annotated
	Bounds                    bool // where Ray's autoscaler sizes the group, its bounds are moved
}

// rights that it takes.
func (a Asked) rights() []apiserver.Right {
	if a.Protect {
		return append(slices.Clone(rights), apiserver.Right{Resource: "pods", Verb: "patch", Helps: true})
	}
	return rights
}

// Check looks whether a worker group can be sized with the rights of a connection, or read: everything that stands in the way, and nothing is changed.
func Check(ctx context.Context, config *rest.Config, asked Asked) (found []orchestrator.SourceFinding) {
	refuse := func(next, format string, values ...any) {
		found = append(found, orchestrator.SourceFinding{Refused: true, Found: fmt.Sprintf(format, values...), Next: next})
	}
	direct, err := NewDirect(config, asked.Namespace)
	if err != nil {
		refuse("", "%v", err)
		return found
	}
	defer direct.Close()
	if found, err = apiserver.Missing(ctx, direct.in.kube, asked.Namespace, asked.rights(), asked.Observe, "docs/raycluster.md"); err != nil {
		refuse("See whether kubectl reaches it, with the same KUBECONFIG", "the API server does not answer: %v", err)
		return found
	}
	if _, err := direct.in.rays.Discovery().ServerResourcesForGroupVersion("ray.io/v1"); err != nil {
		refuse("Install the KubeRay operator with its definitions, 1.6 or later", "RayClusters are not known there: %v", err)
		return found
	}
	switch seen, err := direct.Look(ctx, asked.Cluster); {
	case apierrors.IsNotFound(err):
		refuse("Create it, or change the pool's ray.namespace and ray.cluster", "there is no RayCluster %s/%s", asked.Namespace, asked.Cluster)
	case err != nil && len(found) == 0:
		refuse("", "it cannot be read: %v", err)
	case err == nil:
		found = append(found, seen.check(asked)...)
	}
	return found
}

// check looks at what the RayCluster says.
func (s Seen) check(asked Asked) (found []orchestrator.SourceFinding) {
	group, err := View(s.Cluster, s.Pods, asked.Group)
	if err != nil {
		return []orchestrator.SourceFinding{{Refused: true, Found: err.Error(), Next: "Change the pool's ray.group, or the RayCluster"}}
	}
	if asked.Observe {
		return nil
	}
	if group.Refused == autoscalerSizes && asked.Bounds {
		group = group.within(orchestrator.PoolSlots{})
	}
	if group.Refused == "" {
		group.Refused = ScaledBy(s.Scalers, s.Cluster.Name)
	}
	if group.Refused != "" {
		found = append(found, orchestrator.SourceFinding{Refused: true, Found: group.Refused})
	}
	if asked.Most > group.Max {
		found = append(found, orchestrator.SourceFinding{
			Found: fmt.Sprintf("the pool may have %d replicas, and the group's maxReplicas is %d: more never come", asked.Most, group.Max), Next: "Raise maxReplicas, or lower the pool's replicas.max",
		})
	}
	if !group.Head {
		found = append(found, orchestrator.SourceFinding{Found: "its head is not ready: no worker starts before", Next: "kubectl describe pods -l ray.io/node-type=head"})
	}
	return found
}
