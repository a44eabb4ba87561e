package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/simulate"
)

// deadlineSpot is one run of bench deadline-spot.
type deadlineSpot struct {
	traces, series string
	history        string
	past           bool
	windows        int
	task           float64   // hours
	deadlines      []float64 // hours
	restarts       []float64 // hours
	prices         []float64 // on-demand, spot
	say            func(format string, values ...any)
}

// deadlineReport is what it prints.
type deadlineReport struct {
	Task      float64   `json:"task_hours"`
	Deadlines []float64 `json:"deadline_hours"`
	Restarts  []float64 `json:"restart_hours"`
	OnDemand  float64   `json:"on_demand_per_hour"`
	Spot      float64   `json:"spot_per_hour"`
	Series    []string  `json:"series"`
	Windows   int       `json:"windows_per_series"`
	History   string    `json:"history"`
	Past      bool      `json:"past"` // the planner has watched the series before the job began
	// Documents are what the planner was configured by, for each length of a start.
	Documents []string `json:"documents"`
	// Published are the policies as their own runner takes them, which does not look whether they are late: what others have reported.
	Published []simulate.Row `json:"published"`
	Rows      []simulate.Row `json:"rows"`
}

func (p *program) benchDeadlineCommand() *cobra.Command {
	run := deadlineSpot{}
	var format *printFormat
	command := &cobra.Command{
		Use:   "deadline-spot",
		Short: "Compare policies for one worker on spot and on-demand capacity under a deadline",
		Long: `Deadline-spot takes one job through recorded traces of spot availability, once for each policy, and compares what that costs with the least that was
possible. Every policy is corrected so that it is never late where that can be avoided; the published runs, which were not, stand beside them.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			run.say = sayTo(command.ErrOrStderr())
			return p.runBench(command, format, run.check(), func() (benchReport, error) { return run.run(command.Context()) })
		},
	}
	flags := command.Flags()
	flags.StringVar(&run.traces, "traces", "", "folder or tar.gz of windows, a folder for each series")
	flags.StringVar(&run.series, "series", ".", "regular expression that the path of a window has to match")
	flags.StringVar(&run.history, "history", "", "the same, for what the planner believes of spot capacity beforehand (default: --traces); the series that is judged is left out")
	flags.BoolVar(&run.past, "past", true, "the planner has watched the series before the job began, as far as earlier windows tell (metadata.start_time)")
	flags.IntVar(&run.windows, "windows", 0, "windows of each series, evenly spread; 0: all")
	flags.Float64Var(&run.task, "task", 48, "hours of work")
	flags.Float64SliceVar(&run.deadlines, "deadline", []float64{52, 70}, "hours until the deadline")
	flags.Float64SliceVar(&run.restarts, "restart", []float64{.02, .05, .1}, "hours that a start takes")
	flags.Float64SliceVar(&run.prices, "prices", []float64{3.06, .9731}, "price of an hour on demand, and on spot capacity")
	_ = command.MarkFlagRequired("traces") // the flag is there
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// check says what is wrong with the flags.
func (d *deadlineSpot) check() string {
	if _, err := regexp.Compile(d.series); err != nil {
		return fmt.Sprintf("--series: %v", err)
	}
	if len(d.prices) != 2 || !(d.prices[0] > 0) || !(d.prices[1] > 0) {
		return fmt.Sprintf("--prices: %v; allowed: two prices above 0, on demand and spot, as in 3.06,0.9731", d.prices)
	}
	if !(d.task > 0) || d.task > 10_000 {
		return fmt.Sprintf("--task: %g; allowed: hours above 0, at most 10000", d.task)
	}
	if d.windows < 0 {
		return fmt.Sprintf("--windows: %d; allowed: 0 or more", d.windows)
	}
	for _, restart := range d.restarts {
		if !(restart >= 0) || restart > d.task {
			return fmt.Sprintf("--restart: %g; allowed: hours from 0 to --task", restart)
		}
		for _, deadline := range d.deadlines {
			if !(deadline >= d.task+restart) || deadline > 100_000 {
				return fmt.Sprintf("--deadline: %g; allowed: hours, at least --task and a start (%g)", deadline, d.task+restart)
			}
		}
	}
	return ""
}

func (d *deadlineSpot) run(ctx context.Context) (*deadlineReport, error) {
	history, err := readTraces(d.traces)
	if err != nil {
		return nil, err
	}
	judged := matching(history, regexp.MustCompile(d.series))
	if len(judged) == 0 {
		return nil, fmt.Errorf("read traces from %s: no window has a path that matches %q", d.traces, d.series)
	}
	report := &deadlineReport{Task: d.task, Deadlines: d.deadlines, Restarts: d.restarts, OnDemand: d.prices[0], Spot: d.prices[1], Windows: d.windows, History: d.traces, Past: d.past}
	if d.history != "" {
		if history, err = readTraces(d.history); err != nil {
			return nil, err
		}
		report.History = d.history
	}
	for _, series := range judged {
		report.Series = append(report.Series, series.name)
	}
	trials, cells, err := d.trials(report, judged, history)
	if err != nil {
		return nil, err
	}
	// The published runs are entrants of the same contest, and are told apart afterwards.
	entrants, published := []entrant{planned}, []entrant{}
	for _, peer := range simulate.Peers() {
		entrants = append(entrants, entrant{peer.Name, func(*trial) (simulate.Policy, error) { return simulate.Safe(peer.Policy), nil }})
		published = append(published, entrant{peer.Name, func(*trial) (simulate.Policy, error) { return simulate.Published(peer.Policy), nil }})
	}
	all := contest{append(slices.Clone(entrants), published...), simulate.Optimum, d.say}
	if err := all.run(ctx, trials); err != nil {
		return nil, err
	}
	safe := len(entrants)
	for row := range slices.Chunk(all.rows(trials, append(cells, allCells)), 1+len(all.entrants)) {
		report.Rows = append(report.Rows, row[:1+safe]...)
		if row[0].Cell == allCells {
			report.Published = row[1+safe:]
		}
	}
	return report, nil
}

// trials are all cases, cell by cell, and in each series by series.
func (d *deadlineSpot) trials(report *deadlineReport, judged, history []traceSeries) (trials []*trial, cells []string, err error) {
	beliefs, err := priors(judged, history)
	if err != nil {
		return nil, nil, err
	}
	installations := map[float64]simulate.Installation{}
	tables := &simulate.Tables{}
	for _, restart := range d.restarts {
		installation, text, err := worldInstallation(ofHours(restart), d.prices[0], d.prices[1], 1)
		if err != nil {
			return nil, nil, err
		}
		installation.Tables = tables
		installations[restart] = installation
		report.Documents = append(report.Documents, text)
	}
	for _, deadline := range d.deadlines {
		for _, restart := range d.restarts {
			cell := strconv.FormatFloat(deadline, 'g', -1, 64) + "/" + strconv.FormatFloat(restart, 'g', -1, 64)
			cells = append(cells, cell)
			for _, series := range judged {
				installation := installations[restart]
				installation.Policy.Prior = beliefs[series.name]
				whole := series.whole()
				for _, window := range series.spread(d.windows) {
					if d.past {
						installation.Past = window.past(whole)
					}
					trials = append(trials, &trial{cells: []string{cell, allCells}, series: series.name, world: d.world(window, deadline, restart), installation: installation})
				}
			}
		}
	}
	return trials, cells, nil
}

func (d *deadlineSpot) world(from window, deadline, restart float64) *simulate.World {
	return &simulate.World{
		Gap: from.gap, Deadline: int(ofHours(deadline) / from.gap), Width: 1, Work: ofHours(d.task), Start: ofHours(restart),
		OnDemand: d.prices[0], Spot: d.prices[1], Available: from.available,
	}
}

func ofHours(hours float64) time.Duration {
	return time.Duration(hours * float64(time.Hour)).Round(time.Second)
}

// allCells is the cell of the sums over all.
const allCells = "all"

func (r *deadlineReport) print(out screen) error {
	fmt.Fprintf(out, "%g h of work, %d series, on demand %g and spot %g an hour\n", r.Task, len(r.Series), r.OnDemand, r.Spot)
	watched := ""
	if r.Past {
		watched = ", has watched that one before each job as far as earlier windows tell,"
	}
	fmt.Fprintf(out, "nightshift believes beforehand what %s say without the series that is judged%s and is configured by these documents (in other cells only startTime differs):\n\n%s\n", r.History, watched, r.Documents[0])
	if err := printRows(out, r.Rows); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nas published, by a runner that does not look at lateness:\n\n")
	return printRows(out, r.Published)
}
