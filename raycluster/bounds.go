package raycluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// takenBackAfter is how long a replica that was let go may stay, while fewer stay than were asked for, until it counts again (MB6).
const takenBackAfter = 5 * time.Minute

// Bounds are minReplicas and maxReplicas of a group.
type Bounds struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

// movedBounds are the user's bounds, and what was written in their place (MB3).
type movedBounds struct {
	User Bounds `json:"user"`
	Ours Bounds `json:"ours"`
}

// boundsAnnotation is where they stand.
func boundsAnnotation(group string) string { return "nightshift.dev/bounds-" + group }

// readMoved gives nil for what is not there, or was not written by us.
func readMoved(text string) *movedBounds {
	moved := &movedBounds{}
	if err := json.Unmarshal([]byte(text), moved); err != nil {
		return nil
	}
	return moved
}

// ours says that the group's bounds are as they were written.
func (g Group) ours() bool { return g.Moved != nil && g.Moved.Ours == g.Bounds }

// within makes of a group that Ray's autoscaler sizes one whose bounds are moved: within the user's bounds, and with as many replicas as were asked for or are there (MB2, MB3).
func (g Group) within(slots orchestrator.PoolSlots) Group {
	if g.Hosts > 1 {
		g.Refused = "Ray's autoscaler sizes the group (spec.enableInTreeAutoscaling), which counts hosts, and a replica has several (numOfHosts): its bounds are not moved; set it to false, and nightshift sizes the group"
		return g
	}
	g.Refused, g.Replicas = "", g.stay(slots)
	if g.ours() {
		g.Replicas = max(g.Replicas, g.Bounds.Min)
		g.Min, g.Max = g.Moved.User.Min, g.Moved.User.Max
	}
	return g
}

// stay counts the replicas that are there and stay.
func (g Group) stay(slots orchestrator.PoolSlots) (count int) {
	gone := map[string]bool{}
	for _, one := range slots.Replicas {
		for _, pod := range one.Pods {
			gone[pod] = goes(one)
		}
	}
	for _, one := range g.present() {
		if !gone[one.Pods[0]] {
			count++
		}
	}
	return count
}

// TakeBack gives the slots of replicas back that were let go, have no workers, and are kept by Ray's autoscaler in place of others (MB6).
func TakeBack(slots orchestrator.PoolSlots, g Group, staff map[int]Staff, now time.Time) orchestrator.PoolSlots {
	missing := g.Bounds.Min - g.stay(slots)
	after := slots
	after.Replicas = append([]orchestrator.ReplicaSlots{}, slots.Replicas...)
	for i, one := range after.Replicas {
		replica := g.of(one)
		if missing <= 0 || !goes(one) || replica.Phase == PhaseDeleted || replica.Notice != "" || staff[one.Index].Workers > 0 || now.Sub(one.Since) < takenBackAfter {
			continue
		}
		after.Replicas[i].Leaving, after.Replicas[i].Since = false, time.Time{}
		missing--
	}
	if g.stay(after) == g.stay(slots) {
		return slots
	}
	return after
}

// drainingWorkers counts the replicas that were let go and in which somebody still works, and has not for too long (RC15).
func (g Group) drainingWorkers(slots orchestrator.PoolSlots, staff map[int]Staff, now time.Time) (count int) {
	for _, one := range slots.Replicas {
		if goes(one) && g.of(one).Phase != PhaseDeleted && staff[one.Index].Workers > 0 && now.Sub(one.Since) < drainLimit {
			count++
		}
	}
	return count
}

// moveBounds lets replicas go, and brings the bounds to what they shall be (MB4, MB5).
func (e *Engine) moveBounds(ctx context.Context, seen Seen, group Group, order *order) error {
	now := time.Now().UTC()
	slots, wanted := e.slots(), group.Bounds.Min
	if group.ours() {
		slots = TakeBack(slots, group, e.staff(nil), now)
	}
	why := ""
	if order != nil {
		wanted = max(min(order.plan.Replicas, group.Max), group.Min)
		slots = Leave(slots, group, e.staff(order.leaving), group.stay(slots)-wanted, now)
		why = fmt.Sprintf("%d->%d: %s", order.plan.From, order.plan.Replicas, order.plan.Why())
	}
	if err := e.record.Put(ctx, slots); err != nil {
		return err
	}
	if order == nil && !group.ours() {
		return nil // the user's, until something else is wanted
	}
	most := max(wanted, group.stay(slots)) + group.drainingWorkers(slots, e.staff(nil), now)
	return e.writeBounds(ctx, seen, group, Bounds{wanted, max(min(most, group.Max), wanted)}, why)
}

// writeBounds writes them where they are others, with the user's beside them.
func (e *Engine) writeBounds(ctx context.Context, seen Seen, group Group, to Bounds, why string) error {
	if to == group.Bounds && group.ours() {
		return nil
	}
	moved, err := json.Marshal(movedBounds{User: Bounds{group.Min, group.Max}, Ours: to})
	if err != nil {
		return err
	}
	texts := map[string]string{boundsAnnotation(e.config.Group): string(moved)}
	if why != "" && to.Min != group.Bounds.Min {
		texts[annotation(e.config.Group)] = bounded(why)
	}
	patch := append(group.boundsPatch(e.config.Group, to), annotated(texts, len(seen.Cluster.Annotations) > 0)...)
	if err := e.apply(ctx, encode(patch)); err != nil {
		return fmt.Errorf("move the bounds of group %s of RayCluster %s from %d..%d to %d..%d: %w", e.config.Group, e.config.Name, group.Bounds.Min, group.Bounds.Max, to.Min, to.Max, err)
	}
	if text := texts[annotation(e.config.Group)]; text != "" {
		e.told = ""
		e.config.Cluster.Tell(seen.Cluster, false, "Resized", e.config.Group+" "+text)
	}
	return nil
}

// boundsPatch makes the bounds others, if they are still as they were read.
func (g Group) boundsPatch(name string, to Bounds) []operation {
	at := fmt.Sprintf("/spec/workerGroupSpecs/%d", g.Place)
	patch := append(g.guards(name), operation{"test", at + "/minReplicas", g.Bounds.Min}, operation{"test", at + "/maxReplicas", g.Bounds.Max})
	if to.Min != g.Bounds.Min {
		patch = append(patch, operation{"replace", at + "/minReplicas", to.Min})
	}
	if to.Max != g.Bounds.Max {
		patch = append(patch, operation{"replace", at + "/maxReplicas", to.Max})
	}
	return patch
}

// putBoundsBack makes the bounds the user's again (MB7). done says that there was something to do: the object is another now.
func (e *Engine) putBoundsBack(ctx context.Context, group Group) (done bool, err error) {
	if group.Moved == nil {
		return false, nil
	}
	to := group.Bounds
	if group.ours() {
		to = group.Moved.User
	}
	patch := group.boundsPatch(e.config.Group, to)
	if now := max(min(group.Written, group.Bounds.Max), group.Bounds.Min); !group.Autoscaled && now != group.Written {
		at := fmt.Sprintf("/spec/workerGroupSpecs/%d/replicas", group.Place)
		patch = append(patch, operation{"test", at, group.Written}, operation{"replace", at, now})
	}
	patch = append(patch, operation{Op: "remove", Path: "/metadata/annotations/" + strings.ReplaceAll(boundsAnnotation(e.config.Group), "/", "~1")})
	if err := e.apply(ctx, encode(patch)); err != nil {
		return true, fmt.Errorf("put back the bounds of group %s of RayCluster %s: %w", e.config.Group, e.config.Name, err)
	}
	return true, nil
}
