package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// listing is one run of list.
type listing struct {
	*program
	client *client
	out    screen
	errs   io.Writer
	format *printFormat
	query  api.ListRequest
	most   int
}

func (p *program) listCommand() *cobra.Command {
	run := listing{program: p}
	var states, labels []string
	var watch bool
	command := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List jobs, newest first",
		Example: `  nightshift list -q fraud --status running,queued
  nightshift list -l team=risk -o wide
  nightshift cancel $(nightshift list --status queued -o name)`,
		Args: arguments(0, 0, "nothing"),
		RunE: func(command *cobra.Command, _ []string) error {
			if err := run.read(states, labels); err != nil {
				return usage(command, "%v", err)
			}
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			run.client, run.out, run.errs = client, p.screen(command.OutOrStdout()), command.ErrOrStderr()
			if watch {
				return run.watch(command.Context())
			}
			return run.once(command.Context())
		},
	}
	flags := command.Flags()
	flags.StringVarP(&run.query.Queue, "queue", "q", "", "only jobs of this queue")
	flags.StringSliceVar(&states, "status", nil, "only jobs in one of these states")
	flags.StringArrayVarP(&labels, "label", "l", nil, "only jobs with this label, NAME=VALUE; may be repeated")
	flags.IntVar(&run.most, "limit", 100, "most jobs to show; 0: all")
	flags.StringVar(&run.query.Continue, "continue", "", "token of an earlier list, to go on after its last job")
	flags.BoolVarP(&watch, "watch", "w", false, "go on showing jobs that change")
	run.format = formatOption(command, formatFlag, formatWide, formatName, formatJSON, formatYAML)
	_ = command.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(stateNames(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return command
}

func stateNames() []string {
	var names []string
	for _, state := range api.States {
		names = append(names, string(state))
	}
	return names
}

func (l *listing) read(states, labels []string) (err error) {
	for _, state := range states {
		l.query.States = append(l.query.States, orchestrator.JobState(strings.TrimSpace(state)))
	}
	l.query.Labels, err = parseLabels(labels)
	if l.most < 0 {
		return fmt.Errorf("--limit: %d; allowed: 0 or more", l.most)
	}
	if problems := l.query.Validate(); len(problems) > 0 && err == nil {
		return fmt.Errorf("%s", explained(&api.Error{Problems: problems}))
	}
	return err
}

// pages asks for as many pages as are wanted.
func (l *listing) pages(ctx context.Context) (all api.ListResponse, err error) {
	query := l.query
	all.Jobs = []api.Job{}
	for {
		query.Limit = api.MaxLimit
		if l.most > 0 {
			query.Limit = min(l.most-len(all.Jobs), api.MaxLimit)
		}
		page, err := request[api.ListResponse](ctx, l.client, "jobs.list", query)
		if err != nil {
			return all, err
		}
		all.Jobs, all.Continue = append(all.Jobs, page.Jobs...), page.Continue
		if page.Continue == "" || len(page.Jobs) == 0 || l.most > 0 && len(all.Jobs) >= l.most {
			return all, nil
		}
		query.Continue = page.Continue
	}
}

func (l *listing) once(ctx context.Context) error {
	answer, err := l.pages(ctx)
	if err != nil {
		return err
	}
	switch l.format.name {
	case formatJSON, formatYAML:
		return l.format.print(l.out, answer)
	case formatName:
		for _, job := range answer.Jobs {
			if _, err := fmt.Fprintln(l.out, job.ID); err != nil {
				return err
			}
		}
		return nil
	}
	if len(answer.Jobs) == 0 {
		fmt.Fprintf(l.errs, "tenant %q has no such jobs\n", l.client.tenant)
		return nil
	}
	if err := l.out.table(l.rows(answer.Jobs, true)); err != nil {
		return err
	}
	if answer.Continue != "" {
		fmt.Fprintf(l.errs, "there are more: --limit 0 lists all, --continue %s goes on here\n", answer.Continue)
	}
	return nil
}

// rows are the table of some jobs.
func (l *listing) rows(jobs []api.Job, head bool) [][]cell {
	var rows [][]cell
	if head {
		rows = append(rows, cells("ID", "NAME", "QUEUE", "STATE", "ROWS", "DONE", "FAILED", "AGE", "FINISH-BY"))
		if l.format.name == formatWide {
			rows[0] = append(rows[0], cells("EXPECTED", "SHARDS", "COST", "MODEL")...)
		}
	}
	now := l.now()
	for _, job := range jobs {
		row := cells(job.ID, dash(job.Name), job.Queue, string(job.State), rowsText(job.Counts), number(job.Counts.RowsDone),
			failedText(job.Counts), span(now.Sub(job.Times[orchestrator.JobQueued])), day(job.Deadline, now))
		row[3].in = stateColour(job.State)
		if job.Counts.RowsFailed > 0 {
			row[6].in = red
		}
		if l.format.name == formatWide {
			row = append(row, cells(day(job.ExpectedFinish, now), shardsText(job.Counts), dash(costText(job)), job.Model.Name)...)
		}
		rows = append(rows, row)
	}
	return rows
}

// watchEvery is how often a list that goes on is asked for.
const watchEvery = time.Second

// watch prints jobs again when they have changed, until it is interrupted.
func (l *listing) watch(ctx context.Context) error {
	seen := map[string]time.Time{}
	var columns widths
	for first := true; ; first = false {
		answer, err := l.pages(ctx)
		if err != nil && (first || !unavailable(err)) {
			return err
		}
		var changed []api.Job
		for _, job := range answer.Jobs {
			if at, known := seen[job.ID]; !known || !at.Equal(job.Updated) {
				changed = append(changed, job)
			}
		}
		clear(seen)
		for _, job := range answer.Jobs {
			seen[job.ID] = job.Updated
		}
		if err := columns.print(l.out, l.rows(changed, first)); err != nil {
			return err
		}
		if err := pause(ctx, watchEvery); err != nil {
			return err
		}
	}
}

// pause waits, or gives the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
