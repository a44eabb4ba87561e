package metrics

import (
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// backlogs are those of the queues that drain a source.
func (s scrape) backlogs(queues []Queue, readings []orchestrator.BacklogStatus, policy orchestrator.Policy) {
	read := map[orchestrator.QueueName]orchestrator.Backlog{}
	for _, reading := range readings {
		read[orchestrator.QueueName{Tenant: reading.Tenant, Queue: reading.Queue}] = reading.Backlog
	}
	for _, queue := range queues {
		if !queue.Drains {
			continue
		}
		reading, known := read[queue.QueueName]
		known = known && reading.Err == "" && s.now.Sub(reading.At) <= policy.StaleAfter
		s.gauge(backlogKnown, one(known), queue.Tenant, queue.Queue)
		if known {
			s.backlog(reading, policyOf(policy, queue.QueueName))
		}
	}
}

func policyOf(policy orchestrator.Policy, name orchestrator.QueueName) orchestrator.QueuePolicy {
	for _, one := range policy.Queues {
		if one.Tenant == name.Tenant && one.Name == name.Queue {
			return one
		}
	}
	return orchestrator.QueuePolicy{}
}

// backlog gives the counts of a reading that are known.
func (s scrape) backlog(reading orchestrator.Backlog, policy orchestrator.QueuePolicy) {
	if reading.Pending >= 0 {
		s.gauge(pendingRows, float64(reading.Pending), reading.Tenant, reading.Queue)
	}
	if reading.InFlight >= 0 {
		s.gauge(inFlightRows, float64(reading.InFlight), reading.Tenant, reading.Queue)
	}
	if reading.Arrived >= 0 {
		s.counter(arrivedRows, float64(reading.Arrived), reading.Tenant, reading.Queue)
	}
	if reading.Settled >= 0 {
		s.counter(settledRows, float64(reading.Settled), reading.Tenant, reading.Queue)
	}
	empty := reading.Pending == 0 && reading.InFlight == 0
	if reading.Oldest.IsZero() && !empty {
		return // it is not known
	}
	age := 0.0
	if !empty {
		age = max(s.now.Sub(reading.Oldest).Seconds(), 0)
	}
	s.gauge(oldestAge, age, reading.Tenant, reading.Queue)
	if due := policy.Due(reading.Oldest); policy.FinishWithin > 0 || policy.Daily.Given() {
		s.gauge(late, one(!empty && s.now.After(due)), reading.Tenant, reading.Queue)
	}
}

// waiting is what is known of the jobs of a queue.
type waiting struct {
	states     map[orchestrator.JobState]int
	due, late  int
	unsaid     int // of those due: nobody can say when they end
	workers    int
	rows       int64
	rowsHidden bool // those of a job are not known
}

// jobStates are those of jobs that have not ended.
var jobStates = []orchestrator.JobState{orchestrator.JobQueued, orchestrator.JobValidating, orchestrator.JobPlanning, orchestrator.JobRunning, orchestrator.JobFinalizing}

// jobs counts those of the queues that people submit to, and the workers of all queues.
func (s scrape) jobs(queues []Queue, last *decision) {
	known := count(last, s.now)
	served := map[orchestrator.QueueName]int{}
	for _, queue := range last.plan.Queues {
		served[orchestrator.QueueName{Tenant: queue.Tenant, Queue: queue.Queue}] = queue.Workers
	}
	for _, queue := range queues {
		if queue.Drains {
			s.gauge(backlogWorker, float64(served[queue.QueueName]), queue.Tenant, queue.Queue)
			continue
		}
		of := known[queue.QueueName]
		if of == nil {
			of = &waiting{}
		}
		for _, state := range jobStates {
			s.gauge(jobs, float64(of.states[state]), queue.Tenant, queue.Queue, string(state))
		}
		if !of.rowsHidden {
			s.gauge(jobRows, float64(of.rows), queue.Tenant, queue.Queue)
		}
		s.gauge(jobWorkers, float64(of.workers), queue.Tenant, queue.Queue)
		s.gauge(lateJobs, float64(of.late), queue.Tenant, queue.Queue)
		if of.late > 0 || of.due > 0 && of.unsaid == 0 {
			s.gauge(late, one(of.late > 0), queue.Tenant, queue.Queue)
		}
	}
}

func count(last *decision, now time.Time) map[orchestrator.QueueName]*waiting {
	planned := make(map[orchestrator.JobKey]orchestrator.JobPlan, len(last.plan.Jobs))
	for _, job := range last.plan.Jobs {
		planned[job.JobKey] = job
	}
	known := map[orchestrator.QueueName]*waiting{}
	for _, job := range last.observation.Jobs {
		name := orchestrator.QueueName{Tenant: job.Tenant, Queue: job.Queue}
		of := known[name]
		if of == nil {
			of = &waiting{states: map[orchestrator.JobState]int{}}
			known[name] = of
		}
		of.states[job.State]++
		plan := planned[job.JobKey]
		of.workers += plan.Workers
		of.rows, of.rowsHidden = of.rows+job.RowsLeft, of.rowsHidden || job.RowsLeft < 0
		if job.Deadline.IsZero() {
			continue
		}
		of.due++
		switch {
		case now.After(job.Deadline) || plan.Finish.After(job.Deadline):
			of.late++
		case plan.Finish.IsZero():
			of.unsaid++
		}
	}
	return known
}

// forecast says how wrong the forecasts of a queue were, by the quarter of the horizon.
func (s scrape) forecast(told orchestrator.QueueForecast) {
	s.gauge(forecastOn, one(told.On), told.Tenant, told.Queue)
	s.gauge(forecastTrials, float64(told.Trials), told.Tenant, told.Queue)
	if !told.Learned.IsZero() {
		s.gauge(forecastLearned, seconds(told.Learned), told.Tenant, told.Queue)
	}
	for _, quarter := range told.ByHorizon {
		ahead := Ahead(quarter)
		if quarter.WAPE != nil {
			s.gauge(forecastWAPE, *quarter.WAPE, told.Tenant, told.Queue, ahead)
		}
		if quarter.Underprovision != nil {
			s.gauge(forecastLacked, *quarter.Underprovision, told.Tenant, told.Queue, ahead)
		}
		for level, loss := range map[string]*float64{"0.5": quarter.Pinball50, "0.9": quarter.Pinball90, "0.95": quarter.Pinball95} {
			if loss != nil {
				s.gauge(forecastPinball, *loss, told.Tenant, told.Queue, ahead, level)
			}
		}
	}
}

// Ahead names a part of the horizon, in hours: "6h-12h".
func Ahead(part orchestrator.HorizonError) string {
	return fmt.Sprintf("%gh-%gh", float64(part.FromSeconds)/3600, float64(part.ToSeconds)/3600)
}
