package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/planner"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

// elasticWidth is one run of bench elastic-width.
type elasticWidth struct {
	capacity string
	work     float64 // hours of workers
	width    int
	deadline float64   // hours
	restart  float64   // hours
	ratios   []float64 // of the price on demand to that of spot capacity
	every    int       // rounds between the beginnings of two windows
	group    string    // name=zone,...
	say      func(format string, values ...any)
}

// elasticReport is what it prints.
type elasticReport struct {
	Work      float64        `json:"work_hours"`
	Width     int            `json:"width"`
	Deadline  float64        `json:"deadline_hours"`
	Restart   float64        `json:"restart_hours"`
	Zones     []string       `json:"zones"`
	Windows   int            `json:"windows_per_zone"`
	Documents []string       `json:"documents"` // what the planner was configured by, for each ratio of prices
	Rows      []simulate.Row `json:"rows"`
}

// partialZones are those of the SkyNomad probe in which neither all nor no capacity is the rule.
const partialZones = "six=us-central1-b,us-central1-c,us-east4-a,us-east4-b,us-east5-a,europe-west1-c"

func (p *program) benchElasticCommand() *cobra.Command {
	run := elasticWidth{}
	var format *printFormat
	command := &cobra.Command{
		Use:   "elastic-width",
		Short: "Compare policies for many workers on spot and on-demand capacity under a deadline",
		Long: `Elastic-width takes one job of many workers through recorded counts of spot workers that were granted, once for each policy, zone and window, and compares
what that costs with the least that could have been enough. Every policy is corrected so that it is never late where that can be avoided. What the planner believes
beforehand of what is granted is fitted to all zones but the one that is judged; with one zone it is the default.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			run.say = sayTo(command.ErrOrStderr())
			return p.runBench(command, format, run.check(), func() (benchReport, error) { return run.run(command.Context()) })
		},
	}
	flags := command.Flags()
	flags.StringVar(&run.capacity, "capacity", "", "CSV file, possibly .gz, with the columns scheduled_at, zone and instances_created")
	flags.Float64Var(&run.work, "work", 768, "hours of work, of one worker")
	flags.IntVar(&run.width, "width", 16, "most workers at a time")
	flags.Float64Var(&run.deadline, "deadline", 60, "hours until the deadline")
	flags.Float64Var(&run.restart, "restart", .1, "hours that a start takes")
	flags.Float64SliceVar(&run.ratios, "price-ratio", []float64{5, 3.14, 2.5}, "price on demand, where spot capacity costs 1")
	flags.IntVar(&run.every, "every", 72, "rounds between the beginnings of two windows")
	flags.StringVar(&run.group, "group", partialZones, "zones that are summed up apart, as NAME=ZONE,ZONE")
	_ = command.MarkFlagRequired("capacity") // the flag is there
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// check says what is wrong with the flags.
func (e *elasticWidth) check() string {
	switch {
	case e.width < 1 || e.width > 1000:
		return fmt.Sprintf("--width: %d; allowed: 1 to 1000", e.width)
	case !(e.work > 0) || e.work > 1e6:
		return fmt.Sprintf("--work: %g; allowed: hours above 0, at most 1000000", e.work)
	case !(e.restart >= 0) || e.restart > 100:
		return fmt.Sprintf("--restart: %g; allowed: hours from 0 to 100", e.restart)
	case !(e.deadline >= e.work/float64(e.width)+e.restart) || e.deadline > 100_000:
		return fmt.Sprintf("--deadline: %g; allowed: hours, at least --work on --width workers and a start (%g)", e.deadline, e.work/float64(e.width)+e.restart)
	case e.every < 1:
		return fmt.Sprintf("--every: %d; allowed: 1 or more", e.every)
	}
	for _, ratio := range e.ratios {
		if !(ratio > 0) || ratio > 1000 {
			return fmt.Sprintf("--price-ratio: %g; allowed: above 0, at most 1000", ratio)
		}
	}
	if name, zones, given := strings.Cut(e.group, "="); e.group != "" && (!given || name == "" || zones == "") {
		return fmt.Sprintf("--group: %q; allowed: NAME=ZONE,ZONE", e.group)
	}
	return ""
}

func (e *elasticWidth) run(ctx context.Context) (*elasticReport, error) {
	zones, err := readCapacity(e.capacity)
	if err != nil {
		return nil, err
	}
	report := &elasticReport{Work: e.work, Width: e.width, Deadline: e.deadline, Restart: e.restart}
	for _, zone := range zones {
		report.Zones = append(report.Zones, zone.name)
		if ofHours(e.restart) > zone.gap {
			return nil, fmt.Errorf("--restart: %g; allowed: at most a round of %s, which is %s", e.restart, e.capacity, zone.gap)
		}
		report.Windows = max(report.Windows, len(e.windows(zone)))
	}
	if report.Windows == 0 {
		return nil, fmt.Errorf("--deadline: %g; allowed: less than %s lasts", e.deadline, e.capacity)
	}
	trials, cells, err := e.trials(report, zones)
	if err != nil {
		return nil, err
	}
	entrants := []entrant{planned}
	for _, peer := range simulate.PeersOfMany() {
		entrants = append(entrants, entrant{peer.Name, func(*trial) (simulate.Policy, error) { return simulate.Safe(peer.New()), nil }})
	}
	all := contest{entrants, simulate.Bound, e.say}
	if err := all.run(ctx, trials); err != nil {
		return nil, err
	}
	report.Rows = all.rows(trials, cells)
	return report, nil
}

func (e *elasticWidth) windows(zone zoneCapacity) [][]int {
	return zone.windows(int(ofHours(e.deadline)/zone.gap), e.every)
}

// trials are all cases, by ratio of prices, zone and window.
func (e *elasticWidth) trials(report *elasticReport, zones []zoneCapacity) (trials []*trial, cells []string, err error) {
	group, members, _ := strings.Cut(e.group, "=")
	beliefs := map[string]orchestrator.SpotPrior{}
	for i, zone := range zones {
		e.say("what is believed beforehand: %d of %s", i+1, plural(int64(len(zones)), "zone"))
		if beliefs[zone.name], err = grantsElsewhere(zone.name, zones, e.width); err != nil {
			return nil, nil, err
		}
	}
	for _, ratio := range e.ratios {
		installation, text, err := worldInstallation(ofHours(e.restart), ratio, 1, e.width)
		if err != nil {
			return nil, nil, err
		}
		installation.Tables = &simulate.Tables{}
		report.Documents = append(report.Documents, text)
		prefix := strconv.FormatFloat(ratio, 'g', -1, 64) + "/"
		for _, zone := range zones {
			installation.Policy.Prior = beliefs[zone.name]
			of := []string{prefix + zone.name, prefix + allCells}
			if slices.Contains(strings.Split(members, ","), zone.name) {
				of = append(of, prefix+group)
			}
			for _, cell := range of {
				if !slices.Contains(cells, cell) {
					cells = append(cells, cell)
				}
			}
			for _, granted := range e.windows(zone) {
				trials = append(trials, &trial{cells: of, series: zone.name, installation: installation, world: &simulate.World{
					Gap: zone.gap, Deadline: len(granted), Width: e.width, Work: ofHours(e.work), Start: ofHours(e.restart), Spot: 1, OnDemand: ratio, Available: granted,
				}})
			}
		}
	}
	return trials, cells, nil
}

// grantsElsewhere is fitted to all zones but the one that is judged. Where there is no other it is the default.
func grantsElsewhere(judged string, zones []zoneCapacity, width int) (orchestrator.SpotPrior, error) {
	var histories []planner.Grants
	for _, zone := range zones {
		if zone.name == judged {
			continue
		}
		history := planner.Grants{Width: width}
		for at := time.Duration(0); at < time.Duration(len(zone.granted))*zone.gap; at += 10 * time.Minute {
			history.Granted = append(history.Granted, zone.granted[at/zone.gap])
		}
		histories = append(histories, history)
	}
	return planner.FitGrants("without "+judged, histories)
}

func (r *elasticReport) print(out screen) error {
	fmt.Fprintf(out, "%g h of work on at most %d workers within %g h, starts of %g h, %d zones, %d windows each, spot capacity at 1 an hour\n", r.Work, r.Width, r.Deadline, r.Restart, len(r.Zones), r.Windows)
	fmt.Fprintf(out, "nightshift believes beforehand what the zones but the judged one say, and is configured by these documents (in other cells only the price differs):\n\n%s\n", r.Documents[0])
	return printRows(out, r.Rows)
}
