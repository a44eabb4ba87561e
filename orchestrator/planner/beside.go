package planner

import (
	"fmt"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

// A pool that is only observed is sized by somebody else: docs/observe.md has the cases.

// longestGap is the most time between two decisions over which replicas are counted: what was there in a longer one nobody has seen.
const longestGap = 2 * time.Minute

// countBeside counts the replicas of an observed pool, those that were there and those that were planned since the last decision.
func (p *pool) countBeside(now time.Time) {
	if !p.policy.Observe || !p.observed {
		return
	}
	was := &p.memory.Beside
	if passed := now.Sub(was.At); was.Known && p.doubt == "" && passed > 0 && passed <= longestGap {
		was.Counted += passed.Seconds()
		was.ThereSeconds += float64(was.Replicas) * passed.Seconds()
		was.WantedSeconds += float64(was.Planned) * passed.Seconds()
	}
	was.At, was.Known, was.Replicas, was.Planned = now, p.doubt == "", p.replicas.from, p.replicas.to
	if was.Since.IsZero() {
		was.Since = now
	}
}

// beside is what stands in the plan of a pool that is only observed; nil of others.
func (p *pool) counted() *orchestrator.Beside {
	if !p.policy.Observe {
		return nil
	}
	was := p.memory.Beside
	cost := func(seconds float64) orchestrator.Money {
		of := p.policy.Price.Times(seconds / time.Hour.Seconds())
		of.Micros -= of.Micros % 10_000 // hundredths are enough
		return of
	}
	return &orchestrator.Beside{
		Since: was.Since, CountedSeconds: was.Counted, ThereSeconds: was.ThereSeconds, WantedSeconds: was.WantedSeconds,
		ThereCost: cost(was.ThereSeconds), WantedCost: cost(was.WantedSeconds),
	}
}

// explainBeside renders what was there and what was planned; nothing of pools that are sized.
func explainBeside(beside *orchestrator.Beside) string {
	if beside == nil {
		return ""
	}
	text := "  observed only: nothing of this is carried out\n"
	if beside.CountedSeconds > 0 {
		text += fmt.Sprintf("  in %s since %s there were %s of replicas, and plans had %s", span(beside.CountedSeconds), clock(beside.Since), span(beside.ThereSeconds), span(beside.WantedSeconds))
		if beside.ThereCost.Currency != "" {
			text += fmt.Sprintf(": %s and %s", beside.ThereCost, beside.WantedCost)
		}
		text += "\n"
	}
	return text
}
