package api

import (
	"fmt"

	"nightshift.dev/nightshift/orchestrator"
)

// ForecastRequest asks what arrived at a queue and what is expected to.
type ForecastRequest struct {
	// Queue is the one to show.
	Queue string `json:"queue"`
	// Days is how much of the history the answer has: 1 to 28, 7 by default.
	Days int `json:"days,omitempty" jsonschema:"minimum=0,maximum=28"`
}

// The bounds of a ForecastRequest.
const (
	DefaultForecastDays = 7
	MaxForecastDays     = 28
)

// Validate returns what is wrong with the request, but for an unknown queue, which is not found.
func (r ForecastRequest) Validate() []Problem {
	var problems []Problem
	if r.Queue == "" {
		problems = append(problems, Problem{"queue", "is missing"})
	}
	if r.Days < 0 || r.Days > MaxForecastDays {
		problems = append(problems, Problem{"days", fmt.Sprintf("%d; allowed: 1 to %d, or 0 for %d", r.Days, MaxForecastDays, DefaultForecastDays)})
	}
	return problems
}

// ForecastResponse is what arrived at a queue, what is expected to, and how wrong such expectations were.
type ForecastResponse struct {
	Forecast orchestrator.QueueForecast `json:"forecast"`
}
