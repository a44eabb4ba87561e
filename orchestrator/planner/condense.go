package planner

import (
	"slices"

	"nightshift.dev/nightshift/orchestrator"
)

// Condense gives a shorter list of jobs with the same work, for estimates: what a submit costs must not grow with the jobs that wait. Of each queue
// and model the first most waiting jobs stay, and the others are put together, neighbours in urgency, into at most as many; of those, the
// first gives the deadline and the name. A job of unknown size makes those that it is put together with unknown.
func Condense(jobs []orchestrator.JobView, most int) []orchestrator.JobView {
	type kind struct {
		tenant, queue, model string
		prepares             bool
	}
	waiting := map[kind][]orchestrator.JobView{}
	var short []orchestrator.JobView
	for _, one := range jobs {
		if one.State != orchestrator.JobQueued {
			short = append(short, one)
			continue
		}
		k := kind{one.Tenant, one.Queue, one.Model.Name, one.Prepares}
		waiting[k] = append(waiting[k], one)
	}
	for _, list := range waiting {
		slices.SortFunc(list, func(a, b orchestrator.JobView) int { return compareViews(&a, &b) })
		near := min(most, len(list))
		short = append(short, list[:near]...)
		list = list[near:]
		for group := range slices.Chunk(list, max((len(list)+most-1)/most, 1)) {
			short = append(short, together(group))
		}
	}
	return short
}

// together is one job with the work of several.
func together(group []orchestrator.JobView) orchestrator.JobView {
	sum := group[0]
	for _, one := range group[1:] {
		sum.Also += 1 + one.Also
		sum.RowsLeft, sum.RowsUncut = addRows(sum.RowsLeft, one.RowsLeft), addRows(sum.RowsUncut, one.RowsUncut)
		sum.RowsTotal = addRows(sum.RowsTotal, one.RowsTotal)
		sum.ShardsLeft = min(sum.ShardsLeft+one.ShardsLeft, endless)
		sum.CutAll = sum.CutAll && one.CutAll
	}
	return sum
}

// addRows adds numbers of which a negative one is unknown.
func addRows(a, b int64) int64 {
	if a < 0 || b < 0 {
		return -1
	}
	return min(a+b, mostRows)
}
