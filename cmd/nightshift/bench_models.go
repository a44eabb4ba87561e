package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

// modelLoad is one run of bench model-load.
type modelLoad struct {
	requests string
	seed     uint64
	load     []float64 // seconds: the median, and what 95 of 100 models keep
	deadline []time.Duration
	workers  []int
	elastic  bool
	say      func(format string, values ...any)
}

// modelLoadReport is what it prints.
type modelLoadReport struct {
	Requests  int            `json:"requests"`
	Source    string         `json:"source"`
	Models    int            `json:"models"`
	Changes   float64        `json:"changes"` // share of requests whose model is another than that of the request before
	Work      float64        `json:"execution_gpu_seconds"`
	LoadMean  float64        `json:"mean_load_by_change_seconds"`
	Documents []string       `json:"documents"` // what the planner was configured by, for each cell
	Rows      []modelLoadRow `json:"rows"`
}

// modelLoadRow is what one policy made of one cell.
type modelLoadRow struct {
	Cell    string  `json:"cell"`
	Policy  string  `json:"policy"`
	Cost    float64 `json:"cost"`    // busy seconds of workers: loads and executions; where workers come and go, all that they are billed for
	Optimum float64 `json:"optimum"` // a bound: no schedule costs less that has all requests in time that can be, or, where more are forced to be late than take too long, none at all
	Ratio   float64 `json:"ratio"`   // of the cost to the execution
	Bound   float64 `json:"bound"`   // of the optimum to the execution
	Late    int     `json:"late"`    // requests
	Forced  int     `json:"forced_late"`
	Loads   int     `json:"loads"`
	Starts  int     `json:"starts,omitempty"`
	Longest float64 `json:"longest_seconds"` // from an arrival to its end
}

