package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/api"
)

func (p *program) logsCommand() *cobra.Command {
	var follow, timestamps bool
	command := &cobra.Command{
		Use:     "logs JOB",
		Short:   "Show what the scorers of a job wrote to standard error",
		Example: "  nightshift logs @latest -f",
		Args:    arguments(1, 1, "JOB"), ValidArgsFunction: p.completeJob,
		RunE: func(command *cobra.Command, args []string) error {
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			id, err := client.identify(command.Context(), args[0])
			if err != nil {
				return err
			}
			printer := logPrinter{out: command.OutOrStdout(), timestamps: timestamps, zone: p.now().Location()}
			return client.logs(command.Context(), id, follow, printer.print)
		},
	}
	command.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the job has ended")
	command.Flags().BoolVar(&timestamps, "timestamps", false, "begin each line with the time at which it was stored")
	return command
}

// logs gives every entry of a job's log in order. Following goes on, also while the service is away, until the job has ended.
func (c *client) logs(ctx context.Context, id string, follow bool, each func(api.LogEntry) error) error {
	var after uint64
	for last := !follow; ; {
		answer, err := request[api.LogsResponse](ctx, c, "jobs.logs", api.LogsRequest{ID: id, After: after})
		if err != nil && (!follow || !unavailable(err)) {
			return err
		}
		for _, entry := range answer.Entries {
			if err := each(entry); err != nil {
				return err
			}
		}
		after = max(after, answer.Next)
		switch {
		case len(answer.Entries) > 0: // there may be more
			continue
		case last:
			return nil
		}
		got, err := request[api.GetResponse](ctx, c, "jobs.get", api.GetRequest{ID: id})
		switch {
		case err != nil && !unavailable(err):
			return err
		case err == nil && got.Job.State.Final():
			last = true // once more, for what came between
			continue
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// logPrinter prints entries, each line with the worker it comes from.
type logPrinter struct {
	out        io.Writer
	timestamps bool
	zone       *time.Location
}

func (l logPrinter) print(entry api.LogEntry) error {
	head := "[" + entry.Worker + "] "
	if l.timestamps {
		head = entry.At.In(l.zone).Format("2006-01-02T15:04:05.000Z07:00") + " " + head
	}
	if entry.Dropped > 0 {
		if _, err := fmt.Fprintf(l.out, "%s(%s too many to keep)\n", head, plural(entry.Dropped, "line")); err != nil {
			return err
		}
	}
	for _, line := range entry.Lines {
		if _, err := fmt.Fprintln(l.out, head+line); err != nil {
			return err
		}
	}
	return nil
}
