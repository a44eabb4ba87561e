package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/document/notation"
	"nightshift.dev/nightshift/schedules"
)

// mostNext bounds how many occurrences are listed.
const mostNext = 1000

// scheduled is a schedule as -o json lists it.
type scheduled struct {
	Name      string    `json:"name"`
	Queue     string    `json:"queue"`
	Cron      string    `json:"cron"`
	TimeZone  string    `json:"timeZone"`
	Suspended bool      `json:"suspended,omitempty"`
	Rows      int       `json:"rows,omitempty"` // expected; absent: not known
	Spread    float64   `json:"spread,omitempty"`
	Next      time.Time `json:"next,omitzero"`
}

// occurrence is one as -o json lists it.
type occurrence struct {
	Schedule string    `json:"schedule"`
	ID       string    `json:"id"`
	Wall     string    `json:"wall"` // what clocks show as the expression means it
	TimeZone string    `json:"timeZone"`
	At       time.Time `json:"at"`
	Queue    string    `json:"queue"`
	Rows     int       `json:"rows,omitempty"`
	Spread   float64   `json:"spread,omitempty"`
	Due      time.Time `json:"due,omitzero"`
	of       document.Schedule
	one      schedules.Occurrence
}

const schedulesHelp = `Schedules submit jobs at known times (docs/schedules.md). A run is printed as clocks in the schedule's time zone show it and in UTC. Where clocks are set forward over a run, it is when they
are set, and what was passed over stands behind it.`

func (p *program) schedulesCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "schedules", Args: cobra.ArbitraryArgs, Short: "Show schedules and their runs, run them, pause them, make up for what was missed", Long: schedulesHelp,
		Example: "  nightshift schedules list\n  nightshift schedules next nightly-file -n 10 -f nightshift.yaml -o json\n  nightshift schedules backfill nightly-file --from 2026-11-01 --to 2026-11-19",
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 0 {
				return command.Help()
			}
			return unknownCommand(command, args[0])
		},
	}
	command.AddCommand(p.schedulesListCommand(), p.schedulesNextCommand(), p.triggerCommand(), p.pauseCommand(), p.resumeCommand(), p.backfillCommand())
	return command
}

func (p *program) schedulesListCommand() *cobra.Command {
	var files []string
	var format *printFormat
	command := &cobra.Command{
		Use: "list [NAME]", Short: "List schedules with their last and next runs", Args: arguments(0, 1, "the name of a schedule"),
		Long: `List asks the service, or with -f lists those of documents, which have no last runs. Of one schedule it also says what was decided last, and why.`,
		RunE: func(command *cobra.Command, args []string) error {
			if !command.Flags().Changed("file") {
				return p.listRuns(command, format, args)
			}
			set, err := catalog.Read(files)
			if err != nil {
				return err
			}
			if set.Schedules, err = chosenSchedules(set, args); err != nil {
				return err
			}
			return p.listSchedules(p.screen(command.OutOrStdout()), format, set)
		},
	}
	documentFlag(command, &files)
	format = formatOption(command, formatFlag, formatWide, formatJSON, formatYAML)
	return command
}

