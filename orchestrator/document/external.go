package document

import (
	"time"
)

// Delivery is how a source's rows get to those who work on them.
type Delivery string

// The deliveries.
const (
	DeliveryShards   Delivery = "shards"   // nightshift reads them and hands them to its workers
	DeliveryExternal Delivery = "external" // consumers of the user's own take and acknowledge them; nightshift sizes their pool
)

// LocalConsumer is a program of the user's own that a pool of this machine runs instead of workers.
type LocalConsumer struct {
	Command  []string
	MaxGrace time.Duration // the longest grace that it may declare
}

// localFields visits what a pool runs instead of workers.
func localFields(f visitor, spec *PoolSpec) {
	if !f.optional("local", spec.Local != nil) {
		return
	}
	if spec.Local == nil {
		spec.Local = &LocalConsumer{MaxGrace: 10 * time.Minute}
	}
	f.object("local", func(f visitor) {
		f.required("command")
		f.texts("command", &spec.Local.Command, isArgument)
		f.duration("maxGrace", &spec.Local.MaxGrace, 0, 24*time.Hour)
		if f.sound("command") && spec.Local.Command[0] == "" {
			f.problem("command", "names no program; allowed: a program and its arguments, like [python3, consumer.py]")
		}
	})
}

// deliveryFields visits who takes the source's rows.
func deliveryFields(f visitor, spec *QueueSpec) {
	if !f.optional("delivery", spec.Delivery == DeliveryExternal) {
		return
	}
	choiceOf(f, "delivery", &spec.Delivery, DeliveryShards, DeliveryExternal)
	if f.sound("delivery", "source") && spec.Delivery == DeliveryExternal && spec.Source == SourceJobs {
		f.problem("delivery", "external is given with source: %s; allowed: with source: nats or kafka", spec.Source)
	}
}

// outputFields visits where results go. Consumers of the user's own write none of ours.
func outputFields(f visitor, spec *QueueSpec, fields func(visitor)) {
	if spec.Delivery != DeliveryExternal {
		f.object("output", fields)
		return
	}
	for _, key := range []string{"output", "drain"} {
		if f.optional(key, false) {
			f.problem(key, "given beside delivery: external, where nightshift reads no rows and writes no results; allowed: with delivery: shards")
		}
	}
}

// consumers checks that a queue and its pools are for the same kind of programs, and that the speed of the user's own is known.
func (d *decoder) consumers(queue decodedQueue) {
	external, observed := queue.Spec.Delivery == DeliveryExternal, queue.Spec.Mode == ModeObserve
	for index, name := range queue.Spec.Pools {
		for _, pool := range d.pools {
			switch {
			case pool.Name != name || observed: // who works there is not asked
			case external && pool.Spec.Local == nil:
				queue.source.problem(indexed("spec.pools", index), "Pool %s runs workers, and delivery is external; allowed: pools with local.command", quoted(name))
			case !external && pool.Spec.Local != nil:
				queue.source.problem(indexed("spec.pools", index), "Pool %s runs a command of its own, and delivery is shards; allowed: pools without local", quoted(name))
			}
		}
	}
	for _, model := range d.models {
		if queue.Spec.External() && model.Name == queue.Spec.Model && model.Spec.Profile == nil {
			queue.source.problem("spec.model", "Model %s has no profile, and nobody else knows how fast the consumers are; allowed: a Model with spec.profile, whose rowsPerSecond is that of one consumer", quoted(model.Name))
		}
	}
}
