package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/format"
)

func (p *program) resultsCommand() *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "results JOB",
		Short: "Say where the results of a job are, or fetch them into one file",
		Long: `Results says where the results of a job that has ended are. With -o it writes them into one file, in the order of the input: JSON Lines parts one
after the other, Parquet parts as one Parquet file. Rows and checksums of every part are compared with the job's manifest; the file appears when all is
well. -o - writes to standard output. Results that a queue publishes to a subject or topic (drain.results) are in no files.`,
		Example: "  nightshift results @latest\n  nightshift results @latest -o scores.jsonl\n  nightshift results @latest -o - | head",
		Args:    arguments(1, 1, "JOB"), ValidArgsFunction: p.completeJob,
		RunE: func(command *cobra.Command, args []string) error {
			return p.withOutput(command, args[0], func(ctx context.Context, from *outputReader) error {
				if file != "" && from.job.Published != "" {
					return fmt.Errorf("the results of job %s are not in files: they were published to %s, where each has its shard and its row in headers", from.job.ID, from.job.Published)
				}
				if file == "" {
					return p.showResults(p.screen(command.OutOrStdout()), from)
				}
				return from.results(ctx, file, command.OutOrStdout(), command.ErrOrStderr())
			})
		},
	}
	command.Flags().StringVarP(&file, "output", "o", "", "file or folder to write to; - is standard output")
	return command
}

func (p *program) errorsCommand() *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "errors JOB",
		Short: "Print the rows of a job that failed, and why",
		Long: `Errors prints the error file of a job that has ended: a line of JSON for each row that failed, with its key, its place in the input, a code and a
sentence. Where a part of the input could not be read, one line stands for all rows of it. With -o it writes them to a file.`,
		Example: "  nightshift errors @latest | jq -r .code | sort | uniq -c",
		Args:    arguments(1, 1, "JOB"), ValidArgsFunction: p.completeJob,
		RunE: func(command *cobra.Command, args []string) error {
			return p.withOutput(command, args[0], func(ctx context.Context, from *outputReader) error {
				return from.errors(ctx, file, command.OutOrStdout(), command.ErrOrStderr())
			})
		},
	}
	command.Flags().StringVarP(&file, "output", "o", "", "file to write to (default: standard output)")
	return command
}

// withOutput reads the manifest of a job that has ended.
func (p *program) withOutput(command *cobra.Command, name string, do func(context.Context, *outputReader) error) error {
	client, err := p.client()
	if err != nil {
		return err
	}
	defer client.close()
	ctx := command.Context()
	job, err := client.job(ctx, name)
	if err != nil {
		return err
	}
	if job.Manifest == "" {
		return noResults(job)
	}
	from, err := openOutput(ctx, client, job)
	if err != nil {
		return err
	}
	defer from.close()
	return do(ctx, from)
}

func noResults(job api.Job) error {
	if job.State.Final() {
		return fmt.Errorf("job %s has no results: it is %s. nightshift retry %s scores what is missing", job.ID, words(job.State), job.ID)
	}
	return fmt.Errorf("job %s has no results yet: it is %s. nightshift watch %s waits for it", job.ID, words(job.State), job.ID)
}

func (p *program) showResults(out screen, from *outputReader) error {
	job, counts := from.job, from.manifest.Totals.Counts
	rows := [][]cell{cells("Published", job.Published)}
	if job.Published == "" {
		rows = [][]cell{
			cells("Results", job.Results),
			cells("Parts", fmt.Sprintf("%s, %s", plural(len(from.parts()), string(job.OutputFormat)+" part"), bytesText(from.bytes()))),
		}
	}
	rows = append(rows, cells("Rows", fmt.Sprintf("%s scored, %s failed", number(counts.RowsDone), failedText(counts))))
	if unread := unreadText(counts); unread != "" {
		rows = append(rows, cells("Not read", unread))
	}
	if from.manifest.Totals.Errors != nil {
		rows = append(rows, cells("Errors", from.manifest.Totals.Errors.URI))
	}
	rows = append(rows, cells("Manifest", job.Manifest))
	if err := out.table(rows); err != nil || job.Published != "" {
		return err
	}
	_, err := fmt.Fprintf(out, "\nOnly parts that the manifest lists count. nightshift results %s -o FILE writes one file.\n", job.ID)
	return err
}

// results writes the results into one file.
func (o *outputReader) results(ctx context.Context, name string, standard, errs io.Writer) error {
	layout := o.job.OutputFormat
	if name == "-" && layout == orchestrator.FormatParquet && terminal(standard) {
		return fmt.Errorf("the results are Parquet, which a terminal cannot show; name a file with -o")
	}
	parts := o.parts()
	if layout == orchestrator.FormatParquet { // its parts are read in no order, so their checksums are looked at before
		if err := o.checkAll(ctx, parts); err != nil {
			return fmt.Errorf("fetch the results of job %s: %w", o.job.ID, err)
		}
	}
	target, err := o.target(name, "."+string(layout), standard)
	if err != nil {
		return err
	}
	target.lines, target.wanted = layout == orchestrator.FormatJSONL, o.manifest.Totals.Counts.RowsDone
	written, err := format.Concat(ctx, o, parts, layout, target)
	if err != nil {
		return fmt.Errorf("fetch the results of job %s: %w", o.job.ID, err)
	}
	if target.path != "" {
		fmt.Fprintf(errs, "%s: %s, %s\n", target.path, plural(written.Rows, "row"), bytesText(written.Bytes))
	}
	return nil
}

// errors copies the error file.
func (o *outputReader) errors(ctx context.Context, name string, standard, errs io.Writer) error {
	file := o.manifest.Totals.Errors
	if file == nil {
		fmt.Fprintf(errs, "no row of job %s has failed\n", o.job.ID)
		return nil
	}
	if name == "" {
		name = "-"
	}
	target, err := o.target(name, ".errors.jsonl", standard)
	if err != nil {
		return err
	}
	target.lines, target.wanted = true, file.Rows
	written, err := format.Concat(ctx, o, []orchestrator.ObjectRef{*file}, orchestrator.FormatJSONL, target)
	if err != nil {
		return fmt.Errorf("fetch the errors of job %s: %w", o.job.ID, err)
	}
	if target.path != "" {
		fmt.Fprintf(errs, "%s: %s\n", target.path, plural(written.Rows, "row"))
	}
	return nil
}

// target says what -o means: standard output, a folder, or a file.
func (o *outputReader) target(name, extension string, standard io.Writer) (*target, error) {
	if name == "-" {
		return &target{out: standard}, nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		name = filepath.Join(name, o.job.ID+extension)
	}
	return createTarget(name)
}
