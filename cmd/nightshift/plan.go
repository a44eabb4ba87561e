package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/catalog"
)

func (p *program) planCommand() *cobra.Command {
	var what whatIf
	var format *printFormat
	command := &cobra.Command{
		Use:   "plan",
		Short: "Show what would change under other documents, prices or deadlines, and why; nothing is applied",
		Long: `Plan asks the service to decide twice on what it observes now, under its own documents and under changed ones, and shows what differs: the size of each pool with the
reason, and workers, finish and cost of each job, with -q of that queue only. Without a change it shows what the present decision changes.

` + whatIfHelp + `

The exit code is 0 when nothing would change, 1 when something would, and 2 when that could not be found out, as in kubectl diff.`,
		Example: "  nightshift plan --what-if finish-by=05:00 -q fraud\n  nightshift plan --what-if price.spot=2x --what-if pool/spot.replicas.max=8\n  nightshift plan -f new/pools.yaml -o json",
		Args:    arguments(0, 0, "nothing"),
		RunE: func(command *cobra.Command, _ []string) error {
			answer, err := p.plan(command.Context(), what)
			if err == nil {
				err = p.printPlan(p.screen(command.OutOrStdout()), format, answer, what)
			}
			if err != nil {
				return &codedError{exitUnknown, err}
			}
			if answer.Different {
				return silentError{exitDifferent}
			}
			return nil
		},
	}
	what.flags(command)
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// The exit codes of plan, which are those of diff.
const (
	exitDifferent = 1
	exitUnknown   = 2
)

func (p *program) plan(ctx context.Context, what whatIf) (answer api.PlanResponse, err error) {
	changes, _ := what.split()
	body := api.PlanRequest{Changes: changes, Queue: what.queue}
	finishBy, err := what.deadline(p.now())
	files, failed := catalog.Files(what.files)
	if err := errors.Join(err, failed); err != nil {
		return answer, err
	}
	body.FinishBy = finishBy
	for _, file := range files {
		body.Documents = append(body.Documents, api.PlanDocument{Name: file.Name, Text: string(file.Data)})
	}
	client, err := p.client()
	if err != nil {
		return answer, err
	}
	defer client.close()
	return request[api.PlanResponse](ctx, client, "plan", body)
}

func (p *program) printPlan(out screen, format *printFormat, answer api.PlanResponse, what whatIf) error {
	if format.machine() {
		return format.print(out, answer)
	}
	if !answer.Different {
		_, err := fmt.Fprintln(out, "nothing would change")
		return err
	}
	if err := out.table(poolRows(answer.Pools)); err != nil {
		return err
	}
	if len(answer.Jobs) > 0 {
		fmt.Fprintln(out)
		if err := out.table(jobRows(answer.Jobs, p.now())); err != nil {
			return err
		}
	}
	if answer.More > 0 {
		fmt.Fprintf(out, "and %s more\n", plural(answer.More, "job"))
	}
	if !what.changed() {
		return nil
	}
	fmt.Fprintf(out, "\nExpected cost of what is left: %s\nJobs expected to be late: %s\n",
		fromTo(costOf(answer.Now.Cost), costOf(answer.Then.Cost)), fromTo(number(answer.Now.Late), number(answer.Then.Late)))
	return nil
}

// poolRows show each pool that differs; the others are left as they are.
func poolRows(pools []api.PoolDifference) [][]cell {
	rows := [][]cell{cells("POOL", "ASKED FOR", "NOW", "WOULD BE", "WHY")}
	for _, pool := range pools {
		why := ""
		if pool.Differs {
			why = lastReason(pool.Reasons)
		}
		row := cells(pool.Name, number(pool.From), number(pool.Now), number(pool.Then), why)
		switch {
		case pool.Then > pool.Now:
			row[3].in = green
		case pool.Then < pool.Now:
			row[3].in = red
		}
		rows = append(rows, row)
	}
	return rows
}

// lastReason is the sentence of the last step that changed the number, or of the last one.
func lastReason(reasons []orchestrator.Reason) (sentence string) {
	for i := len(reasons) - 1; i >= 0; i-- {
		if reasons[i].From != reasons[i].To {
			return reasons[i].Sentence
		}
	}
	if len(reasons) > 0 {
		return reasons[len(reasons)-1].Sentence
	}
	return ""
}

func jobRows(jobs []api.JobDifference, now time.Time) [][]cell {
	rows := [][]cell{cells("JOB", "WORKERS", "FINISH", "DEADLINE", "COST", "WHY")}
	when := func(at time.Time) string {
		if at.IsZero() {
			return "-"
		}
		return clock(at, now)
	}
	for _, job := range jobs {
		row := cells(job.Then.ID, fromTo(number(job.Now.Workers), number(job.Then.Workers)), fromTo(when(job.Now.Finish), when(job.Then.Finish)),
			fromTo(when(job.NowDeadline), when(job.ThenDeadline)), fromTo(costOf(job.Now.Cost), costOf(job.Then.Cost)), lastReason(job.Then.Reasons))
		if !job.ThenDeadline.IsZero() && job.Then.Finish.After(job.ThenDeadline) {
			row[2].in = red
		}
		rows = append(rows, row)
	}
	return rows
}

func costOf(money orchestrator.Money) string {
	if money.Currency == "" {
		return "-"
	}
	const cent = 10_000
	if money.Micros >= 100*cent {
		money.Micros = (money.Micros + cent/2) / cent * cent // nobody reads more
	}
	return money.String()
}

// fromTo shows two values, or one that stays.
func fromTo(from, to string) string {
	if from == to {
		return to
	}
	return from + " -> " + to
}
