package main

import (
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// showEstimate prints the price and time table.
func (p *program) showEstimate(out screen, answer api.EstimateResponse) error {
	now, estimate := p.now(), answer.Estimate
	rows := [][]cell{
		cells("Queue", fmt.Sprintf("%s, model %s", answer.Queue, answer.Model.Name)),
		cells("Input", fmt.Sprintf("%s, %s", plural(answer.Objects, "object"), bytesText(answer.Bytes))),
		cells("Rows", "about "+number(estimate.Rows)),
		cells("Shards", "about "+number(estimate.Shards)),
		cells("Workers", number(estimate.Workers)),
	}
	if estimate.Position > 0 {
		rows = append(rows, cells("Place", fmt.Sprintf("number %d of those waiting", estimate.Position)))
	}
	rows = append(rows, estimated(estimate, now)...)
	if !answer.Deadline.IsZero() {
		in := colour("")
		if estimate.Finish.After(answer.Deadline) {
			in = red
		} else if estimate.FinishHigh.After(answer.Deadline) {
			in = yellow
		}
		rows = append(rows, []cell{{text: "Deadline"}, {fmt.Sprintf("%s (%s)", clock(answer.Deadline, now), ahead(answer.Deadline, now)), in}})
	}
	if err := out.table(rows); err != nil {
		return err
	}
	for _, note := range estimate.Notes {
		if _, err := fmt.Fprintln(out, "Note: "+visible(note)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

// estimated are the rows about times and cost.
func estimated(estimate orchestrator.Estimate, now time.Time) [][]cell {
	if estimate.Finish.IsZero() {
		return [][]cell{cells("Finish", "not known"), cells("Cost", "not known")}
	}
	basis := map[string]string{"profile": "from the model's profile", "measured": "from measured speed"}[estimate.Basis]
	finish := clock(estimate.Finish, now)
	if !estimate.FinishLow.IsZero() && !estimate.FinishHigh.IsZero() {
		finish += fmt.Sprintf(", between %s and %s", clock(estimate.FinishLow, now), clock(estimate.FinishHigh, now))
	}
	rows := [][]cell{cells("Finish", fmt.Sprintf("%s (%s)", finish, ahead(estimate.Finish, now)))}
	cost := "not priced"
	if estimate.Cost.Currency != "" {
		cost = estimate.Cost.String()
	}
	if basis != "" {
		cost += ", " + basis
	}
	return append(rows, cells("Cost", cost))
}
