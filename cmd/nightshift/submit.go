package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/nats-io/nuid"
	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

// submitting is one run of submit.
type submitting struct {
	*program
	command *cobra.Command
	client  *client
	format  *printFormat
	request api.SubmitRequest
	local   map[int]string // inputs that are files on this machine
	dryRun  bool
	yes     bool
	wait    bool
	watch   bool
}

func (p *program) submitCommand() *cobra.Command {
	var what submission
	run := submitting{program: p}
	command := &cobra.Command{
		Use:   "submit -q QUEUE INPUT...",
		Short: "Submit a job, after showing what it will cost and when it will be done",
		Long: `Submit scores the rows of INPUT with the model of a queue. It first shows the price and time table; where the queue wants jobs of this price
confirmed, it asks, or wants --yes or --max-cost when there is no terminal.

INPUT is a path of a file or folder, or a URI: file:///..., s3://BUCKET/KEY, gs://BUCKET/KEY, azblob://CONTAINER/KEY. A URI that ends in / means
everything below it; * ? [ ] are patterns within a part of a path, ** stands for any number of parts.

A path, like file:///, means the file as the workers see it. A file that is here, and that a service on another machine does not see, is uploaded to the
inbox of the queue, where it stays; where the queue has none, or the file is too large for it, the command says what to do instead.

With --steps the job is a Workflow of Argo with steps around the scoring (docs/steps.md): INPUT need not be there before they have made it, and nothing is uploaded.`,
		Example: `  nightshift submit -q fraud transactions.jsonl --finish-by 06:00
  nightshift submit -q fraud 's3://lake/day=2026-11-21/*.parquet' --within 5h --row-key id --watch
  nightshift submit -q fraud s3://lake/day=2026-11-21/ --steps nightly --step day=2026-11-21
  nightshift submit -q fraud s3://lake/day=2026-11-21/ --key nightly-2026-11-21 --max-cost "20 EUR" --wait -o json`,
		Args: arguments(1, -1, "INPUT"),
		RunE: func(command *cobra.Command, inputs []string) error {
			request, err := what.request(inputs, p.now())
			if err != nil {
				return usage(command, "%v", err)
			}
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			run.command, run.client, run.request = command, client, request
			if request.Steps == nil { // whose input need not be there yet
				run.local = localInputs(inputs)
			}
			return run.run(command.Context())
		},
	}
	what.addFlags(command)
	run.format = formatOption(command, "print", formatName, formatJSON, formatYAML, formatWide)
	flags := command.Flags()
	flags.BoolVar(&run.dryRun, "dry-run", false, "only show what the job would take; nothing is stored")
	flags.BoolVarP(&run.yes, "yes", "y", false, "do not ask; accept the estimate, and up to a tenth more should it rise before the submit")
	flags.BoolVar(&run.wait, "wait", false, "wait until the job has ended; the exit code says whether it has succeeded")
	flags.BoolVarP(&run.watch, "watch", "w", false, "wait, and show the progress")
	return command
}

func (s *submitting) run(ctx context.Context) error {
	talk := s.command.OutOrStdout()
	if s.format.machine() {
		talk = s.command.ErrOrStderr() // standard output is for the program that reads it
	}
	estimate, err := s.estimate(ctx)
	if err != nil {
		return err
	}
	if err := s.showEstimate(s.screen(talk), estimate); err != nil {
		return err
	}
	if s.dryRun {
		return s.dry(estimate)
	}
	if err := s.confirm(estimate); err != nil {
		return err
	}
	answer, err := s.submit(ctx)
	if err != nil {
		return err
	}
	if err := s.showJob(talk, answer); err != nil {
		return err
	}
	if s.wait || s.watch {
		return s.await(ctx, s.client, answer.Job, s.watch, talk, s.format, s.command.OutOrStdout())
	}
	return nil
}

// dry ends a dry run. What a submit would be refused for makes the exit code 1.
func (s *submitting) dry(estimate api.EstimateResponse) error {
	if s.format.name == formatJSON || s.format.name == formatYAML {
		if err := s.format.print(s.command.OutOrStdout(), estimate); err != nil {
			return err
		}
	}
	cost, bound := estimate.Estimate.Cost, s.request.MaxCost
	if bound != nil && cost.Micros > bound.Micros {
		return fmt.Errorf("the estimate is %s, above the bound of %s: this would be refused", cost, *bound)
	}
	return nil
}

// confirm makes sure that somebody agrees to the price where the queue wants that.
func (s *submitting) confirm(estimate api.EstimateResponse) error {
	if !estimate.Confirm || s.request.MaxCost != nil {
		return nil
	}
	cost := estimate.Estimate.Cost
	accepted := cost.Times(1.1)
	in, errs := s.command.InOrStdin(), s.command.ErrOrStderr()
	switch {
	case cost.Currency == "":
		return fmt.Errorf("what the job costs is not known yet, and queue %q wants dear jobs confirmed: submit again with --max-cost", estimate.Queue)
	case s.yes:
	case !terminal(in) || !terminal(errs):
		return fmt.Errorf("the estimate is %s, and queue %q wants jobs of this price confirmed: submit again with --yes, or with --max-cost %q",
			cost, estimate.Queue, cost)
	default:
		fmt.Fprintf(errs, "Submit for about %s, at most %s? [y/N] ", cost, accepted)
		if !agreed(in) {
			return fmt.Errorf("nothing was submitted")
		}
	}
	s.request.MaxCost = &accepted
	return nil
}

func agreed(in io.Reader) bool {
	line, _ := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n') // an end without an answer is no
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

// submit stores the job. When the answer gets lost, it asks once more under the same idempotency key, which is harmless.
func (s *submitting) submit(ctx context.Context) (api.SubmitResponse, error) {
	if s.request.IdempotencyKey == "" {
		s.request.IdempotencyKey = "submit-" + nuid.Next()
	}
	answer, err := request[api.SubmitResponse](ctx, s.client, "jobs.submit", s.request)
	if unavailable(err) {
		answer, err = request[api.SubmitResponse](ctx, s.client, "jobs.submit", s.request)
		answer.Repeated = false
	}
	return answer, err
}

func (s *submitting) showJob(talk io.Writer, answer api.SubmitResponse) error {
	job := answer.Job
	if s.format.machine() {
		if s.wait || s.watch { // printed when it has ended
			fmt.Fprintf(talk, "job %s submitted\n", job.ID)
			return nil
		}
		return s.printJob(s.command.OutOrStdout(), s.format, job)
	}
	what := "submitted"
	if answer.Repeated {
		what = fmt.Sprintf("was submitted before under this key; it is %s", words(job.State))
	}
	_, err := fmt.Fprintf(talk, "job %s %s\n", job.ID, what)
	if s.wait || s.watch || err != nil {
		return err
	}
	_, err = fmt.Fprintf(talk, "\n  nightshift watch %[1]s\n  nightshift results %[1]s -o FILE\n  nightshift cancel %[1]s\n", job.ID)
	return err
}

// words is a state as people read it.
func words(state orchestrator.JobState) string { return strings.ReplaceAll(string(state), "_", " ") }
