package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nuid"
	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/schedules"
)

// listRuns shows the schedules of the service, with their runs.
func (p *program) listRuns(command *cobra.Command, format *printFormat, names []string) error {
	client, err := p.client()
	if err != nil {
		return err
	}
	defer client.close()
	var query api.SchedulesRequest
	if len(names) == 1 {
		query.Name = names[0]
	}
	answer, err := askSchedules[api.SchedulesResponse](command.Context(), client, "list", query)
	if err != nil {
		return err
	}
	out := p.screen(command.OutOrStdout())
	if format.machine() {
		return format.print(out, answer)
	}
	if len(answer.Schedules) == 0 {
		_, err := fmt.Fprintln(command.ErrOrStderr(), "no queue of this tenant has a schedule; docs/schedules.md says how one does")
		return err
	}
	if err := out.table(p.scheduleRows(answer.Schedules, format.name == formatWide)); err != nil {
		return err
	}
	problems(command.ErrOrStderr(), answer.Schedules)
	if query.Name == "" || len(answer.Schedules[0].Decisions) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	return out.table(p.decisionRows(answer.Schedules[0]))
}

// askSchedules makes a request whose field name is the NAME of a command line.
func askSchedules[T any](ctx context.Context, client *client, operation string, body any) (T, error) {
	answer, err := request[T](ctx, client, "schedules."+operation, body)
	var refused *api.Error
	if errors.As(err, &refused) && refused.Field == "name" && len(refused.Problems) == 0 {
		return answer, errors.New(refused.Message)
	}
	return answer, err
}

func (p *program) scheduleRows(list []api.Schedule, wide bool) [][]cell {
	rows := [][]cell{cells("SCHEDULE", "QUEUE", "ROWS", "NEXT RUN", "UTC", "IN", "WORKERS", "COST", "LAST RUN", "JOB", "STATE")}
	if wide {
		rows[0] = append(rows[0], cells("CRON", "TIME ZONE", "OPEN", "WAITING", "WHY")...)
	}
	for _, one := range list {
		row := cells(one.Name, one.Queue, rowsExpected(one), "-", "", "", "", "")
		switch {
		case !one.PausedAt.IsZero():
			row[3].text = "paused since " + clock(one.PausedAt, p.now())
		case one.Suspended:
			row[3].text = "suspended"
		case one.Next != nil:
			row = append(row[:3], cells(runShown(one, *one.Next), one.Next.At.UTC().Format("2006-01-02 15:04"), span(one.Next.At.Sub(p.now())))...)
			row = append(row, prewarmed(one.Next)...)
		}
		row = append(row, lastRun(one)...)
		if wide {
			why := "-"
			if len(one.Decisions) > 0 {
				why = one.Decisions[0].Sentence
			}
			row = append(row, cells(one.Cron, one.TimeZone, number(int64(len(one.Open))), number(int64(len(one.Waiting))), why)...)
		}
		rows = append(rows, row)
	}
	return rows
}

// prewarmed are the workers that the run will ask for, when, and what it will cost.
func prewarmed(next *api.ScheduledRun) []cell {
	if next.Prewarm == nil {
		return cells("-", "-")
	}
	text := fmt.Sprintf("%d from %s", next.Prewarm.Workers, next.Prewarm.From.UTC().Format("15:04:05"))
	if next.Prewarm.Short > 0 {
		text += fmt.Sprintf(", %d too few", next.Prewarm.Short)
	}
	return cells(text, next.Prewarm.Cost.String())
}

// lastRun are its time, its job and its state.
func lastRun(one api.Schedule) []cell {
	var last api.ScheduledRun
	switch {
	case len(one.Open) > 0:
		last = one.Open[len(one.Open)-1]
	case len(one.Ended) > 0:
		last = one.Ended[0]
	case !one.Submits:
		return cells("submits nothing", "-", "-")
	default:
		return cells("never", "-", "-")
	}
	row := cells(runShown(one, last), dash(last.Job), cmp.Or(words(last.State), "not submitted yet"))
	if row[2].in = stateColour(last.State); last.State == "" {
		row[2].in = red
	}
	return row
}

// rowsExpected is how many rows are expected of the next run.
func rowsExpected(one api.Schedule) string {
	if one.Rows < 0 {
		return "unknown"
	}
	return fmt.Sprintf("%s (up to %s)", number(one.Rows), number(one.RowsHigh))
}

