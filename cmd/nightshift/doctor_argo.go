package main

import (
	"context"
	"fmt"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/apiserver"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/workflows"
)

// examineRunners looks whether the runners of a pool can be made, with the rights of this KUBECONFIG.
func examineRunners(ctx context.Context, e *examination, pool document.Pool) {
	ctx, cancel := context.WithTimeout(ctx, clusterWithin)
	defer cancel()
	of := pool.Spec.Argo
	name := fmt.Sprintf("pool %s: runners in namespace %s", pool.Name, of.Namespace)
	config, err := apiserver.Connect(of.Context)
	if err != nil {
		e.say(checkFail, "argo", name+": "+err.Error(), "Set KUBECONFIG, or the pool's argo.context")
		return
	}
	config.Timeout = clusterWithin
	sayArgo(e, name, "can be made", workflows.Check(ctx, config, of.Namespace, of.Template, of.Semaphore.ConfigMap))
}

// examineSteps looks whether the jobs of a queue can have their steps, likewise.
func examineSteps(ctx context.Context, e *examination, queue document.Queue) {
	ctx, cancel := context.WithTimeout(ctx, clusterWithin)
	defer cancel()
	of := queue.Spec.Steps
	name := fmt.Sprintf("queue %s: steps of jobs in namespace %s", queue.Name, of.Namespace)
	config, err := apiserver.Connect(of.Context)
	if err != nil {
		e.say(checkFail, "argo", name+": "+err.Error(), "Set KUBECONFIG, or the queue's steps.context")
		return
	}
	config.Timeout = clusterWithin
	sayArgo(e, name, "can be run", workflows.CheckSteps(ctx, config, of))
}

func sayArgo(e *examination, name, can string, found []orchestrator.SourceFinding) {
	for _, one := range found {
		verdict := checkWarn
		if one.Refused {
			verdict = checkFail
		}
		e.say(verdict, "argo", name+": "+one.Found, one.Next)
	}
	if len(found) == 0 {
		e.say(checkOK, "argo", name+" "+can, "")
	}
}
