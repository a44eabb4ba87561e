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

// tiers puts jobs that come by urgency into tiers. Their lists are parts of common ones.
func tiers(jobs []*job) []tier {
	var list []tier
	queues, weights, of := make([]*queue, 0, len(jobs)), make([]int, 0, len(jobs)), make([]int, len(jobs))
	index := map[*queue]int{} // in the last tier
	begin, beginQueues := 0, 0
	for i, j := range jobs {
		if i == 0 || !jobs[begin].view.Deadline.Equal(j.view.Deadline) {
			begin, beginQueues = i, len(queues)
			list = append(list, tier{deadline: j.view.Deadline})
			clear(index)
		}
		at, known := index[j.queue]
		if !known {
			at = len(queues) - beginQueues
			index[j.queue] = at
			queues, weights = append(queues, j.queue), append(weights, j.queue.policy.Weight)
		}
		of[i] = at
		last := &list[len(list)-1]
		last.jobs, last.of, last.queues, last.weights = jobs[begin:i+1:i+1], of[begin:i+1:i+1], queues[beginQueues:len(queues):len(queues)], weights[beginQueues:len(weights):len(weights)]
	}
	return list
}