// runShown is a run as clocks in its zone show it.
func runShown(of api.Schedule, one api.ScheduledRun) string {
	zone, err := time.LoadLocation(of.TimeZone)
	if err != nil { // the service knows it
		zone = time.UTC
	}
	wall, err := time.Parse("2006-01-02T15:04", one.Wall)
	if err != nil {
		wall = one.At
	}
	return shownIn(zone, schedules.Occurrence{Wall: wall, At: one.At})
}

// problems says what could not be submitted yet.
func problems(errs io.Writer, list []api.Schedule) {
	for _, one := range list {
		for _, open := range one.Open {
			if open.Problem != "" {
				fmt.Fprintf(errs, "%s is tried again: %s\n", open.ID, open.Problem)
			}
		}
	}
}

func (p *program) decisionRows(of api.Schedule) [][]cell {
	rows := [][]cell{cells("DECIDED", "ACTION", "RUN", "WHY")}
	for _, one := range of.Decisions {
		run := strings.TrimPrefix(one.ID, of.Name+"/")
		if one.Count > 1 {
			run += fmt.Sprintf(" and %s before", number(int64(one.Count-1)))
		}
		rows = append(rows, cells(clock(one.At, p.now()), one.Action, run, one.Sentence))
	}
	return rows
}

func (p *program) triggerCommand() *cobra.Command {
	var at, key string
	var format *printFormat
	command := &cobra.Command{
		Use: "trigger NAME", Short: "Run a schedule now, beside its timetable", Args: arguments(1, 1, "NAME"),
		Long: `Trigger submits the job of a schedule now, whether the schedule is suspended, paused or has an open run. The timetable goes on as if nothing had happened. Templates see the time of --at;
without it, the present.`,
		Example: "  nightshift schedules trigger nightly-file\n  nightshift schedules trigger nightly-file --at 2026-11-19T02:00:00+01:00 --key again-1",
		RunE: func(command *cobra.Command, args []string) error {
			query := api.TriggerRequest{Name: args[0], IdempotencyKey: cmp.Or(key, "trigger-"+nuid.Next())}
			if at != "" {
				seen, _, err := parseTime(at, p.now())
				if err != nil {
					return usage(command, "--at: %v", err)
				}
				query.At = seen
			}
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			answer, err := askSchedules[api.TriggerResponse](command.Context(), client, "trigger", query)
			if unavailable(err) { // harmless: it has a key
				answer, err = askSchedules[api.TriggerResponse](command.Context(), client, "trigger", query)
				answer.Repeated = false
			}
			if err != nil {
				return err
			}
			if format.machine() {
				return p.printJob(command.OutOrStdout(), format, answer.Job)
			}
			what := "submitted"
			if answer.Repeated {
				what = fmt.Sprintf("was submitted before under this key; it is %s", words(answer.Job.State))
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "job %s %s\n", answer.Job.ID, what)
			return err
		},
	}
	command.Flags().StringVar(&at, "at", "", "the time that templates see (default: now)")
	command.Flags().StringVar(&key, "key", "", "idempotency key: the same key gets the same run")
	format = formatOption(command, formatFlag, formatName, formatJSON, formatYAML)
	return command
}

func (p *program) pauseCommand() *cobra.Command {
	return p.pausing("pause", "Skip what is due, until the schedule is resumed; open runs go on",
		"Pause is kept by the service and outlasts restarts; the document stays as it is. Runs that are due meanwhile are skipped, and do not happen after a resume: backfill makes up for them.",
		func(ctx context.Context, client *client, name string) (api.Schedule, error) {
			answer, err := askSchedules[api.PauseResponse](ctx, client, "pause", api.PauseRequest{Name: name})
			return answer.Schedule, err
		})
}

func (p *program) resumeCommand() *cobra.Command {
	return p.pausing("resume", "Let a paused schedule go on", "Resume ends a pause. What the document suspends stays so.",
		func(ctx context.Context, client *client, name string) (api.Schedule, error) {
			answer, err := askSchedules[api.ResumeResponse](ctx, client, "resume", api.ResumeRequest{Name: name})
			return answer.Schedule, err
		})
}

func (p *program) pausing(verb, short, long string, ask func(context.Context, *client, string) (api.Schedule, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Long: long, Args: arguments(1, 1, "NAME"),
		RunE: func(command *cobra.Command, args []string) error {
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			schedule, err := ask(command.Context(), client, args[0])
			if err != nil {
				return err
			}
			text := "has no next run"
			switch {
			case !schedule.PausedAt.IsZero():
				text = "is paused since " + clock(schedule.PausedAt, p.now())
			case schedule.Suspended:
				text = "is not paused, and suspended by its document (spec.suspend)"
			case schedule.Next != nil:
				text = "runs next on " + runShown(schedule, *schedule.Next)
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "schedule %s %s\n", schedule.Name, text)
			return err
		},
	}
}

