package orchestrator

import "time"

// PoolSlots says who shall run where in a pool whose replicas somebody else starts, such as the pods of a RayCluster: the engine writes it, and the driver inside
// the cluster keeps a worker in every slot that it names.
type PoolSlots struct {
	Pool string `json:"pool"`
	// Cluster is the life of the cluster that it holds for; drivers of an earlier life end when they read of another.
	Cluster string `json:"cluster"`
	// PerReplica is how many slots a replica may ever have: the slot of its worker n is Index*PerReplica + n.
	PerReplica int `json:"perReplica"`
	// Slots is how many workers a replica has now: those with lower n.
	Slots int `json:"slots"`
	// Generation is the last that a runner of an Argo pool was given.
	Generation int            `json:"generation,omitempty"`
	Replicas   []ReplicaSlots `json:"replicas,omitempty"` // by index
}

// ReplicaSlots is one replica.
type ReplicaSlots struct {
	Index int `json:"index"` // never used twice at once
	// Pods are its pods by name: one, or as many as it has hosts, with the workers spread over them in turn.
	Pods []string `json:"pods"`
	// Leaving says that its workers drain, and that none is started in it again.
	Leaving bool      `json:"leaving,omitempty"`
	Since   time.Time `json:"since,omitzero"` // when the pool let it go; zero: somebody else takes it away
}
