package api

import (
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// Event says that a job entered a state: a CloudEvent in structured JSON.
type Event struct {
	SpecVersion string `json:"specversion"` // "1.0"
	// ID is "JOB/EPOCH/STATE": an event that is published twice has the same.
	ID string `json:"id"`
	// Source is "/nightshift/TENANT/QUEUE".
	Source string `json:"source"`
	// Type is "dev.nightshift.job.STATE".
	Type string `json:"type"`
	// Subject is the job's identifier.
	Subject string `json:"subject"`
	// Time is when the state was entered.
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"` // "application/json"
	// TraceParent is the W3C trace context that the submit came with.
	TraceParent string `json:"traceparent,omitempty"`
	// Data is the job in that state.
	Data Job `json:"data"`
}

// EventContentType is the media type of an Event.
const EventContentType = "application/cloudevents+json"

// EventOf is the event for the state that the job is in.
func EventOf(job orchestrator.Job) Event {
	return Event{
		SpecVersion:     "1.0",
		ID:              fmt.Sprintf("%s/%d/%s", job.ID, job.Epoch, job.State),
		Source:          "/nightshift/" + job.Tenant + "/" + job.Queue,
		Type:            "dev.nightshift.job." + string(job.State),
		Subject:         job.ID,
		Time:            job.Times[job.State],
		DataContentType: "application/json",
		TraceParent:     job.TraceParent,
		Data:            JobOf(job),
	}
}
