package document

import (
	"maps"
	"regexp"
	"slices"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/schedules"
)

// stepsFields visits where the Workflows of a queue's jobs are made.
func stepsFields(f visitor, spec *QueueSpec) {
	given := f.optional("steps", spec.Steps.Namespace != "")
	if !given {
		return
	}
	if spec.Source != SourceJobs {
		f.problem("steps", "given beside source: %s; allowed: with source: jobs", spec.Source)
	}
	if spec.Steps.Namespace == "" {
		spec.Steps.Namespace = "default"
	}
	f.object("steps", func(f visitor) {
		f.required("templates")
		if f.optional("context", spec.Steps.Context != "") {
			f.text("context", &spec.Steps.Context, isLine)
		}
		f.text("namespace", &spec.Steps.Namespace, isLabel)
		f.texts("templates", &spec.Steps.Templates, isObject)
		eachOnce(f, "templates", spec.Steps.Templates)
	})
}

// scheduledSteps visits the steps of a job that a schedule submits; their values are templates.
func scheduledSteps(f visitor, submit *Submission) {
	if !f.optional("steps", submit.Steps != nil) {
		return
	}
	if submit.Steps == nil {
		submit.Steps = &orchestrator.Steps{}
	}
	f.object("steps", func(f visitor) {
		f.required("template")
		f.text("template", &submit.Steps.Template, isObject)
		f.textMap("parameters", &submit.Steps.Parameters, isStepParameter, isTemplate)
		anyTime := time.Date(2026, time.January, 2, 3, 4, 0, 0, time.UTC)
		for _, name := range slices.Sorted(maps.Keys(submit.Steps.Parameters)) {
			_, err := fill(submit.Steps.Parameters[name], schedules.Timetable{Zone: time.UTC}, schedules.Occurrence{Wall: anyTime, At: anyTime})
			if err != nil && f.sound("parameters") {
				f.problem("parameters", "%s: %v", name, err)
			}
		}
	})
}

// isStepParameter is a name of a parameter of a Workflow.
func isStepParameter(text string) string {
	switch text {
	case "job", "output":
		return "any other name: nightshift itself sets job and output"
	default:
		return allowedIf(stepParameterForm.MatchString(text), "letters, digits, - and _, at most 64 characters")
	}
}

var stepParameterForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// filledSteps are the steps of an occurrence.
func filledSteps(steps *orchestrator.Steps, table schedules.Timetable, one schedules.Occurrence) (*orchestrator.Steps, error) {
	if steps == nil {
		return nil, nil
	}
	filled := &orchestrator.Steps{Template: steps.Template}
	for name, text := range steps.Parameters {
		value, err := fill(text, table, one)
		if err != nil {
			return nil, err
		}
		if filled.Parameters == nil {
			filled.Parameters = map[string]string{}
		}
		filled.Parameters[name] = value
	}
	return filled, nil
}

// stepsOf checks that a queue allows the template of a schedule's job.
func stepsOf(schedule decodedSchedule, queue QueueSpec) {
	submit := schedule.Spec.Submit
	if submit == nil || submit.Steps == nil || queue.Source != SourceJobs {
		return
	}
	if queue.Steps.Namespace == "" {
		schedule.source.problem("spec.submit.steps", "Queue %s has no steps; allowed: with a queue that says where, like steps: {namespace: scoring, templates: [%s]}", quoted(schedule.Spec.Queue), submit.Steps.Template)
	} else if submit.Steps.Template == "" {
		return // it is missing
	} else if wrong := oneOf(submit.Steps.Template, queue.Steps.Templates); wrong != "" {
		schedule.source.problem("spec.submit.steps.template", "%s is none of those of Queue %s; allowed: %s", quoted(submit.Steps.Template), quoted(schedule.Spec.Queue), wrong)
	}
}
