// Package raycluster tests the engine of worker groups against a real API server and the real KubeRay operator (e2e/cluster, the light size), with a real NATS server, the
// real program, and real workers. Pods of that size never run: for each pod that is ready the test itself starts the workers that the pool's slots name, as the
// driver inside a RayCluster does.
//
// It needs a cluster of make cluster-up, by KUBECONFIG, or NIGHTSHIFT_CLUSTER=light for one of its own, and skips without.
package raycluster
