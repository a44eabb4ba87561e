package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

func (p *program) backlogCommand() *cobra.Command {
	var watch bool
	var format *printFormat
	command := &cobra.Command{
		Use:   "backlog [QUEUE]",
		Short: "Show what waits in the sources that queues drain, and how well it is known",
		Long: `Backlog shows the newest reading of each source: rows that wait and that are in flight, those given up after their last delivery, when the oldest came, how
fast they come and go over the last ten minutes, how many workers would find something to do, and how old the reading is. A number that is not known is a dash,
never zero: a reading with an error changes nothing.`,
		Example: `  nightshift backlog
  nightshift backlog payments -w
  nightshift backlog -o json`,
		Args: arguments(0, 1, "a queue"),
		RunE: func(command *cobra.Command, args []string) error {
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			var query api.BacklogsRequest
			if len(args) == 1 {
				query.Queue = args[0]
			}
			out := p.screen(command.OutOrStdout())
			var columns widths
			for first := true; ; first = false {
				answer, err := request[api.BacklogsResponse](command.Context(), client, "backlogs", query)
				if err != nil && (first || !watch || !unavailable(err)) {
					return err
				}
				if err == nil {
					if err := p.showBacklogs(out, command.ErrOrStderr(), format, answer, &columns, first); err != nil {
						return err
					}
				}
				if !watch {
					return nil
				}
				if err := pause(command.Context(), watchEvery); err != nil {
					return err
				}
			}
		},
	}
	command.Flags().BoolVarP(&watch, "watch", "w", false, "go on showing it, every second")
	format = formatOption(command, formatFlag, formatWide, formatJSON, formatYAML)
	return command
}

func (p *program) showBacklogs(out screen, errs io.Writer, format *printFormat, answer api.BacklogsResponse, columns *widths, head bool) error {
	if format.machine() {
		return format.print(out, answer)
	}
	if len(answer.Backlogs) == 0 && head {
		fmt.Fprintln(errs, "no queue of this tenant drains a source; docs/draining.md says how one does")
		return nil
	}
	now := p.now()
	if err := columns.print(out, backlogRows(answer.Backlogs, now, format.name == formatWide, head)); err != nil {
		return err
	}
	for _, one := range answer.Backlogs {
		if one.Err != "" {
			fmt.Fprintf(errs, "%s: %s\n", one.Queue, one.Err)
		}
		for _, note := range one.Notes {
			fmt.Fprintf(errs, "%s: %s\n", one.Queue, note)
		}
	}
	return nil
}

func backlogRows(list []orchestrator.BacklogStatus, now time.Time, wide, head bool) [][]cell {
	var rows [][]cell
	if head {
		rows = append(rows, cells("QUEUE", "SOURCE", "PENDING", "IN-FLIGHT", "GIVEN-UP", "OLDEST", "IN/S", "OUT/S", "USEFUL", "READ"))
		if wide {
			rows[0] = append(rows[0], cells("REDELIVERED", "IN/S-DAY", "OUT/S-DAY", "METHOD")...)
		}
	}
	for _, one := range list {
		pending, oldest, read := known(one.Pending), "-", span(now.Sub(one.At))+" ago"
		if one.UpperBound && one.Pending > 0 {
			pending = "<=" + pending
		}
		if !one.Oldest.IsZero() {
			oldest = span(now.Sub(one.Oldest))
		}
		if one.Err != "" {
			read = "failed"
		}
		row := cells(one.Queue, one.Source, pending, known(one.InFlight), known(one.Poisoned), oldest, rate(one.Recent.In), rate(one.Recent.Out), known(unknownZero(one.MostWorkers)), read)
		if one.Err != "" {
			row[9].in = red
		}
		if wide {
			row = append(row, cells(known(one.Redelivered), rate(one.Daily.In), rate(one.Daily.Out), dash(one.Method))...)
		}
		rows = append(rows, row)
	}
	return rows
}

// known writes a count; below 0 it is unknown.
func known(count int64) string {
	if count < 0 {
		return "-"
	}
	return number(count)
}

func unknownZero(count int) int64 {
	if count == 0 {
		return -1
	}
	return int64(count)
}

func rate(rows float64) string {
	if rows >= 100 {
		return number(int64(rows))
	}
	return fmt.Sprintf("%.2g", rows)
}
