package document

// Mode says whether what is planned is carried out.
type Mode string

// The modes.
const (
	ModeManage  Mode = "manage"  // it is
	ModeObserve Mode = "observe" // nothing is written: somebody else sizes the pool, and works the queue off
)

// External says that others than workers of nightshift work the queue off.
func (s QueueSpec) External() bool {
	return s.Delivery == DeliveryExternal || s.Mode == ModeObserve
}

func known(mode Mode) bool { return mode == ModeManage || mode == ModeObserve }

func poolMode(f visitor, spec *PoolSpec) {
	if !f.optional("mode", spec.Mode == ModeObserve) {
		return
	}
	choiceOf(f, "mode", &spec.Mode, ModeManage, ModeObserve)
	if f.sound("mode", "engine") && spec.Mode == ModeObserve && spec.Engine != EngineRay {
		f.problem("mode", "observe is given with engine: %s, where nobody else makes replicas; allowed: with engine: ray", spec.Engine)
	}
}

func queueMode(f visitor, spec *QueueSpec) {
	if !f.optional("mode", spec.Mode == ModeObserve) {
		return
	}
	choiceOf(f, "mode", &spec.Mode, ModeManage, ModeObserve)
	if f.sound("mode", "source") && spec.Mode == ModeObserve && spec.Source == SourceJobs {
		f.problem("mode", "observe is given with source: %s, which nobody else works off; allowed: with source: nats or kafka", spec.Source)
	}
}

// modes checks that a queue and its pools are observed together: what is planned for one of them only would be half carried out.
func (d *decoder) modes(queue decodedQueue) {
	for index, name := range queue.Spec.Pools {
		for _, pool := range d.pools {
			if pool.Name == name && pool.Spec.Mode != queue.Spec.Mode && known(pool.Spec.Mode) && known(queue.Spec.Mode) {
				queue.source.problem(indexed("spec.pools", index), "Pool %s has mode: %s, and the queue mode: %s; allowed: the same mode for both", quoted(name), pool.Spec.Mode, queue.Spec.Mode)
			}
		}
	}
}
