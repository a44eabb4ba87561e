package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/api"
)

func (p *program) cancelCommand() *cobra.Command {
	return p.manageCommand("cancel", "End jobs; what was scored until then stays, and a retry goes on from there", nil,
		func(ctx context.Context, client *client, id string) (string, error) {
			answer, err := request[api.CancelResponse](ctx, client, "jobs.cancel", api.CancelRequest{ID: id})
			return words(answer.Job.State), err
		})
}

func (p *program) retryCommand() *cobra.Command {
	var deadline deadlineFlags
	flags := func(command *cobra.Command) {
		command.Flags().StringVar(&deadline.finishBy, "finish-by", "", "new deadline, as in submit (default: as the queue says, from now)")
		command.Flags().StringVar(&deadline.within, "within", "", "new deadline as a duration from now: 90m, 5h, 2d")
	}
	return p.manageCommand("retry", "Queue jobs that have ended once more; only what is missing or failed is scored", flags,
		func(ctx context.Context, client *client, id string) (string, error) {
			finishBy, within, err := deadline.parse(p.now())
			if err != nil {
				return "", &usageError{err.Error(), "nightshift retry"}
			}
			answer, err := request[api.RetryResponse](ctx, client, "jobs.retry", api.RetryRequest{ID: id, FinishBy: finishBy, Within: within})
			return words(answer.Job.State), err
		})
}

func (p *program) deleteCommand() *cobra.Command {
	command := p.manageCommand("delete", "Remove the records of jobs that have ended; their results stay", nil,
		func(ctx context.Context, client *client, id string) (string, error) {
			_, err := request[api.DeleteResponse](ctx, client, "jobs.delete", api.DeleteRequest{ID: id})
			return "deleted", err
		})
	command.Aliases = []string{"rm"}
	return command
}

// manageCommand is a command that does one thing to each of some jobs, and goes on where one is refused.
func (p *program) manageCommand(verb, short string, flags func(*cobra.Command), do func(context.Context, *client, string) (string, error)) *cobra.Command {
	var wait bool
	command := &cobra.Command{
		Use: verb + " JOB...", Short: short, Args: arguments(1, -1, "JOB"), ValidArgsFunction: p.completeJob,
		RunE: func(command *cobra.Command, args []string) error {
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			out, ctx := command.OutOrStdout(), command.Context()
			var failed error
			for _, name := range args {
				id, err := client.identify(ctx, name)
				var state string
				if err == nil {
					state, err = do(ctx, client, id)
				}
				switch {
				case errors.Is(err, context.Canceled) || errors.As(err, new(*usageError)):
					return err
				case err != nil:
					fmt.Fprintf(command.ErrOrStderr(), "error: %s: %s\n", name, explained(err))
					failed = silentError{exitFailed}
					continue
				}
				fmt.Fprintf(out, "job %s %s\n", id, state)
				if wait {
					failed = worse(failed, p.awaitNamed(ctx, client, id, out))
				}
			}
			return failed
		},
	}
	if flags != nil {
		flags(command)
		command.Flags().BoolVar(&wait, "wait", false, "wait until the jobs have ended; the exit code says whether they have succeeded")
	}
	return command
}

func (p *program) awaitNamed(ctx context.Context, client *client, id string, out io.Writer) error {
	job, err := client.job(ctx, id)
	if err != nil {
		return err
	}
	return p.await(ctx, client, job, true, out, &printFormat{}, out)
}

// worse keeps the first error.
func worse(earlier, later error) error {
	if earlier != nil {
		return earlier
	}
	return later
}
