package raycluster

import (
	"cmp"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// drainLimit is how long a replica that leaves may hold what it has (RC15).
const drainLimit = 15 * time.Minute

// Keep gives the pool's slots for the replicas that there are (RC16, RC18): each keeps its index, new ones take the lowest that are free, and those that somebody else
// takes away leave. One that has been given notice is let go at once (RC22).
func Keep(before orchestrator.PoolSlots, g Group, perReplica, slots int, when time.Time) orchestrator.PoolSlots {
	now := orchestrator.PoolSlots{Pool: before.Pool, Cluster: g.Life, PerReplica: perReplica, Slots: slots}
	taken := map[int]bool{}
	var fresh []Replica
	entry := func(known orchestrator.ReplicaSlots, one Replica) orchestrator.ReplicaSlots {
		known.Pods = one.Pods
		if one.Notice != "" && one.Phase != PhaseDeleted && known.Since.IsZero() {
			known.Since = when
		}
		known.Leaving = one.Phase == PhaseDeleted || !known.Since.IsZero()
		return known
	}
	for _, one := range g.Have {
		at := slices.IndexFunc(before.Replicas, func(known orchestrator.ReplicaSlots) bool { return share(known.Pods, one.Pods) })
		if at < 0 || taken[before.Replicas[at].Index] {
			fresh = append(fresh, one)
			continue
		}
		known := entry(before.Replicas[at], one)
		taken[known.Index] = true
		now.Replicas = append(now.Replicas, known)
	}
	index := 0
	for _, one := range fresh {
		for taken[index] {
			index++
		}
		taken[index] = true
		now.Replicas = append(now.Replicas, entry(orchestrator.ReplicaSlots{Index: index}, one))
	}
	slices.SortFunc(now.Replicas, func(a, b orchestrator.ReplicaSlots) int { return cmp.Compare(a.Index, b.Index) })
	return now
}

func share(a, b []string) bool {
	return slices.ContainsFunc(a, func(name string) bool { return slices.Contains(b, name) })
}

// Staff is who works in a replica.
type Staff struct {
	Workers int // that have been heard of
	Leaving int // of them, those that the plan drains
}

// goes says that the pool itself lets it go.
func goes(one orchestrator.ReplicaSlots) bool { return !one.Since.IsZero() }

// leavingSlots are those of replicas that leave.
func leavingSlots(slots orchestrator.PoolSlots) (list []int) {
	for _, one := range slots.Replicas {
		if one.Leaving {
			for n := range slots.PerReplica {
				list = append(list, one.Index*slots.PerReplica+n)
			}
		}
	}
	return list
}

func countGoing(slots orchestrator.PoolSlots) (count int) {
	for _, one := range slots.Replicas {
		if goes(one) {
			count++
		}
	}
	return count
}

// Leave lets so many replicas go, of those that may (RC13): those whose workers all drain, then those without any, the ones that are furthest from ready and youngest first.
func Leave(slots orchestrator.PoolSlots, g Group, staff map[int]Staff, count int, now time.Time) orchestrator.PoolSlots {
	type candidate struct {
		at      int
		empty   bool
		phase   Phase
		created time.Time
	}
	var may []candidate
	for at, one := range slots.Replicas {
		in := staff[one.Index]
		if goes(one) || in.Leaving < in.Workers {
			continue
		}
		replica := g.of(one)
		phase := replica.Phase
		if phase == PhaseDeleted {
			phase = -1 // it goes in any case
		}
		may = append(may, candidate{at, in.Workers == 0, phase, replica.Created})
	}
	slices.SortStableFunc(may, func(a, b candidate) int {
		switch {
		case a.empty != b.empty && b.empty:
			return -1
		case a.empty != b.empty:
			return 1
		}
		return cmp.Or(cmp.Compare(a.phase, b.phase), b.created.Compare(a.created))
	})
	slots.Replicas = slices.Clone(slots.Replicas)
	for _, one := range may[:min(max(count, 0), len(may))] {
		slots.Replicas[one.at].Leaving, slots.Replicas[one.at].Since = true, now
	}
	return slots
}

// of is the replica of an entry.
func (g Group) of(entry orchestrator.ReplicaSlots) Replica {
	for _, one := range g.Have {
		if share(one.Pods, entry.Pods) {
			return one
		}
	}
	return Replica{}
}

// leaving counts the replicas that the pool lets go and that the group's replicas still count: their pods are not named yet.
func (g Group) leaving(slots orchestrator.PoolSlots) (count int) {
	if g.Autoscaled {
		return 0 // they are not counted (MB2)
	}
	for _, one := range slots.Replicas {
		if goes(one) && !share(one.Pods, g.Named) {
			count++
		}
	}
	return count
}

// Gone gives the pods of replicas that can be deleted now: nobody works there any more, or has for too long (RC11, RC15). count is how many replicas they are.
func Gone(slots orchestrator.PoolSlots, g Group, staff map[int]Staff, now time.Time) (pods []string, count int) {
	for _, one := range slots.Replicas {
		if !goes(one) || share(one.Pods, g.Named) || staff[one.Index].Workers > 0 && now.Sub(one.Since) < drainLimit {
			continue
		}
		pods = append(pods, one.Pods...)
		count++
	}
	return pods, count
}

// named gives what workersToDelete shall be: what it is, as long as a pod of that name is there, and those that go now (RC12).
func (g Group) named(gone []string) []string {
	var there bool
	for _, one := range g.Have {
		there = there || share(one.Pods, g.Named)
	}
	if !there {
		return gone
	}
	return append(slices.Clone(g.Named), gone...)
}

// has says that all these pods are there.
func (g Group) has(pods []string) bool {
	for _, name := range pods {
		if !slices.ContainsFunc(g.Have, func(one Replica) bool { return slices.Contains(one.Pods, name) }) {
			return false
		}
	}
	return true
}
