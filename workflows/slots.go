package workflows

import (
	"cmp"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	// drainLimit is how long a runner that leaves may hold what it has (AW16).
	drainLimit = 15 * time.Minute
	// idleLimit is how long the pod of one that leaves may run without a worker: it comes, or has just ended.
	idleLimit = time.Minute
	// grantLimit is how long one may wait before the pool is believed to give no more, and retryAfter how long that is believed (AW7).
	grantLimit, retryAfter = 30 * time.Second, 3 * time.Minute
)

// staying counts the runners that were asked for (AW3).
func staying(slots orchestrator.PoolSlots) (count int) {
	for _, one := range slots.Replicas {
		if !one.Leaving {
			count++
		}
	}
	return count
}

// Absence is why a runner of the record is not there.
type Absence int

// The reasons.
const (
	AbsenceNotMade Absence = iota // by this process
	AbsenceComing                 // it was made, and the watch has not brought it yet
	AbsenceGone                   // it was there
)

// Keep gives the record for the runners that there are: those that have ended, and those that are gone, are forgotten; those that it does not know are taken over (AW6).
func Keep(before orchestrator.PoolSlots, runners []Runner, absence func(name string) Absence, now time.Time) (after orchestrator.PoolSlots, ended []Runner) {
	after = orchestrator.PoolSlots{Pool: before.Pool, PerReplica: 1, Slots: 1, Generation: before.Generation}
	known, stays := map[string]bool{}, map[int]bool{}
	for _, entry := range before.Replicas {
		name := entry.Pods[0]
		known[name] = true
		one, there := find(runners, name)
		switch {
		case there && one.Phase == PhaseEnded:
			ended = append(ended, one)
			continue
		case !there && (absence(name) == AbsenceGone || entry.Leaving && absence(name) == AbsenceNotMade):
			continue
		}
		stays[entry.Index] = stays[entry.Index] || !entry.Leaving
		after.Replicas = append(after.Replicas, entry)
	}
	for _, one := range runners {
		after.Generation = max(after.Generation, one.Generation)
		if known[one.Name] || one.Phase == PhaseEnded {
			continue
		}
		entry := orchestrator.ReplicaSlots{Index: one.Slot, Pods: []string{one.Name}}
		if stays[one.Slot] {
			entry.Leaving, entry.Since = true, now
		}
		stays[one.Slot] = true
		after.Replicas = append(after.Replicas, entry)
	}
	sortEntries(after.Replicas)
	return after, ended
}

func sortEntries(entries []orchestrator.ReplicaSlots) {
	slices.SortFunc(entries, func(a, b orchestrator.ReplicaSlots) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(generationOf(a.Pods[0]), generationOf(b.Pods[0])))
	})
}

func find(runners []Runner, name string) (Runner, bool) {
	at := slices.IndexFunc(runners, func(one Runner) bool { return one.Name == name })
	if at < 0 {
		return Runner{}, false
	}
	return runners[at], true
}

// Grow adds runners until so many stay, in the lowest slots that are in no one's hands (AW1, AW18). busy are slots whose workers have been heard of.
func Grow(slots orchestrator.PoolSlots, wanted int, busy map[int]bool) orchestrator.PoolSlots {
	taken := map[int]bool{}
	for _, one := range slots.Replicas {
		taken[one.Index] = true
	}
	slots.Replicas = slices.Clone(slots.Replicas)
	slot := 0
	for missing := wanted - staying(slots); missing > 0; missing-- {
		for taken[slot] || busy[slot] {
			slot++
		}
		taken[slot] = true
		slots.Generation++
		slots.Replicas = append(slots.Replicas, orchestrator.ReplicaSlots{Index: slot, Pods: []string{Name(slots.Pool, slot, slots.Generation)}})
	}
	sortEntries(slots.Replicas)
	return slots
}

// Staff is who works in a runner.
type Staff struct {
	Workers int // that have been heard of
	Leaving int // of them, those that the plan drains
}

// Stay keeps runners that were to leave and whose workers nobody drains (AW23): they came while the runners were let go.
func Stay(slots orchestrator.PoolSlots, staff map[string]Staff) orchestrator.PoolSlots {
	slots.Replicas = slices.Clone(slots.Replicas)
	for at, entry := range slots.Replicas {
		in := staff[entry.Pods[0]]
		if entry.Leaving && in.Workers > 0 && in.Leaving == 0 {
			slots.Replicas[at].Leaving, slots.Replicas[at].Since = false, time.Time{}
		}
	}
	return slots
}

// Leave lets so many runners go, of those that may (AW14).
func Leave(slots orchestrator.PoolSlots, runners []Runner, staff map[string]Staff, count int, now time.Time) orchestrator.PoolSlots {
	type candidate struct {
		at         int
		empty      bool
		phase      Phase
		generation int
	}
	var may []candidate
	for at, entry := range slots.Replicas {
		in := staff[entry.Pods[0]]
		if entry.Leaving || in.Leaving < in.Workers {
			continue
		}
		one, there := find(runners, entry.Pods[0])
		if !there {
			one.Phase = -1 // it is not made yet
		}
		may = append(may, candidate{at, in.Workers == 0, one.Phase, generationOf(entry.Pods[0])})
	}
	slices.SortFunc(may, func(a, b candidate) int {
		switch {
		case a.empty != b.empty && b.empty:
			return -1
		case a.empty != b.empty:
			return 1
		}
		return cmp.Or(cmp.Compare(a.phase, b.phase), cmp.Compare(b.generation, a.generation))
	})
	slots.Replicas = slices.Clone(slots.Replicas)
	for _, one := range may[:min(max(count, 0), len(may))] {
		slots.Replicas[one.at].Leaving, slots.Replicas[one.at].Since = true, now
	}
	return slots
}

// Missing are the runners of the record that have to be made.
func Missing(slots orchestrator.PoolSlots, runners []Runner) (missing []orchestrator.ReplicaSlots) {
	for _, entry := range slots.Replicas {
		if _, there := find(runners, entry.Pods[0]); !there && !entry.Leaving {
			missing = append(missing, entry)
		}
	}
	return missing
}

// Over are the runners that are to be deleted: they leave, and their pods do not run, or have for too long (AW15, AW16).
func Over(slots orchestrator.PoolSlots, runners []Runner, staff map[string]Staff, now time.Time) (over []Runner) {
	for _, entry := range slots.Replicas {
		one, there := find(runners, entry.Pods[0])
		if !there || !entry.Leaving {
			continue
		}
		var limit time.Duration
		switch {
		case staff[one.Name].Workers > 0:
			limit = drainLimit
		case one.Phase == PhaseRunning:
			limit = idleLimit
		}
		if now.Sub(entry.Since) >= limit {
			over = append(over, one)
		}
	}
	return over
}

// granted counts the runners that stay and have a node, or may get one; waits says that others have waited for too long (AW7).
func granted(slots orchestrator.PoolSlots, runners []Runner, now time.Time) (count int, waits bool) {
	for _, entry := range slots.Replicas {
		one, there := find(runners, entry.Pods[0])
		switch {
		case !there || entry.Leaving:
		case one.Phase == PhaseRunning || one.Phase == PhasePending && !one.Unschedulable:
			count++
		default:
			waits = waits || now.Sub(one.Created) > grantLimit
		}
	}
	return count, waits
}
