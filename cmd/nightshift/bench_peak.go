package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

// peakBench is one run of bench peak.
type peakBench struct {
	nights int
	work   time.Duration
	within []time.Duration
	seed   uint64
	say    func(format string, values ...any)
}

// peakReport is what it prints.
type peakReport struct {
	Nights    int       `json:"nights"`
	Learning  int       `json:"learning_nights"` // before, that are not judged
	Work      float64   `json:"work_hours"`      // expected of a peak
	Seed      uint64    `json:"seed"`
	Documents []string  `json:"documents"` // what the planner was configured by, for each objective
	Rows      []peakRow `json:"rows"`
}

// peakRow is what one policy made of the nights of one case.
type peakRow struct {
	Within string  `json:"within"`
	Case   string  `json:"case"`
	Policy string  `json:"policy"`
	First  float64 `json:"first_score_p50_seconds"` // from the first arrival of a peak; 0 where nothing came
	Slow   float64 `json:"first_score_p95_seconds"`
	Oldest float64 `json:"worst_age_seconds"`
	Late   float64 `json:"late"`   // share of the work
	Served float64 `json:"served"` // hours of workers
	Billed float64 `json:"billed"`
	Ratio  float64 `json:"ratio"` // billed over served; 0 where nothing was served
}

const (
	peakNight    = 2 * time.Hour // around each peak; what is between them costs nothing
	peakLength   = time.Minute   // in which it comes
	peakSpread   = .2            // of its size
	peakLearning = 5             // nights
	cronBefore   = 10 * time.Minute
	cronAfter    = 30 * time.Minute
)

