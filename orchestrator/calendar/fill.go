package calendar

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/schedules"
)

// Label is what the jobs of a schedule can be selected by.
const Label = "nightshift.dev/schedule"

// fill is the job of an occurrence, or what is wrong with it: then it has no queue, and is filled in again at the next look.
func (e *entry) fill(one schedules.Occurrence, now time.Time) Submission {
	wrong := func(format string, values ...any) Submission {
		return Submission{Tenant: e.tenant, Problem: strings.ReplaceAll(fmt.Sprintf(format, values...), "\n", "; ")}
	}
	if e.schedule.Spec.Submit == nil {
		return wrong("the document no longer says what to submit")
	}
	filled, err := e.schedule.Filled(one)
	if err != nil {
		return wrong("spec.submit: %v", err)
	}
	request := api.SubmitRequest{
		Queue: e.schedule.Spec.Queue, Input: filled.Input, Name: filled.Name, Key: filled.Key, Format: filled.Format, Parameters: filled.Parameters,
		MaxCost: filled.MaxCost, Steps: filled.Steps, IdempotencyKey: one.ID, Labels: map[string]string{Label: e.schedule.Name},
	}
	if due := e.schedule.Due(one); due.After(now) {
		request.FinishBy = due
	}
	if problems := request.Validate(); len(problems) > 0 {
		return wrong("spec.submit: %v", &api.Error{Problems: problems})
	}
	text, err := json.Marshal(request)
	if err != nil || len(text) > mostSubmission {
		return wrong("spec.submit: %d bytes when it is filled in; allowed: at most %d; a prefix or a pattern names many objects", len(text), mostSubmission)
	}
	return Submission{Tenant: e.tenant, Request: request}
}