func (p *program) benchModelLoadCommand() *cobra.Command {
	run := modelLoad{}
	var format *printFormat
	command := &cobra.Command{
		Use:   "model-load",
		Short: "Compare policies for many models on few workers that hold one each",
		Long: `Model-load takes a stream of requests for many models through workers that hold one model each, once for each policy, and compares how long workers are busy,
with loads, with how long they execute. Every request is due so long after it has arrived. A cell is DEADLINE/WORKERS. With --elastic workers come and go: starting one
takes three minutes, and it is billed from when it is asked for until it goes; a cell is elastic/DEADLINE.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			run.say = sayTo(command.ErrOrStderr())
			return p.runBench(command, format, run.check(), func() (benchReport, error) { return run.run(command.Context()) })
		},
	}
	flags := command.Flags()
	flags.StringVar(&run.requests, "requests", "", "CSV file, possibly .gz, with the columns arrival_s, model, exec_s and possibly load_s (default: a synthetic stream)")
	flags.Uint64Var(&run.seed, "seed", 1, "seed of the synthetic stream")
	flags.Float64SliceVar(&run.load, "load", []float64{22.7, 45.4}, "seconds that a load takes: the median of the models, and what 95 of 100 keep")
	flags.DurationSliceVar(&run.deadline, "deadline", []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}, "when a request is due after it has arrived")
	flags.IntSliceVar(&run.workers, "workers", []int{1, 2, 4, 8}, "workers")
	flags.BoolVar(&run.elastic, "elastic", false, "workers come and go, at most 16, instead of --workers")
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// check says what is wrong with the flags.
func (m *modelLoad) check() string {
	if len(m.load) != 2 || !(m.load[0] > 0) || !(m.load[1] > m.load[0]) || m.load[1] > 86_400 {
		return fmt.Sprintf("--load: %s; allowed: two numbers of seconds above 0, the second larger, at most 86400", numbers(m.load))
	}
	for _, due := range m.deadline {
		if due < time.Second || due > 365*24*time.Hour {
			return fmt.Sprintf("--deadline: %s; allowed: 1s to 8760h", due)
		}
	}
	for _, count := range m.workers {
		if count < 1 || count > 1000 {
			return fmt.Sprintf("--workers: %d; allowed: 1 to 1000", count)
		}
	}
	return ""
}

func numbers(list []float64) string {
	words := make([]string, len(list))
	for i, one := range list {
		words[i] = strconv.FormatFloat(one, 'g', -1, 64)
	}
	return strings.Join(words, ",")
}

func (m *modelLoad) run(ctx context.Context) (*modelLoadReport, error) {
	world := simulate.RequestWorld{}
	report := &modelLoadReport{Source: fmt.Sprintf("synthetic, seed %d", m.seed)}
	if m.requests == "" {
		world.Models, world.Requests = simulate.SyntheticRequests(m.seed, m.load[0], m.load[1])
	} else {
		var err error
		if world.Models, world.Requests, err = readRequests(m.requests, m.load[0], m.load[1]); err != nil {
			return nil, err
		}
		report.Source = m.requests
	}
	report.describe(&world)
	counts := m.workers
	if m.elastic {
		counts, world.Start = []int{elasticMost}, elasticStart
	}
	for _, due := range m.deadline {
		for _, workers := range counts {
			if ctx.Err() != nil {
				return nil, errors.New("interrupted")
			}
			one := world
			one.Due, one.Workers = due, workers
			if err := m.cell(report, &one); err != nil {
				return nil, err
			}
		}
	}
	return report, nil
}

// describe says what the stream is like.
func (r *modelLoadReport) describe(world *simulate.RequestWorld) {
	r.Requests, r.Models, r.Work = len(world.Requests), len(world.Models), world.Work().Seconds()
	changes, loads := 0, time.Duration(0)
	for i := 1; i < len(world.Requests); i++ {
		if world.Requests[i].Model != world.Requests[i-1].Model {
			changes++
			loads += world.Models[world.Requests[i].Model].Load
		}
	}
	if changes > 0 {
		r.Changes, r.LoadMean = float64(changes)/float64(len(world.Requests)-1), loads.Seconds()/float64(changes)
	}
}

// cell takes every policy through one world.
func (m *modelLoad) cell(report *modelLoadReport, world *simulate.RequestWorld) error {
	name := fmt.Sprintf("%s/%d", shortly(world.Due), world.Workers)
	if m.elastic {
		name = "elastic/" + shortly(world.Due)
	}
	installation, text, err := requestInstallation(world)
	if err != nil {
		return err
	}
	report.Documents = append(report.Documents, text)
	policy, err := installation.PlannedRequests(world)
	if err != nil {
		return err
	}
	first := len(report.Rows)
	add := func(policy string, result simulate.RequestResult) {
		cost := result.Busy.Seconds()
		if m.elastic {
			cost = result.Billed.Seconds()
		}
		report.Rows = append(report.Rows, modelLoadRow{
			Cell: name, Policy: policy, Cost: cost, Ratio: cost / result.Work.Seconds(), Late: result.Late, Loads: result.Loads, Starts: result.Starts,
			Longest: result.Longest.Seconds(),
		})
	}
	add(ours, simulate.RunRequests(world, policy))
	if m.elastic {
		for _, peer := range simulate.ElasticPeers() {
			add(peer.Name, simulate.RunRequests(world, peer.New()))
		}
	} else {
		for _, peer := range simulate.PeersOfRequests() {
			add(peer.Name, simulate.RunRequests(world, peer.New()))
		}
	}
	bound(world, report.Rows[first:])
	m.say("%s", name)
	return nil
}

// bound adds to the rows of a cell what no schedule can do better.
func bound(world *simulate.RequestWorld, rows []modelLoadRow) {
	forced := simulate.ForcedLate(world)
	var least time.Duration
	switch {
	case forced > simulate.TooLong(world):
		least = simulate.LeastLoads(world)
	case world.Start > 0:
		least = simulate.LeastBilled(world)
	default:
		least = simulate.LeastBusy(world, time.Duration(rows[0].Cost*float64(time.Second))-world.Work())
	}
	for i := range rows {
		rows[i].Forced, rows[i].Optimum, rows[i].Bound = forced, least.Seconds(), least.Seconds()/world.Work().Seconds()
	}
}

// shortly writes a duration without parts that are zero.
func shortly(length time.Duration) string {
	text := length.String()
	if short, whole := strings.CutSuffix(text, "m0s"); whole {
		text = short + "m"
	}
	if short, whole := strings.CutSuffix(text, "h0m"); whole {
		text = short + "h"
	}
	return text
}

func (r *modelLoadReport) print(out screen) error {
	fmt.Fprintf(out, "%s for %d models (%s), %.0f s of execution, %.1f %% for another model than the one before, loads of %.1f s\n",
		plural(int64(r.Requests), "request"), r.Models, r.Source, r.Work, 100*r.Changes, r.LoadMean)
	if len(r.Documents) > 0 {
		fmt.Fprintf(out, "nightshift is configured by these documents (in other cells only finishWithin and replicas differ):\n\n%s\n", r.Documents[0])
	}
	list := [][]cell{cells("CELL", "POLICY", "COST", "RATIO", "BOUND", "LATE", "FORCED", "LOADS", "STARTS", "LONGEST")}
	for _, row := range r.Rows {
		list = append(list, cells(row.Cell, row.Policy, fmt.Sprintf("%.0f", row.Cost), fmt.Sprintf("%.4f", row.Ratio), fmt.Sprintf("%.4f", row.Bound), strconv.Itoa(row.Late),
			strconv.Itoa(row.Forced), strconv.Itoa(row.Loads), strconv.Itoa(row.Starts), fmt.Sprintf("%.0f", row.Longest)))
	}
	return out.table(list)
}

const (
	elasticMost  = 16
	elasticStart = 180 * time.Second
)

const (
	poolOfModels = `apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: gpu}
spec: {scaleDownDelay: 0s, replicas: {min: %[1]d, max: %[1]d}}
`
	elasticPool = `apiVersion: nightshift.dev/v1alpha1
kind: Pool
metadata: {name: gpu}
spec: {capacityType: on-demand, startTime: %[2]s, scaleDownDelay: 10s, replicas: {max: %[1]d}}
`
	modelAndQueue = `---
apiVersion: nightshift.dev/v1alpha1
kind: Model
metadata: {name: %[1]s}
spec: {scorer: {command: [simulated]}, batchRows: 1, profile: {load: %[2]s, batches: [{rows: 1, rowsPerSecond: %[3]s}]}}
---
apiVersion: nightshift.dev/v1alpha1
kind: Queue
metadata: {name: %[1]s}
spec: {model: %[1]s, pools: [gpu], input: {roots: [in]}, output: {root: out}, objective: {finishWithin: %[4]s}}
`
)

// requestInstallation reads the documents of a world, and gives them back.
func requestInstallation(world *simulate.RequestWorld) (installation simulate.Installation, text string, err error) {
	var all strings.Builder
	if world.Start > 0 {
		fmt.Fprintf(&all, elasticPool, world.Workers, world.Start)
	} else {
		fmt.Fprintf(&all, poolOfModels, world.Workers)
	}
	for i, mean := range world.Profile() {
		one := world.Models[i]
		fmt.Fprintf(&all, modelAndQueue, one.Name, one.Load.Round(time.Millisecond), strconv.FormatFloat(1/mean.Seconds(), 'f', 6, 64), world.Due)
	}
	text = all.String()
	set, err := document.Decode(document.File{Name: "simulated", Data: []byte(text)})
	if err != nil {
		return simulate.Installation{}, text, err
	}
	return simulate.Installation{Policy: set.Policy(), Speeds: set.Speeds()}, text, nil
}