func (p *program) backfillCommand() *cobra.Command {
	var from, to string
	var dry bool
	var format *printFormat
	command := &cobra.Command{
		Use: "backfill NAME", Short: "Let runs of the past happen that did not", Args: arguments(1, 1, "NAME"),
		Long: `Backfill asks for the runs of a schedule between two times, both included. A run that happened, is open or waits already is skipped; each other one happens once, however often it is asked for.
They begin one after another when no run is open, or together with overlap: Allow, and wait while the schedule is suspended or paused. At most 366 may wait.`,
		Example: "  nightshift schedules backfill nightly-file --from 2026-11-01 --to 2026-11-19 --dry-run",
		RunE: func(command *cobra.Command, args []string) error {
			query := api.BackfillRequest{Name: args[0], DryRun: dry}
			var err error
			if query.From, query.To, err = parseSpan(from, to, p.now()); err != nil {
				return usage(command, "%v", err)
			}
			client, err := p.client()
			if err != nil {
				return err
			}
			defer client.close()
			answer, err := askSchedules[api.BackfillResponse](command.Context(), client, "backfill", query)
			if err != nil {
				return err
			}
			return p.showBackfill(p.screen(command.OutOrStdout()), command.ErrOrStderr(), format, query, answer)
		},
	}
	command.Flags().StringVar(&from, "from", "", `the first run, a time or a day like 2026-11-01; without a zone it is local`)
	command.Flags().StringVar(&to, "to", "", "the last run, likewise; a day counts to its end")
	command.Flags().BoolVar(&dry, "dry-run", false, "say what would happen, and change nothing")
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

func (p *program) showBackfill(out screen, errs io.Writer, format *printFormat, query api.BackfillRequest, answer api.BackfillResponse) error {
	if format.machine() {
		return format.print(out, answer)
	}
	if len(answer.Runs) == 0 {
		_, err := fmt.Fprintf(errs, "schedule %s has no runs from %s to %s\n", query.Name, query.From.UTC().Format(time.RFC3339), query.To.UTC().Format(time.RFC3339))
		return err
	}
	rows, begun := [][]cell{cells("RUN", "UTC", "ACTION", "JOB", "WHY")}, 0
	for _, one := range answer.Runs {
		if one.Action == string(schedules.Submit) {
			begun++
		}
		rows = append(rows, cells(strings.TrimPrefix(one.ID, query.Name+"/"), one.At.UTC().Format("2006-01-02 15:04"), one.Action, dash(one.Job), one.Sentence))
	}
	if err := out.table(rows); err != nil {
		return err
	}
	verb := "will be submitted"
	if query.DryRun {
		verb = "would be submitted"
	}
	fmt.Fprintf(errs, "%s %s, %d skipped\n", plural(begun, "run"), verb, len(answer.Runs)-begun)
	if answer.Suspended && begun > 0 {
		fmt.Fprintf(errs, "they wait: the schedule is suspended or paused (nightshift schedules list %s)\n", query.Name)
	}
	return nil
}

const timeForm = `a time like 2026-11-21T06:00:00Z or "2026-11-21 06:00", or a day like 2026-11-21; without a zone they are local`

// parseTime reads a time, which may be past, or a day.
func parseTime(text string, now time.Time) (at time.Time, day bool, err error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, false, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, layout == time.DateOnly, nil
		}
	}
	return at, false, fmt.Errorf("%q; allowed: %s", text, timeForm)
}

// parseSpan reads --from and --to. A day as the last counts to its end, or until now.
func parseSpan(first, last string, now time.Time) (from, to time.Time, err error) {
	from, _, errFrom := parseTime(first, now)
	to, day, errTo := parseTime(last, now)
	if errFrom != nil {
		errFrom = fmt.Errorf("--from: %w", errFrom)
	}
	if errTo != nil {
		errTo = fmt.Errorf("--to: %w", errTo)
	}
	if end := to.AddDate(0, 0, 1).Add(-time.Second); day {
		if to = end; !to.Before(now) && !end.AddDate(0, 0, -1).After(now) {
			to = now
		}
	}
	return from, to, errors.Join(errFrom, errTo)
}
