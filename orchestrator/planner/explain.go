package planner

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"nightshift.dev/nightshift/orchestrator"
)

// Explain renders every chain of a plan, pools first.
func Explain(plan orchestrator.Plan) string {
	var text strings.Builder
	for _, p := range plan.Pools {
		text.WriteString(explainPool(p))
	}
	for _, q := range plan.Queues {
		text.WriteString(fmt.Sprintf("queue %s.%s: %s\n", q.Tenant, q.Queue, counted(q.Workers, "worker")) + chain(q.Reasons))
	}
	for _, j := range plan.Jobs {
		text.WriteString(explainJob(j))
	}
	return text.String()
}

// explainPool renders the chain of a pool: a line for the result and one for each link.
func explainPool(plan orchestrator.PoolPlan) string {
	head := fmt.Sprintf("pool %s: %s", plan.Name, counted(plan.Replicas, "replica"))
	if plan.From != plan.Replicas {
		head += fmt.Sprintf(" (was %d)", plan.From)
	}
	return head + "\n" + chain(plan.Reasons) + explainMemory(plan.Memory) + explainPhases(plan.Phases) + explainLedger(plan.Ledger) + explainBeside(plan.Beside)
}

// explainPhases renders where the time of starts went; nothing where nobody tells.
func explainPhases(phases []orchestrator.StartPhase) string {
	if len(phases) == 0 {
		return ""
	}
	var parts []string
	for _, one := range phases {
		parts = append(parts, fmt.Sprintf("%s %s (p95 %s)", one.Phase, span(one.Median), span(one.P95)))
	}
	return fmt.Sprintf("  the last %s: %s\n", counted(phases[0].Starts, "start"), strings.Join(parts, ", "))
}

// explainJob renders what is expected of a job and its chain.
func explainJob(plan orchestrator.JobPlan) string {
	head := fmt.Sprintf("job %s: %s", plan.Subject(), counted(plan.Workers, "worker"))
	if plan.Position > 0 {
		head += fmt.Sprintf(", number %d of those waiting", plan.Position)
	}
	if !plan.Finish.IsZero() {
		head += fmt.Sprintf(", from %s to %s (between %s and %s), %s",
			clock(plan.Start), clock(plan.Finish), clock(plan.FinishLow), clock(plan.FinishHigh), plan.Cost)
	}
	return head + "\n" + chain(plan.Reasons)
}

// chain renders one line per link. A link that changes nothing shows the number once.
func chain(reasons []orchestrator.Reason) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, reason := range reasons {
		step := fmt.Sprint(reason.To)
		if reason.From != reason.To {
			step = fmt.Sprintf("%d -> %d", reason.From, reason.To)
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", step, reason.Code, reason.Sentence)
	}
	_ = table.Flush() // a strings.Builder takes everything
	return text.String()
}
