package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
)

func (p *program) getCommand() *cobra.Command {
	var format *printFormat
	var watch bool
	command := &cobra.Command{
		Use:     "get JOB",
		Short:   "Show a job",
		Example: "  nightshift get @latest\n  nightshift get fraud-0a1b2c3d4e5f6 -o json",
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
			if err := p.printJob(command.OutOrStdout(), format, job); err != nil || !watch {
				return err
			}
			return p.await(command.Context(), client, job, true, command.ErrOrStderr(), format, command.OutOrStdout())
		},
	}
	format = formatOption(command, formatFlag, formatWide, formatName, formatJSON, formatYAML)
	command.Flags().BoolVarP(&watch, "watch", "w", false, "go on as nightshift watch does")
	return command
}

// printJob prints one job in the format that was asked for.
func (p *program) printJob(out io.Writer, format *printFormat, job api.Job) error {
	switch format.name {
	case formatJSON, formatYAML:
		return format.print(out, job)
	case formatName:
		_, err := fmt.Fprintln(out, job.ID)
		return err
	}
	return p.describe(p.screen(out), job, format.name == formatWide)
}

// describe shows a job to people.
func (p *program) describe(out screen, job api.Job, wide bool) error {
	now := p.now()
	var rows [][]cell
	row := func(name, text string) {
		if text != "" {
			rows = append(rows, cells(name, text))
		}
	}
	row("ID", job.ID)
	row("Name", job.Name)
	row("Queue", job.Queue)
	rows = append(rows, []cell{{text: "State"}, {stateText(job, now), stateColour(job.State)}})
	row("Waiting", failureText(job.Waiting))
	row("Failure", failureText(job.Failure))
	row("Workflow", job.Workflow)
	row("Rows", fmt.Sprintf("%s of %s scored, %s failed", number(job.Counts.RowsDone), rowsText(job.Counts), failedText(job.Counts)))
	row("Not read", unreadText(job.Counts))
	row("Shards", shardsText(job.Counts)+" done")
	row("Submitted", moment(job.Times[orchestrator.JobQueued], now))
	row("Deadline", moment(job.Deadline, now))
	row("Expected", expectedText(job, now))
	row("Expires", expiryText(job, now))
	if job.State.Final() {
		row("Took", tookText(job))
	}
	row("Cost", costText(job))
	row("Model", job.Model.Name)
	row("Input", strings.Join(job.Input[:min(len(job.Input), mostInputs)], " "))
	row("Row key", job.Key)
	row("Labels", labelsText(job.Labels))
	row("Output", job.Output)
	row("Results", job.Results)
	row("Published", job.Published)
	row("Errors", job.Errors)
	row("Manifest", job.Manifest)
	if wide {
		row("Digest", job.Model.Digest)
		row("Epoch", fmt.Sprint(job.Epoch))
		for _, state := range api.States {
			row("  "+string(state), exact(job.Times[state], now))
		}
	}
	for _, note := range job.Notes {
		row("Note", note)
	}
	return out.table(rows)
}

const mostInputs = 10 // shown; -o json shows all

func stateText(job api.Job, now time.Time) string {
	text := words(job.State)
	if at := job.Times[job.State]; !at.IsZero() {
		text += " since " + clock(at, now)
	}
	if job.Position > 0 {
		text += fmt.Sprintf(", number %d of those waiting", job.Position)
	}
	if job.Epoch > 0 {
		text += fmt.Sprintf(", retried %d times", job.Epoch)
		text = strings.Replace(text, "retried 1 times", "retried once", 1)
	}
	return text
}

func failureText(failure *orchestrator.Failure) string {
	if failure == nil {
		return ""
	}
	code := "(" + failure.Code + ")"
	if strings.Contains(failure.Message, code) { // errors about objects say it themselves
		return failure.Message
	}
	return failure.Message + " " + code
}

func rowsText(counts orchestrator.Counts) string {
	if counts.RowsExact {
		return number(counts.RowsTotal)
	}
	return "~" + number(counts.RowsTotal)
}

// failedText is the number of failed rows, which is an estimate where some could not be read.
func failedText(counts orchestrator.Counts) string {
	if counts.RowsUnread > 0 && !counts.RowsExact {
		return "~" + number(counts.RowsFailed)
	}
	return number(counts.RowsFailed)
}

// unreadText says what of the input could not be read; empty for nothing.
func unreadText(counts orchestrator.Counts) string {
	if counts.ShardsUnread == 0 {
		return ""
	}
	about := "~"
	if counts.RowsExact {
		about = ""
	}
	return fmt.Sprintf("%s%s in %s (%s) that could not be read to the end; they count as failed, with one line of the error file for each shard",
		about, plural(counts.RowsUnread, "row"), plural(counts.ShardsUnread, "shard"), bytesText(counts.BytesUnread))
}

func shardsText(counts orchestrator.Counts) string {
	text := number(counts.ShardsDone) + " of " + number(counts.ShardsTotal)
	if !counts.CutAll {
		text += "+" // more will be cut
	}
	if counts.ShardsFailed > 0 {
		text += fmt.Sprintf(" (%s failed)", number(counts.ShardsFailed))
	}
	return text
}

func expectedText(job api.Job, now time.Time) string {
	if job.ExpectedFinish.IsZero() {
		return ""
	}
	text := moment(job.ExpectedFinish, now)
	if !job.ExpectedFinishLow.IsZero() && !job.ExpectedFinishHigh.IsZero() {
		text += fmt.Sprintf(", between %s and %s", clock(job.ExpectedFinishLow, now), clock(job.ExpectedFinishHigh, now))
	}
	return text
}

func expiryText(job api.Job, now time.Time) string {
	if job.State.Final() {
		return ""
	}
	return moment(job.ExpiresAt, now)
}

// tookText is the time from the submit to the end, and what was said of it at the submit. A retry counts from itself and has no estimate.
func tookText(job api.Job) string {
	queued := job.Times[orchestrator.JobQueued]
	text := span(job.Times[job.State].Sub(queued))
	if job.Epoch == 0 && !job.EstimatedFinish.IsZero() {
		text += fmt.Sprintf(" (estimate %s)", span(job.EstimatedFinish.Sub(queued)))
	}
	return text
}

func costText(job api.Job) string {
	switch {
	case job.ActualCost != nil && job.EstimatedCost != nil:
		return fmt.Sprintf("%s (estimate %s)", *job.ActualCost, *job.EstimatedCost)
	case job.ActualCost != nil:
		return job.ActualCost.String()
	case job.EstimatedCost != nil:
		return "about " + job.EstimatedCost.String()
	}
	return ""
}

func labelsText(labels map[string]string) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		texts = append(texts, name+"="+labels[name])
	}
	return strings.Join(texts, " ")
}

// moment is a time and how far away it is; empty for none.
func moment(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s (%s)", clock(at, now), ahead(at, now))
}

// day is a time for a column; a dash for none.
func day(at, now time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.In(now.Location()).Format("2006-01-02 15:04")
}

func exact(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.In(now.Location()).Format("2006-01-02 15:04:05.000")
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
