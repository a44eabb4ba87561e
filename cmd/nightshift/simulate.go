package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/simulate"
)

func (p *program) simulateCommand() *cobra.Command {
	var what whatIf
	var format *printFormat
	seed := -1
	command := &cobra.Command{
		Use:   "simulate SCENARIO",
		Short: "Let the planner decide in a world that a file describes, and show what comes of it",
		Long: `Simulate reads a scenario: documents, the jobs that arrive, the spot capacity that comes and goes, the replicas that are lost. The planner that decides for real decides in
it. Shown are when each job is done and what it costs, what each pool costs, and how many replicas run when. docs/replay.md says what the world is, and what it is not.

` + whatIfHelp,
		Example: "  nightshift simulate examples/scenarios/spot-night.yaml\n  nightshift simulate night.yaml --what-if price.spot=2x --seed 2 -o json",
		Args:    arguments(1, 1, "SCENARIO, a file"),
		RunE: func(command *cobra.Command, args []string) error {
			scenario, err := readScenario(args[0], what, seed)
			if err != nil {
				return err
			}
			report, err := scenario.Run()
			if err != nil {
				return err
			}
			if format.machine() {
				return format.print(command.OutOrStdout(), reportOf(report))
			}
			return printReport(p.screen(command.OutOrStdout()), report, time.UTC)
		},
	}
	what.flags(command)
	command.Flags().IntVar(&seed, "seed", -1, "draws other start times and losses (default: the scenario's)")
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// readScenario reads a scenario and all that it names.
func readScenario(path string, what whatIf, seed int) (scenario simulate.Scenario, err error) {
	data, err := readScenarioFile(path)
	if err != nil {
		return scenario, err
	}
	file, err := document.DecodeScenario(document.File{Name: path, Data: data})
	if err != nil {
		return scenario, err
	}
	folder := filepath.Dir(path)
	present, err := catalog.Read(below(folder, file.Spec.Documents))
	if err != nil {
		return scenario, err
	}
	set, err := what.documents(present)
	if err != nil {
		return scenario, err
	}
	if seed >= 0 {
		file.Spec.Seed = seed
	}
	if scenario, err = scenarioOf(file.Spec, set, folder); err != nil {
		return scenario, err
	}
	return scenario, what.deadlines(scenario.Jobs, time.UTC)
}

func readScenarioFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	return io.ReadAll(io.LimitReader(file, document.MaxFileBytes+1))
}

func below(folder string, names []string) []string {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = name
		if !filepath.IsAbs(name) {
			paths[i] = filepath.Join(folder, name)
		}
	}
	return paths
}

// deadlines gives jobs the deadline that was asked for: the next such time after each was submitted.
func (w *whatIf) deadlines(jobs []simulate.Submit, zone *time.Location) error {
	for i := range jobs {
		at, err := w.deadline(jobs[i].At.In(zone))
		if err != nil {
			return err
		}
		if !at.IsZero() && (w.queue == "" || w.queue == jobs[i].Queue) {
			jobs[i].Deadline = at
		}
	}
	return nil
}

// scenarioOf puts a scenario's file and its documents together.
func scenarioOf(spec document.ScenarioSpec, set document.Set, folder string) (simulate.Scenario, error) {
	scenario := simulate.Scenario{
		Policy: set.Policy(), Speeds: set.Speeds(), Begin: spec.Begin, End: spec.Begin.Add(spec.Length), Seed: uint64(spec.Seed),
	}
	var failed []error
	for _, job := range spec.Jobs {
		queue, found := set.Queue(job.Queue)
		if !found {
			failed = append(failed, fmt.Errorf("there is no Queue %q in the documents", job.Queue))
			continue
		}
		model, _ := set.Model(queue.Spec.Model) // the documents are consistent
		for index := range job.Count {
			scenario.Jobs = append(scenario.Jobs, submitOf(job, index, queue, model, spec.Begin))
		}
	}
	for _, pool := range spec.Pools {
		provider, err := providerOf(pool, spec.Begin, folder)
		failed = append(failed, err)
		scenario.Pools = append(scenario.Pools, provider)
	}
	for _, speed := range spec.Speeds {
		scenario.Truth = append(scenario.Truth, orchestrator.Speed{
			Model: speed.Model, Pool: speed.Pool, RowsPerSecond: speed.RowsPerSecond, LoadSeconds: speed.Load.Seconds(), Basis: "scenario",
		})
	}
	return scenario, errors.Join(failed...)
}

func submitOf(job document.ScenarioJob, index int, queue document.Queue, model document.Model, begin time.Time) simulate.Submit {
	submit := simulate.Submit{
		JobKey: orchestrator.JobKey{Tenant: queue.Spec.Tenant, Queue: queue.Name, ID: job.JobName(index)}, Model: model.Name,
		At: begin.Add(job.Submit + time.Duration(index)*job.Every), Rows: int64(job.Rows), BatchRows: model.Spec.BatchRows,
	}
	submit.Deadline = queue.Spec.Objective.Due(submit.At)
	if job.Within > 0 {
		submit.Deadline = submit.At.Add(job.Within)
	}
	return submit
}

func providerOf(pool document.ScenarioPool, begin time.Time, folder string) (simulate.Provider, error) {
	steps := func(list []document.ScenarioStep) (steps []simulate.Step) {
		for _, one := range list {
			steps = append(steps, simulate.Step{At: begin.Add(one.At), Replicas: one.Replicas})
		}
		return steps
	}
	provider := simulate.Provider{Pool: pool.Name, Capacity: steps(pool.Capacity), Losses: steps(pool.Losses), LossRate: pool.LossesPerHour}
	if pool.StartTime != nil {
		provider.Starts, provider.Range = []time.Duration{pool.StartTime.Least, pool.StartTime.Most}, true
	}
	if pool.Trace == "" {
		return provider, nil
	}
	path := below(folder, []string{pool.Trace})[0]
	file, err := os.Open(path)
	if err != nil {
		return provider, fmt.Errorf("read the trace of pool %s: %w", pool.Name, err)
	}
	defer func() { _ = file.Close() }() // only read
	trace, err := readWindow(path, file)
	for tick, available := range trace.available {
		if available > 0 {
			available = math.MaxInt32 // the trace says whether there is capacity, not how much
		}
		if tick == 0 || available != provider.Capacity[len(provider.Capacity)-1].Replicas {
			provider.Capacity = append(provider.Capacity, simulate.Step{At: begin.Add(time.Duration(tick) * trace.gap), Replicas: available})
		}
	}
	return provider, err
}

// simulated is what -o json prints.
type simulated struct {
	simulate.Report
	Late    int                  `json:"late"`
	Changes int                  `json:"changes"`
	Cost    []orchestrator.Money `json:"cost"`
}

func reportOf(report simulate.Report) simulated {
	return simulated{report, report.Late(), report.Changes(), append([]orchestrator.Money{}, report.Cost()...)}
}

// sortedJobs are those that are late first, then by submit.
func sortedJobs(jobs []simulate.JobReport) []simulate.JobReport {
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, func(a, b simulate.JobReport) int {
		if a.Late() != b.Late() {
			if a.Late() {
				return -1
			}
			return 1
		}
		return a.Submitted.Compare(b.Submitted)
	})
	return jobs
}
