package main

import (
	"context"
	"fmt"
	"log/slog"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/apiserver"
	"nightshift.dev/nightshift/orchestrator/dispatch"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/workflows"
)

// stepsPlace is a namespace of an API server.
type stepsPlace struct{ context, namespace string }

// stepsPlaces are the Workflows of jobs in each of them, or why there is no connection.
type stepsPlaces struct {
	jobs    map[stepsPlace]*workflows.Jobs
	missing map[stepsPlace]error
}

// newSteps prepares the places that the queues name; nothing is asked for before run. Where there is no way to the API server, jobs with steps are refused, and all others go on.
func newSteps(queues []document.Queue, log *slog.Logger) stepsPlaces {
	made := stepsPlaces{jobs: map[stepsPlace]*workflows.Jobs{}, missing: map[stepsPlace]error{}}
	for _, queue := range queues {
		at := stepsPlace{queue.Spec.Steps.Context, queue.Spec.Steps.Namespace}
		if at.namespace == "" || made.jobs[at] != nil || made.missing[at] != nil {
			continue
		}
		config, err := apiserver.Connect(at.context)
		if err == nil {
			made.jobs[at], err = workflows.NewJobs(config, at.namespace)
		}
		if err != nil {
			delete(made.jobs, at)
			made.missing[at] = err
			log.Warn("jobs with steps are refused", "queue", queue.Name, "error", err)
		}
	}
	return made
}

// in gives the Workflows of a place.
func (s stepsPlaces) in(place orchestrator.StepsPlace) (dispatch.Steps, error) {
	at := stepsPlace{place.Context, place.Namespace}
	if jobs := s.jobs[at]; jobs != nil {
		return jobs, nil
	}
	if err := s.missing[at]; err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("no queue has its steps in namespace %s any more", place.Namespace)
}

// run starts the watches.
func (s stepsPlaces) run(start func(what string, run func(context.Context) error)) {
	for _, jobs := range s.jobs {
		start("watch of the Workflows of jobs", jobs.Run)
	}
}