func (p *program) schedulesNextCommand() *cobra.Command {
	var files []string
	var count int
	var format *printFormat
	command := &cobra.Command{
		Use: "next [NAME]", Short: "List the next runs of all schedules or of one", Args: arguments(0, 1, "the name of a schedule"),
		RunE: func(command *cobra.Command, args []string) error {
			if count < 1 || count > mostNext {
				return usage(command, "--count: %d; allowed: 1 to %d", count, mostNext)
			}
			set, err := catalog.Read(files)
			if err != nil {
				return err
			}
			chosen, err := chosenSchedules(set, args)
			if err != nil {
				return err
			}
			return p.nextOccurrences(p.screen(command.OutOrStdout()), format, chosen, count)
		},
	}
	documentFlag(command, &files, "nightshift.yaml")
	command.Flags().IntVarP(&count, "count", "n", 5, "how many runs, 1 to 1000")
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// chosenSchedules are all, or the one that is named.
func chosenSchedules(set document.Set, names []string) ([]document.Schedule, error) {
	if len(names) == 0 {
		return set.Schedules, nil
	}
	if one, found := set.Schedule(names[0]); found {
		return []document.Schedule{one}, nil
	}
	var all []string
	for _, one := range set.Schedules {
		all = append(all, one.Name)
	}
	message := fmt.Sprintf("there is no Schedule %q", names[0])
	if meant := notation.Closest(names[0], all); meant != "" {
		return nil, fmt.Errorf("%s; did you mean %s?", message, meant)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s, nor any other", message)
	}
	return nil, fmt.Errorf("%s; allowed: %s", message, strings.Join(all[:min(len(all), 10)], ", "))
}

func (p *program) listSchedules(out screen, format *printFormat, set document.Set) error {
	list := []scheduled{}
	rows := [][]cell{cells("SCHEDULE", "QUEUE", "CRON", "TIME ZONE", "ROWS", "NEXT RUN", "UTC", "IN")}
	for _, one := range set.Schedules {
		entry := scheduled{Name: one.Name, Queue: one.Spec.Queue, Cron: one.Spec.Cron, TimeZone: one.Spec.TimeZone, Suspended: one.Spec.Suspend}
		entry.Rows, entry.Spread = expected(one)
		row := cells(one.Name, one.Spec.Queue, one.Spec.Cron, one.Spec.TimeZone, expectedRows(one), "suspended", "", "")
		if next, found := one.Timetable().Next(p.now()); found && !one.Spec.Suspend {
			entry.Next = next.At
			row = append(row[:5], cells(runText(one, next), next.At.Format("2006-01-02 15:04"), span(next.At.Sub(p.now())))...)
		}
		list, rows = append(list, entry), append(rows, row)
	}
	if format.machine() {
		return format.print(out, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no schedules")
		return err
	}
	return out.table(rows)
}

func (p *program) nextOccurrences(out screen, format *printFormat, chosen []document.Schedule, count int) error {
	list := []occurrence{}
	for _, one := range chosen {
		if one.Spec.Suspend {
			continue
		}
		rows, spread := expected(one)
		for _, next := range one.Timetable().Between(p.now(), p.now().AddDate(100, 0, 0), count) {
			wall := next.Wall.Format("2006-01-02T15:04")
			list = append(list, occurrence{one.Name, next.ID, wall, one.Spec.TimeZone, next.At, one.Spec.Queue, rows, spread, one.Due(next), one, next})
		}
	}
	slices.SortStableFunc(list, func(a, b occurrence) int { return a.At.Compare(b.At) })
	list = list[:min(len(list), count)]
	if format.machine() {
		return format.print(out, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no runs: there are no schedules, or they are suspended")
		return err
	}
	rows := [][]cell{cells("SCHEDULE", "RUN", "UTC", "IN", "ROWS", "FINISH BY")}
	for _, one := range list {
		due := "-"
		if !one.Due.IsZero() {
			due = zoned(one.of, one.Due)
		}
		rows = append(rows, cells(one.Schedule, runText(one.of, one.one), one.At.Format("2006-01-02 15:04"), span(one.At.Sub(p.now())), expectedRows(one.of), due))
	}
	return out.table(rows)
}

// expected is how much comes with an occurrence; 0: not known.
func expected(one document.Schedule) (rows int, spread float64) {
	if one.Spec.Expect == nil {
		return 0, 0
	}
	return one.Spec.Expect.Rows, one.Spec.Expect.Spread
}

func expectedRows(one document.Schedule) string {
	rows, spread := expected(one)
	if rows == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%s ± %.3g %%", number(rows), 100*spread)
}

// zoned is a time as clocks in the schedule's zone show it.
func zoned(one document.Schedule, at time.Time) string {
	return at.In(one.Timetable().Zone).Format("Mon 2006-01-02 15:04 MST")
}

// runText is an occurrence as clocks in its zone show it, and what it means where they pass over that.
func runText(one document.Schedule, next schedules.Occurrence) string {
	return shownIn(one.Timetable().Zone, next)
}

func shownIn(zone *time.Location, next schedules.Occurrence) string {
	shown := next.At.In(zone).Format("Mon 2006-01-02 15:04 MST")
	if meant := next.Wall.Format("2006-01-02 15:04"); !strings.Contains(shown, meant) {
		return shown + " (for " + meant[len("2006-01-02 "):] + ")"
	}
	return shown
}
