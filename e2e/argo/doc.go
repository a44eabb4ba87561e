// Package argo tests the engine of runners against a real API server and the real controller of Argo Workflows (e2e/cluster, the light size), with a real NATS server, the
// real program, and real workers. Pods of that size never run: for each pod that is pretended to run the test itself starts the command of its main container, and
// ends the pod when that has ended, as a kubelet does.
//
// It needs a cluster of make cluster-up, by KUBECONFIG, or NIGHTSHIFT_CLUSTER=light for one of its own, and skips without.
package argo
