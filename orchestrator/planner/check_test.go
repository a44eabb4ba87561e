package planner

import (
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// tester is what *testing.T and *rapid.T have in common here.
type tester interface {
	Helper()
	Errorf(format string, arguments ...any)
}

// checkPlan holds any plan to the sentences that must be true of all plans.
func checkPlan(t tester, o orchestrator.Observation, policy orchestrator.Policy, now time.Time, plan orchestrator.Plan) {
	t.Helper()
	checkChains(t, plan)
	for _, p := range plan.Pools {
		checkPool(t, o, policy, now, p)
	}
	checkOpenJobs(t, o, policy, plan)
	checkAssignments(t, o, policy, plan)
	checkJobs(t, plan)
	if ahead := plan.NextCheck.Sub(now); ahead <= 0 || ahead > 30*time.Second || len(plan.Open) > 0 && ahead > 5*time.Second {
		t.Errorf("the next check is soon: %s with %d open jobs", ahead, len(plan.Open))
	}
}

// checkChains: the reasons lead from the old number to the new one, link by link, each with a code and a sentence.
func checkChains(t tester, plan orchestrator.Plan) {
	t.Helper()
	follow := func(name string, number int, reasons []orchestrator.Reason) int {
		for _, reason := range reasons {
			if reason.From != number {
				t.Errorf("%s: reason %s begins at %d, not at %d: %+v", name, reason.Code, reason.From, number, reasons)
			}
			if reason.Code == "" || reason.Sentence == "" {
				t.Errorf("%s: a reason without words: %+v", name, reason)
			}
			number = reason.To
		}
		return number
	}
	for _, p := range plan.Pools {
		if end := follow(p.Name, p.From, p.Reasons); end != p.Replicas || len(p.Reasons) == 0 {
			t.Errorf("%s: the chain ends at %d, the plan says %d", p.Name, end, p.Replicas)
		}
	}
	for _, q := range plan.Queues {
		if end := follow(q.Queue, q.Reasons[0].From, q.Reasons); end != q.Workers {
			t.Errorf("%s: the chain ends at %d, the plan says %d", q.Queue, end, q.Workers)
		}
	}
	for _, j := range plan.Jobs {
		if len(j.Reasons) > 0 {
			if end := follow(j.ID, j.Reasons[0].From, j.Reasons); end != j.Workers {
				t.Errorf("%s: the chain ends at %d, the plan says %d", j.ID, end, j.Workers)
			}
		}
	}
}

// checkPool: an unknown size does not change; a known one is inside its bounds and, where no split decides, not below the workers that hold shards.
func checkPool(t tester, o orchestrator.Observation, policy orchestrator.Policy, now time.Time, p orchestrator.PoolPlan) {
	t.Helper()
	at := slices.IndexFunc(o.Pools, func(v orchestrator.PoolView) bool { return v.Name == p.Name })
	view := o.Pools[at]
	stale := policy.StaleAfter
	if stale <= 0 {
		stale = time.Minute
	}
	if view.Reading.Err != "" || view.Reading.At.IsZero() || now.Sub(view.Reading.At) > stale {
		if p.Replicas != p.From {
			t.Errorf("%s: %d replicas become %d although the size is not known", p.Name, p.From, p.Replicas)
		}
		return
	}
	bounds := policy.Pools[slices.IndexFunc(policy.Pools, func(one orchestrator.PoolPolicy) bool { return one.Name == p.Name })]
	most := min(max(bounds.Max, 0), mostReplicas) // absurd bounds are cut
	if view.Most != nil {
		most = min(most, max(*view.Most, 0))
	}
	engine := min(view.Least, mostReplicas)
	least := max(min(bounds.Min, most), engine)
	most = max(most, engine) // fewer than the engine's least there never are
	if p.Replicas > most || p.Replicas < least {
		t.Errorf("%s: %d replicas are outside %d to %d", p.Name, p.Replicas, least, most)
	}
	busy, drained := map[int]bool{}, map[int]bool{}
	for _, one := range o.Workers {
		replica := one.Slot / max(bounds.SlotsPerReplica, 1)
		if one.Pool == p.Name && (one.Job != "" || one.State == orchestrator.WorkerBusy) && one.Grace == 0 {
			busy[replica] = true
		}
		if one.Pool == p.Name && (one.Draining || one.State == orchestrator.WorkerDraining) {
			drained[replica] = true
		}
	}
	holding := 0
	for replica := range busy {
		if !drained[replica] {
			holding++
		}
	}
	finish := slices.ContainsFunc(p.Reasons, func(r orchestrator.Reason) bool { return r.Code == "no_gain" || r.Code == "split" || r.Code == "cap" }) // what they hold
	if p.Replicas < min(holding, most) && !finish {
		t.Errorf("%s: %d replicas, but %d hold shards: %v", p.Name, p.Replicas, holding, p.Reasons)
	}
}

// checkOpenJobs: what is open stays open, and nothing is opened beyond a queue's limit.
func checkOpenJobs(t tester, o orchestrator.Observation, policy orchestrator.Policy, plan orchestrator.Plan) {
	t.Helper()
	open := map[orchestrator.JobKey]bool{}
	for _, key := range plan.Open {
		if open[key] {
			t.Errorf("%s is listed twice", key.Subject())
		}
		open[key] = true
	}
	count, opened := map[string]int{}, map[string]bool{}
	for _, j := range o.Jobs {
		if j.State.Open() && !open[j.JobKey] {
			t.Errorf("%s was open and is not any more", j.ID)
		}
		if (j.State.Final() || j.State == orchestrator.JobFinalizing) && open[j.JobKey] {
			t.Errorf("%s has no work and is open", j.ID)
		}
		if open[j.JobKey] {
			count[j.Queue]++
		}
		opened[j.Queue] = opened[j.Queue] || open[j.JobKey] && j.State == orchestrator.JobQueued
	}
	for _, q := range policy.Queues {
		if opened[q.Name] && count[q.Name] > q.MaxOpenJobs {
			t.Errorf("queue %s: %d jobs are open, %d may be", q.Name, count[q.Name], q.MaxOpenJobs)
		}
	}
}

// checkAssignments: every worker of a declared pool has one assignment, with every open job of every queue that lists its pool, no other,
// and never a later deadline before an earlier one.
func checkAssignments(t tester, o orchestrator.Observation, policy orchestrator.Policy, plan orchestrator.Plan) {
	t.Helper()
	lists := map[string]map[string]bool{} // queue -> pools
	for _, q := range policy.Queues {
		lists[q.Name] = map[string]bool{}
		for _, name := range q.Pools {
			spot := slices.ContainsFunc(policy.Pools, func(p orchestrator.PoolPolicy) bool {
				return p.Name == name && p.CapacityType == orchestrator.CapacitySpot
			})
			lists[q.Name][name] = spot || !q.Cheapest
		}
	}
	deadlines := map[orchestrator.JobKey]time.Time{}
	for _, j := range o.Jobs {
		deadlines[j.JobKey] = j.Deadline
	}
	listed := map[string]int{} // open jobs, by pool
	for _, key := range plan.Open {
		for name, uses := range lists[key.Queue] {
			if uses {
				listed[name]++
			}
		}
	}
	given := map[string]orchestrator.Assignment{}
	for _, one := range plan.Workers {
		if _, twice := given[one.Worker]; twice {
			t.Errorf("worker %s has two assignments", one.Worker)
		}
		given[one.Worker] = one
	}
	for _, one := range o.Workers {
		if !slices.ContainsFunc(policy.Pools, func(p orchestrator.PoolPolicy) bool { return p.Name == one.Pool }) {
			continue
		}
		assignment, has := given[one.ID]
		if !has {
			t.Errorf("worker %s has no assignment", one.ID)
			continue
		}
		if one.Draining && !assignment.Drain {
			t.Errorf("worker %s was draining and is called back", one.ID)
		}
		assignment.Jobs = checkTurn(t, o, policy, one, assignment.Jobs)
		want, seen := min(listed[one.Pool], mostOrders), map[orchestrator.JobKey]bool{}
		for i, order := range assignment.Jobs {
			if seen[order.JobKey] = true; !lists[order.Queue][one.Pool] {
				t.Errorf("worker %s of pool %s is given %s", one.ID, one.Pool, order.Subject())
			}
			if i > 0 && compareDeadlines(deadlines[assignment.Jobs[i-1].JobKey], deadlines[order.JobKey]) > 0 {
				t.Errorf("worker %s does %s before %s", one.ID, assignment.Jobs[i-1].ID, order.ID)
			}
		}
		kept := len(o.Peaks) > 0 // it may be kept for a peak: then it is given nothing that can wait
		if len(assignment.Jobs) != len(seen) || len(seen) != want && (!kept || len(seen) > want) {
			t.Errorf("worker %s has %d jobs, want %d", one.ID, len(assignment.Jobs), want)
		}
	}
}

// checkTurn: the backlogs of one model come first; each is of a queue that lists the pool. What follows are jobs.
func checkTurn(t tester, o orchestrator.Observation, policy orchestrator.Policy, worker orchestrator.WorkerView, orders []*orchestrator.Order) []*orchestrator.Order {
	t.Helper()
	for i, order := range orders {
		if order.ID != BacklogID {
			return orders[i:]
		}
		has := slices.ContainsFunc(o.Backlogs, func(b orchestrator.BacklogView) bool { return b.Queue == order.Queue && b.Model == order.Model })
		lists := slices.ContainsFunc(policy.Queues, func(q orchestrator.QueuePolicy) bool {
			return q.Name == order.Queue && slices.Contains(q.Pools, worker.Pool)
		})
		if !has || !lists || order.Model != orders[0].Model {
			t.Errorf("worker %s of pool %s is to serve %+v, after %+v", worker.ID, worker.Pool, order, orders[0])
		}
		if worker.Job != "" && order.Model != worker.Model {
			t.Errorf("worker %s holds work and shall turn to %s", worker.ID, order.Model.Name)
		}
	}
	return nil
}

// checkJobs: shards have rows, the number kept ahead is bounded, times are in order.
func checkJobs(t tester, plan orchestrator.Plan) {
	t.Helper()
	isOpen := map[orchestrator.JobKey]bool{}
	for _, key := range plan.Open {
		isOpen[key] = true
	}
	for _, j := range plan.Jobs {
		open := isOpen[j.JobKey]
		if j.ShardRows < 1 || open && (j.Ahead < 4 || j.Ahead > 4096) || !open && (j.Ahead != 0 || j.Workers != 0) || j.Workers < 0 {
			t.Errorf("%s: open %v, %d workers, shards of %d rows, %d ahead", j.ID, open, j.Workers, j.ShardRows, j.Ahead)
		}
		if j.Start.After(j.Finish) || j.FinishLow.After(j.Finish) || j.Finish.After(j.FinishHigh) || j.Cost.Micros < 0 {
			t.Errorf("%s: times or cost make no sense: %+v", j.ID, j)
		}
	}
}
