package planner

import "nightshift.dev/nightshift/orchestrator"

// draft is a number on its way from what it was to what it shall be. change is the only way to move it; so the reasons connect: each
// begins where the one before ended, the first at the old number, the last at the new one.
type draft struct {
	from, to int
	reasons  []orchestrator.Reason
}

const usualReasons = 4

// startAt begins with the number as it is at present.
func startAt(number int) draft { return draft{from: number, to: number} }

// change sets the number and says which rule did it and why. A rule that looked at the number and left it may say so too.
func (d *draft) change(code string, to int, sentence string) {
	if d.reasons == nil {
		d.reasons = make([]orchestrator.Reason, 0, usualReasons)
	}
	d.reasons = append(d.reasons, orchestrator.Reason{Code: code, From: d.to, To: to, Sentence: sentence})
	d.to = to
}

// note records a sentence that changes nothing.
func (d *draft) note(code, sentence string) { d.change(code, d.to, sentence) }
