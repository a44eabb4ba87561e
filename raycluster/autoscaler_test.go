package raycluster

import (
	"maps"
	"slices"
)

// autoscale is one pass of Ray's autoscaler (version v2, Ray 2.60): it removes nodes whose raylet has ended, takes those above maxReplicas (first those that have not joined,
// then idle ones, then whichever), makes more up to minReplicas, and writes replicas as it sees them. Nodes that drain are not counted. idle says that idle ones above
// minReplicas have been so for long enough.
func (w *world) autoscale(idle bool) {
	group := w.group()
	least, most := int(*group.MinReplicas), int(*group.MaxReplicas)
	var counted, named []string
	for _, name := range slices.Sorted(maps.Keys(w.pods)) {
		switch {
		case w.drained[name] && w.worksIn(name) == 0:
			named = append(named, name)
		case !w.drained[name] && w.pods[name].DeletionTimestamp == nil:
			counted = append(counted, name)
		}
	}
	rank := func(name string) int {
		switch {
		case len(w.pods[name].Status.Conditions) == 0:
			return 0
		case w.worksIn(name) == 0:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(counted, func(a, b string) int { return rank(a) - rank(b) })
	for len(counted) > most || idle && len(counted) > least && rank(counted[0]) == 1 {
		if rank(counted[0]) == 2 {
			w.overcut = append(w.overcut, counted[0])
		}
		named, counted = append(named, counted[0]), counted[1:]
	}
	after := int32(min(max(len(w.pods)-len(named)+max(least-len(counted), 0), least), most)) //nolint:gosec // of pods
	if len(group.ScaleStrategy.WorkersToDelete) > 0 && slices.ContainsFunc(group.ScaleStrategy.WorkersToDelete, func(name string) bool { return w.pods[name] != nil }) {
		return // it waits for those
	}
	if *group.Replicas != after || !slices.Equal(group.ScaleStrategy.WorkersToDelete, named) {
		group.Replicas, group.ScaleStrategy.WorkersToDelete = &after, named
		w.cluster.Generation++
	}
}

func (w *world) worksIn(pod string) (count int) {
	for _, worker := range w.workers {
		if worker.Host == pod {
			count++
		}
	}
	return count
}

// switchOn is what a user does who wants Ray's autoscaler.
func (w *world) switchOn(on bool) {
	w.cluster.Spec.EnableInTreeAutoscaling = &on
	w.cluster.Generation++
}
