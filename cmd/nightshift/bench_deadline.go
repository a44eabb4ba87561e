package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/simulate"
)

// deadlineSpot is one run of bench deadline-spot.
type deadlineSpot struct {
	traces, series string
	history        string
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
			if problem := run.check(); problem != "" {
				return usage(command, "%s", problem)
			}
			run.say = sayTo(command.ErrOrStderr())
			report, err := run.run(command.Context())
			if err != nil {
				return err
			}
			if format.machine() {
				return format.print(command.OutOrStdout(), report)
			}
			return report.print(p.screen(command.OutOrStdout()))
		},
	}
	flags := command.Flags()
	flags.StringVar(&run.traces, "traces", "", "folder or tar.gz of windows, a folder for each series")
	flags.StringVar(&run.series, "series", ".", "regular expression that the path of a window has to match")
	flags.StringVar(&run.history, "history", "", "the same, for what the planner believes of spot capacity beforehand (default: --traces); the series that is judged is left out")
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

// trial is one world that every policy goes through.
type trial struct {
	cell, series string
	world        *simulate.World
	installation simulate.Installation
	optimum      float64
	planned      simulate.Result
	safe         []simulate.Result // by peer
	published    []simulate.Result // likewise
}

func (d *deadlineSpot) run(ctx context.Context) (*deadlineReport, error) {
	all, err := readTraces(d.traces)
	if err != nil {
		return nil, err
	}
	judged := matching(all, regexp.MustCompile(d.series))
	if len(judged) == 0 {
		return nil, fmt.Errorf("read traces from %s: no window has a path that matches %q", d.traces, d.series)
	}
	report := &deadlineReport{Task: d.task, Deadlines: d.deadlines, Restarts: d.restarts, OnDemand: d.prices[0], Spot: d.prices[1], Windows: d.windows, History: d.traces}
	if d.history != "" {
		if all, err = readTraces(d.history); err != nil {
			return nil, err
		}
		report.History = d.history
	}
	for _, series := range judged {
		report.Series = append(report.Series, series.name)
	}
	trials, cells, err := d.trials(report, judged, all)
	if err != nil {
		return nil, err
	}
	d.say("%s, %d peers", plural(int64(len(trials)), "case"), len(simulate.Peers()))
	if err := d.tryAll(ctx, trials); err != nil {
		return nil, err
	}
	report.sum(trials, append(cells, allCells))
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
				for _, window := range series.spread(d.windows) {
					trials = append(trials, &trial{cell: cell, series: series.name, world: d.world(window, deadline, restart), installation: installation})
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

// tryAll goes through the trials on all cores, and says now and then how far it is.
func (d *deadlineSpot) tryAll(ctx context.Context, trials []*trial) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for ctx.Err() == nil {
				at := int(next.Add(1)) - 1
				if at >= len(trials) {
					return
				}
				if err := trials[at].try(); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			if err := failed.Load(); err != nil {
				return *err
			}
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return nil
		case <-ticker.C:
			d.say("%d of %s", min(int(next.Load()), len(trials)), plural(int64(len(trials)), "case"))
		}
	}
}

func (t *trial) try() error {
	decide, err := t.installation.Planned(t.world)
	if err != nil {
		return err
	}
	t.planned = simulate.Run(t.world, decide)
	t.optimum = simulate.Optimum(t.world)
	for _, peer := range simulate.Peers() {
		t.safe = append(t.safe, simulate.Run(t.world, simulate.Safe(peer.Policy)))
		t.published = append(t.published, simulate.Run(t.world, simulate.Published(peer.Policy)))
	}
	return nil
}

// allCells is the cell of the sums over all.
const allCells = "all"

// sum makes the rows of each cell.
func (r *deadlineReport) sum(trials []*trial, cells []string) {
	for _, cell := range cells {
		r.Rows = append(r.Rows, simulate.NewRow(cell, "optimum", outcomes(trials, cell, func(t *trial) simulate.Result { return simulate.Result{Cost: t.optimum} })))
		r.Rows = append(r.Rows, simulate.NewRow(cell, ours, outcomes(trials, cell, func(t *trial) simulate.Result { return t.planned })))
		for i, peer := range simulate.Peers() {
			r.Rows = append(r.Rows, simulate.NewRow(cell, peer.Name, outcomes(trials, cell, func(t *trial) simulate.Result { return t.safe[i] })))
			if cell == allCells {
				r.Published = append(r.Published, simulate.NewRow(cell, peer.Name, outcomes(trials, cell, func(t *trial) simulate.Result { return t.published[i] })))
			}
		}
	}
}

func outcomes(trials []*trial, cell string, result func(*trial) simulate.Result) (list []simulate.Outcome) {
	for _, one := range trials {
		if cell == allCells || cell == one.cell {
			got := result(one)
			list = append(list, simulate.Outcome{Series: one.series, Cost: got.Cost, Optimum: one.optimum, Late: got.Late})
		}
	}
	return list
}

func (r *deadlineReport) print(out screen) error {
	fmt.Fprintf(out, "%g h of work, %d series, on demand %g and spot %g an hour\n", r.Task, len(r.Series), r.OnDemand, r.Spot)
	fmt.Fprintf(out, "nightshift believes beforehand what %s say without the series that is judged, and is configured by these documents (in other cells only startTime differs):\n\n%s\n", r.History, r.Documents[0])
	if err := printRows(out, r.Rows); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nas published, by a runner that does not look at lateness:\n\n")
	return printRows(out, r.Published)
}

func printRows(out screen, rows []simulate.Row) error {
	list := [][]cell{cells("CELL", "POLICY", "CASES", "COST", "RATIO", "95 % BY SERIES", "MEAN RATIO", "P95", "WORST", "LATE")}
	for _, row := range rows {
		list = append(list, cells(row.Cell, row.Policy, strconv.Itoa(row.Cases), fmt.Sprintf("%.4f", row.Cost), fmt.Sprintf("%.4f", row.Ratio),
			fmt.Sprintf("%.4f..%.4f", row.Low, row.High), fmt.Sprintf("%.4f", row.MeanRatio), fmt.Sprintf("%.4f", row.P95),
			fmt.Sprintf("%.4f", row.Worst), strconv.Itoa(row.Late)))
	}
	return out.table(list)
}
