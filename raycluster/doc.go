// Package raycluster is the engine of pools that are worker groups of RayClusters: it reads what a group has, sizes it, and says on the object why.
//
// Pure files: view.go (what the object and its pods say), owner.go (who else sizes the group), patch.go (what is written), slots.go (which replica has which
// index, and which leave). client.go talks to the API server; engine.go is what the control loop calls. The rules are docs/raycluster.md, whose numbers the
// tests carry.
//
// Data come from watches of RayClusters and their pods, and from the last words of workers; they go out as JSON Patches and Events of the RayCluster, and as the
// pool's slots, which the driver inside the cluster follows. The package may import the vocabulary, KubeRay's types and client-go.
package raycluster