func (p *program) benchPeakCommand() *cobra.Command {
	run := peakBench{}
	var format *printFormat
	command := &cobra.Command{
		Use:   "peak",
		Short: "Compare what a known nightly burst waits for, with and without pre-warming",
		Long: `Peak takes a burst of work that is known to come at one time each night through a pool whose workers take minutes to start, once for each policy, and compares how long the
burst waits for its first score, and what is billed. The burst comes on time, early, late, twice as large, or not at all. Peers are KEDA with a trigger on the backlog, and the same
with a cron trigger that holds a fixed number of workers from ten minutes before to half an hour after the known time.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			run.say = sayTo(command.ErrOrStderr())
			return p.runBench(command, format, run.check(), func() (benchReport, error) { return run.run(command.Context()) })
		},
	}
	flags := command.Flags()
	flags.IntVar(&run.nights, "nights", 20, "nights that are judged")
	flags.DurationVar(&run.work, "work", time.Hour, "work of a burst, of one worker")
	flags.DurationSliceVar(&run.within, "objective", []time.Duration{5 * time.Minute, 15 * time.Minute}, "from its arrival until work is due")
	flags.Uint64Var(&run.seed, "seed", 1, "seed of starts and sizes")
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// check says what is wrong with the flags.
func (b *peakBench) check() string {
	switch {
	case b.nights < 1 || b.nights > 10_000:
		return fmt.Sprintf("--nights: %d; allowed: 1 to 10000", b.nights)
	case b.work < time.Minute || b.work > 24*time.Hour:
		return fmt.Sprintf("--work: %s; allowed: 1m to 24h", b.work)
	}
	for _, within := range b.within {
		if within < time.Minute || within > time.Hour {
			return fmt.Sprintf("--objective: %s; allowed: 1m to 1h", within)
		}
	}
	return ""
}

func (b *peakBench) run(ctx context.Context) (*peakReport, error) {
	report := &peakReport{Nights: b.nights, Learning: peakLearning, Work: b.work.Hours(), Seed: b.seed}
	type course struct {
		rows []peakRow
		play func() error
	}
	var courses []*course
	var tasks []func() error
	for _, within := range b.within {
		installation, documents, err := b.installation(within)
		if err != nil {
			return nil, err
		}
		report.Documents = append(report.Documents, documents)
		for _, one := range simulate.PeakCases() {
			c := &course{}
			c.play = func() (err error) { c.rows, err = b.rows(installation, within, one); return err }
			courses, tasks = append(courses, c), append(tasks, c.play)
		}
	}
	b.say("%s, each of %d nights", plural(int64(len(tasks)), "case"), b.nights+peakLearning)
	if err := together(ctx, tasks); err != nil {
		return nil, err
	}
	for _, c := range courses {
		report.Rows = append(report.Rows, c.rows...)
	}
	return report, nil
}

// installation is what the planner is told in documents, and their text.
func (b *peakBench) installation(within time.Duration) (simulate.Installation, string, error) {
	text := fmt.Sprintf(flowDocuments, 462*time.Second, 45400*time.Millisecond, fmt.Sprintf("{finishWithin: %s}", within), mostReplayed, "")
	set, err := document.Decode(document.File{Name: "simulated", Data: []byte(text)})
	if err != nil {
		return simulate.Installation{}, text, err
	}
	return simulate.Installation{Policy: set.Policy(), Speeds: set.Speeds()}, text, nil
}

// rows are all policies on the nights of a case.
func (b *peakBench) rows(installation simulate.Installation, within time.Duration, of simulate.PeakCase) ([]peakRow, error) {
	nights := simulate.PeakNights{
		Count: b.nights + peakLearning, Night: peakNight, Tick: replayTick, Length: peakLength, Work: b.work.Seconds(), Spread: peakSpread, Case: of, Seed: b.seed,
	}
	flow, begins := nights.Flow(simulate.Flow{Limit: within, Most: mostReplayed, Starts: simulate.DrawStarts(5000, 120, 480, 22.7, 45.4, b.seed)})
	warm, err := installation.PlannedFlowWithPeaks(&flow, nights.Peaks(installation.Policy.Queues[0], installation.Speeds[0]))
	if err != nil {
		return nil, err
	}
	cold, err := installation.PlannedFlow(&flow)
	if err != nil {
		return nil, err
	}
	keda := simulate.FlowPeers()[0]
	setting := simulate.FlowSetting{Lag: .7 * within.Seconds(), Wait: keda.Default.Wait}
	enough := int(math.Ceil(b.work.Seconds() / (within + peakLength).Seconds()))
	var rows []peakRow
	for _, one := range []struct {
		name   string
		policy simulate.FlowPolicy
	}{
		{ours, warm}, {ours + " without peaks", cold}, {"keda-cron", nights.CronScaler(enough, cronBefore, cronAfter, keda.New(setting))}, {"keda", keda.New(setting)},
	} {
		row := b.row(flow, begins, one.policy)
		row.Within, row.Case, row.Policy = within.String(), of.Name, one.name
		rows = append(rows, row)
	}
	return rows, nil
}

// row is one policy on the nights that are judged.
func (b *peakBench) row(flow simulate.Flow, begins []int, policy simulate.FlowPolicy) peakRow {
	judged := peakLearning * int(peakNight/replayTick)
	var first []float64
	flow.FirstScored = func(tick int, after float64) {
		if _, is := slices.BinarySearch(begins, tick); is && tick >= judged {
			first = append(first, after)
		}
	}
	result := simulate.RunFlow(&flow, judged, len(flow.Arrivals), policy)
	row := peakRow{Oldest: result.WorstAge, Served: result.Served / hour, Billed: result.Billed / hour}
	if len(first) > 0 {
		slices.Sort(first)
		row.First, row.Slow = first[(len(first)-1)/2], first[int(math.Ceil(.95*float64(len(first))))-1]
	}
	if result.Served > 0 {
		row.Late, row.Ratio = result.LateShare(), result.Billed/result.Served
	}
	return row
}

func (r *peakReport) print(out screen) error {
	fmt.Fprintf(out, "%d nights, %d before to learn starts; a burst of %.3g h of work in %s, its size lognormal with %g; starts of 120..480 s and loads of 22.7 s (45.4 s at the 0.95 quantile), seed %d.\n",
		r.Nights, r.Learning, r.Work, peakLength, peakSpread, r.Seed)
	fmt.Fprintf(out, "nightshift is configured by these documents (in other cells only finishWithin differs), and knows the time of each peak, its expected rows and by how much they may be more:\n\n%s\n", r.Documents[0])
	list := [][]cell{cells("WITHIN", "CASE", "POLICY", "FIRST P50", "FIRST P95", "OLDEST", "LATE", "SERVED", "BILLED", "RATIO")}
	for _, row := range r.Rows {
		list = append(list, cells(row.Within, row.Case, row.Policy, fmt.Sprintf("%.0f s", row.First), fmt.Sprintf("%.0f s", row.Slow), fmt.Sprintf("%.0f s", row.Oldest), fmt.Sprintf("%.4f", row.Late),
			fmt.Sprintf("%.1f h", row.Served), fmt.Sprintf("%.1f h", row.Billed), strconv.FormatFloat(row.Ratio, 'f', 2, 64)))
	}
	return out.table(list)
}
