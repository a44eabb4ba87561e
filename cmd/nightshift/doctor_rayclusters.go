package main

import (
	"context"
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator/apiserver"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/raycluster"
)

// clusterWithin bounds the looks at one worker group.
const clusterWithin = 30 * time.Second

// examineGroup looks whether the worker group of a pool can be sized, with the rights of this KUBECONFIG.
func examineGroup(ctx context.Context, e *examination, pool document.Pool) {
	ctx, cancel := context.WithTimeout(ctx, clusterWithin)
	defer cancel()
	group := pool.Spec.Ray
	name := fmt.Sprintf("pool %s: group %s of RayCluster %s/%s", pool.Name, group.Group, group.Namespace, group.Cluster)
	config, err := apiserver.Connect(group.Context)
	if err != nil {
		e.say(checkFail, "raycluster", name+": "+err.Error(), "Set KUBECONFIG, or the pool's ray.context")
		return
	}
	config.Timeout = clusterWithin
	observe, can := pool.Spec.Mode == document.ModeObserve, " can be sized"
	if observe {
		can = " can be observed"
	}
	found := raycluster.Check(ctx, config, raycluster.Asked{
		Namespace: group.Namespace, Cluster: group.Cluster, Group: group.Group, Most: pool.Spec.Replicas.Max, Observe: observe, Protect: group.DoNotDisrupt > 0,
		Bounds: group.Autoscaler == document.AutoscalerBounds,
	})
	for _, one := range found {
		verdict := checkWarn
		if one.Refused {
			verdict = checkFail
		}
		e.say(verdict, "raycluster", name+": "+one.Found, one.Next)
	}
	if len(found) == 0 {
		e.say(checkOK, "raycluster", name+can, "")
	}
}
