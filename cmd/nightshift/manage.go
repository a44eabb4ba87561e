package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// managing is one run of a command that does one thing to each of some jobs, and goes on where one is refused.
type managing struct {
	*program
	client    *client
	out, errs io.Writer
	format    *printFormat
	wait      bool
	done      []api.Job // kept for programs
	do        func(context.Context, *client, string) (job api.Job, what string, err error)
}

func (p *program) cancelCommand() *cobra.Command {
	run := &managing{program: p, do: func(ctx context.Context, client *client, id string) (api.Job, string, error) {
		answer, err := request[api.CancelResponse](ctx, client, "jobs.cancel", api.CancelRequest{ID: id})
		return answer.Job, words(answer.Job.State), err
	}}
	command := run.command("cancel", "End jobs; what was scored until then stays, and a retry goes on from there")
	run.format = formatOption(command, formatFlag, formatName, formatJSON, formatYAML)
	return command
}

func (p *program) retryCommand() *cobra.Command {
	var deadline deadlineFlags
	run := &managing{program: p, do: func(ctx context.Context, client *client, id string) (api.Job, string, error) {
		finishBy, within, err := deadline.parse(p.now())
		if err != nil {
			return api.Job{}, "", &usageError{err.Error(), "nightshift retry"}
		}
		answer, err := request[api.RetryResponse](ctx, client, "jobs.retry", api.RetryRequest{ID: id, FinishBy: finishBy, Within: within})
		return answer.Job, words(answer.Job.State), err
	}}
	command := run.command("retry", "Queue jobs that have ended once more; only what is missing or failed is scored")
	run.format = formatOption(command, formatFlag, formatName, formatJSON, formatYAML)
	flags := command.Flags()
	flags.StringVar(&deadline.finishBy, "finish-by", "", "new deadline, as in submit (default: as the queue says, from now)")
	flags.StringVar(&deadline.within, "within", "", "new deadline as a duration from now: 90m, 5h, 2d")
	flags.BoolVar(&run.wait, "wait", false, "wait until the jobs have ended; the exit code says whether they have succeeded")
	return command
}

func (p *program) deleteCommand() *cobra.Command {
	run := &managing{program: p, do: func(ctx context.Context, client *client, id string) (api.Job, string, error) {
		answer, err := request[api.DeleteResponse](ctx, client, "jobs.delete", api.DeleteRequest{ID: id})
		return api.Job{ID: answer.ID}, "deleted", err
	}}
	command := run.command("delete", "Remove the records of jobs that have ended; their results stay")
	run.format = formatOption(command, formatFlag, formatName) // there is no more than a name
	command.Aliases = []string{"rm"}
	return command
}

func (m *managing) command(verb, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " JOB...", Short: short, Args: arguments(1, -1, "JOB"), ValidArgsFunction: m.completeJob,
		RunE: func(command *cobra.Command, args []string) error {
			client, err := m.program.client()
			if err != nil {
				return err
			}
			defer client.close()
			m.client, m.out, m.errs = client, command.OutOrStdout(), command.ErrOrStderr()
			return m.all(command.Context(), args)
		},
	}
}

func (m *managing) all(ctx context.Context, names []string) error {
	var failed error
	for _, name := range names {
		err := m.one(ctx, name)
		switch {
		case err == nil || errors.As(err, new(silentError)):
		case errors.Is(err, context.Canceled) || errors.As(err, new(*usageError)):
			return err
		default:
			fmt.Fprintf(m.errs, "error: %s: %s\n", name, explained(err))
			err = silentError{exitFailed}
		}
		failed = worse(failed, err)
	}
	return worse(m.print(len(names) == 1), failed)
}

// one does it to one job.
func (m *managing) one(ctx context.Context, name string) error {
	id, err := m.client.identify(ctx, name)
	if err != nil {
		return err
	}
	job, what, err := m.do(ctx, m.client, id)
	if err != nil {
		return err
	}
	talk := m.out
	if m.format.machine() {
		talk = m.errs
	}
	if !m.format.machine() || m.wait {
		fmt.Fprintf(talk, "job %s %s\n", id, what)
	}
	if m.wait {
		if job, err = m.ending(ctx, m.client, job, true, talk); err != nil {
			return err
		}
	}
	switch {
	case m.format.name == formatName:
		_, err = fmt.Fprintln(m.out, job.ID)
	case m.format.machine():
		m.done = append(m.done, job)
	case m.wait:
		err = m.summarise(m.screen(m.out), job)
	}
	if err == nil && m.wait && job.State != orchestrator.JobSucceeded {
		err = silentError{exitFailed}
	}
	return err
}

// print gives programs one job as get does, and several as list does.
func (m *managing) print(one bool) error {
	switch {
	case m.format.name != formatJSON && m.format.name != formatYAML:
		return nil
	case !one:
		return m.format.print(m.out, api.ListResponse{Jobs: append([]api.Job{}, m.done...)})
	case len(m.done) == 1:
		return m.printJob(m.out, m.format, m.done[0])
	}
	return nil // it was refused
}

// worse keeps the first error.
func worse(earlier, later error) error {
	if earlier != nil {
		return earlier
	}
	return later
}
