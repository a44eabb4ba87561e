package api

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"nightshift.dev/nightshift/orchestrator"
)

var (
	templateName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	stepParameter = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// StepParameters are those that every Workflow of a job gets, so that no job may set them.
var StepParameters = []string{"job", "output"}

// steps reports what is wrong with the steps by themselves; whether the queue allows the template is for the service to find.
func (p *problems) steps(steps *orchestrator.Steps) {
	if steps == nil {
		return
	}
	if steps.Template == "" {
		p.missing("steps.template")
	} else {
		p.unless(templateName.MatchString(steps.Template), "steps.template", quoted(steps.Template), "the name of a WorkflowTemplate: lowercase letters, digits, - and ., at most 253 characters")
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(steps.Parameters)) {
		field := join("steps.parameters", name)
		size += len(name) + len(steps.Parameters[name])
		p.unless(stepParameter.MatchString(name), "steps.parameters", "name "+quoted(name), "letters, digits, - and _, at most 64 characters")
		p.unless(!slices.Contains(StepParameters, name), field, "given", "any other name: nightshift itself sets job and output")
	}
	p.unless(len(steps.Parameters) <= MaxSteps, "steps.parameters", fmt.Sprintf("%d parameters", len(steps.Parameters)), fmt.Sprintf("at most %d", MaxSteps))
	p.unless(size <= MaxStepsBytes, "steps.parameters", fmt.Sprintf("%d bytes", size), fmt.Sprintf("at most %d: what is larger belongs into an object that a parameter names", MaxStepsBytes))
}
