package planner

import "time"

// tier is the part of a line of jobs that is equally urgent: one deadline, or none.
type tier struct {
	deadline time.Time
	jobs     []*job   // by urgency
	queues   []*queue // theirs, in the order of their first job
	weights  []int    // of the queues
	of       []int    // for each job, the index of its queue
	lists    [][]*job // by queue; see byQueue
}

// tiers puts jobs that come by urgency into tiers.
func tiers(jobs []*job) []tier {
	var list []tier
	index := map[*queue]int{} // in the last tier
	for _, j := range jobs {
		if len(list) == 0 || !list[len(list)-1].deadline.Equal(j.view.Deadline) {
			list = append(list, tier{deadline: j.view.Deadline})
			clear(index)
		}
		last := &list[len(list)-1]
		at, known := index[j.queue]
		if !known {
			at = len(last.queues)
			index[j.queue] = at
			last.queues, last.weights = append(last.queues, j.queue), append(last.weights, j.queue.policy.Weight)
		}
		last.jobs, last.of = append(last.jobs, j), append(last.of, at)
	}
	return list
}
