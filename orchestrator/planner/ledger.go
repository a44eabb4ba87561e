package planner

import (
	"fmt"

	"nightshift.dev/nightshift/orchestrator"
)

// explainLedger renders what a pool was billed, and what its provider has done to it; nothing where nothing is known.
func explainLedger(ledger orchestrator.Ledger) string {
	if ledger.Since.IsZero() {
		return ""
	}
	text := fmt.Sprintf("  %s of replicas billed since %s", span(ledger.Seconds), clock(ledger.Since))
	if ledger.Taken > 0 {
		text += fmt.Sprintf(", %s taken away, of them %d killed at the end of the notice", counted(ledger.Taken, "worker"), ledger.Killed)
	}
	if ledger.Refused > 0 {
		text += fmt.Sprintf(", %s for replicas refused", counted(ledger.Refused, "request"))
	}
	return text + "\n"
}
