package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

func (p *program) watchCommand() *cobra.Command {
	var format *printFormat
	command := &cobra.Command{
		Use:   "watch JOB",
		Short: "Show the progress of a job until it has ended",
		Long: `Watch shows how many rows and shards are done, how fast, and when the job is expected to end: as a bar on a terminal, else as a line every few
seconds and with every change of state. It goes on while the service is away. The exit code says whether the job has succeeded.`,
		Example: "  nightshift watch @latest\n  nightshift watch fraud-0a1b2c3d4e5f6 && nightshift results fraud-0a1b2c3d4e5f6 -o scores.jsonl",
		Args:    arguments(1, 1, "JOB"), ValidArgsFunction: p.completeJob,
		RunE: func(command *cobra.Command, args []string) error {
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			job, err := client.job(command.Context(), args[0])
			if err != nil {
				return err
			}
			talk := command.OutOrStdout()
			if format.machine() {
				talk = command.ErrOrStderr()
			}
			return p.await(command.Context(), client, job, true, talk, format, command.OutOrStdout())
		},
	}
	format = formatOption(command, formatFlag, formatName, formatJSON, formatYAML)
	return command
}

// display shows a job while it goes on.
type display interface {
	show(job api.Job, at time.Time)
	// absent says that nobody answers at present.
	absent(err error)
	end()
}

// await waits until a job has ended and says how; progress goes to talk, and the job to out where a program wants it. The error is the exit code.
func (p *program) await(ctx context.Context, client *client, job api.Job, progress bool, talk io.Writer, format *printFormat, out io.Writer) error {
	job, err := p.ending(ctx, client, job, progress, talk)
	if err != nil {
		return err
	}
	if format.machine() {
		err = p.printJob(out, format, job)
	} else {
		err = p.summarise(p.screen(talk), job)
	}
	if err == nil && job.State != orchestrator.JobSucceeded {
		err = silentError{exitFailed}
	}
	return err
}

// ending waits until a job has ended; progress goes to talk.
func (p *program) ending(ctx context.Context, client *client, job api.Job, progress bool, talk io.Writer) (api.Job, error) {
	var shown display = silence{}
	switch {
	case progress && terminal(talk):
		shown = newBars(talk)
	case progress:
		shown = &lines{out: talk, zone: p.now().Location()}
	}
	job, err := p.follow(ctx, client, job, shown)
	shown.end()
	return job, err
}

// The times between two looks at a job: short at first, for short jobs.
const (
	leastPause = 100 * time.Millisecond
	mostPause  = time.Second
)

// follow shows a job until it has ended. An absent service, or a restart of NATS, only makes it wait.
func (p *program) follow(ctx context.Context, client *client, job api.Job, shown display) (api.Job, error) {
	shown.show(job, p.now())
	for wait := leastPause; !job.State.Final(); wait = min(wait*3/2, mostPause) {
		if err := pause(ctx, wait); err != nil {
			return job, err
		}
		answer, err := request[api.GetResponse](ctx, client, "jobs.get", api.GetRequest{ID: job.ID})
		switch {
		case err == nil:
			job = answer.Job
			shown.show(job, p.now())
		case unavailable(err):
			shown.absent(err)
		default:
			return job, err
		}
	}
	return job, nil
}

// summarise says how a job ended and where its results are.
func (p *program) summarise(out screen, job api.Job) error {
	text := fmt.Sprintf("job %s %s after %s: %s scored, %s failed", job.ID, out.paint(words(job.State), stateColour(job.State)), tookText(job),
		plural(job.Counts.RowsDone, "row"), failedText(job.Counts))
	if job.ActualCost != nil {
		text += ", cost " + costText(job)
	}
	fmt.Fprintln(out, text)
	if failure := failureText(job.Failure); failure != "" {
		fmt.Fprintln(out, "  "+visible(failure))
	}
	if unread := unreadText(job.Counts); unread != "" {
		fmt.Fprintln(out, "  not read: "+unread)
	}
	var rows [][]cell
	if job.Results != "" {
		rows = append(rows, cells("  results", job.Results, "nightshift results "+job.ID+" -o FILE"))
	}
	if job.Published != "" {
		rows = append(rows, cells("  published", job.Published))
	}
	if job.Errors != "" {
		rows = append(rows, cells("  errors", job.Errors, "nightshift errors "+job.ID))
	}
	if job.State.Final() && job.State != orchestrator.JobSucceeded {
		rows = append(rows, cells("  retry", "only what is missing or failed", "nightshift retry "+job.ID))
	}
	return out.table(rows)
}

// silence shows nothing.
type silence struct{}

func (silence) show(api.Job, time.Time) {}
func (silence) absent(error)            {}
func (silence) end()                    {}
