package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/raycluster/python"
)

func (p *program) benchCommand() *cobra.Command {
	command := &cobra.Command{Use: "bench", Short: "Measure nightshift on this machine", Args: cobra.NoArgs, RunE: func(command *cobra.Command, _ []string) error { return command.Help() }}
	command.AddCommand(p.benchDataplaneCommand(), p.benchDrainCommand(), p.benchDeadlineCommand(), p.benchElasticCommand(), p.benchScaleCommand(), p.benchBacklogCommand(),
		p.benchModelLoadCommand(), p.benchForecastCommand(), p.benchRehearsalCommand(), p.benchPeakCommand(), copyCommand())
	return command
}

// sayTo tells how a benchmark goes on, each line with the seconds since now.
func sayTo(out io.Writer) func(format string, values ...any) {
	began := time.Now()
	return func(format string, values ...any) {
		fmt.Fprintf(out, "%6.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, values...))
	}
}

// dataplane is one run of bench dataplane.
type dataplane struct {
	rows, memoryRows    int64
	rowBytes            int
	scorers, batchRows  int
	rounds, queued      int
	seed                uint64
	python, rayPython   string
	rayScript           string
	dir, program        string // everything of the run lies in dir; program is this one
	input               string
	say                 func(format string, values ...any)
	snapshot            orchestrator.ModelSnapshot
	documents, identity string // file, folder
}

// benchReport is what a benchmark has seen.
type benchReport interface{ print(out screen) error }

// runBench runs a benchmark unless there is a problem with its flags, and prints its report for people or programs.
func (p *program) runBench(command *cobra.Command, format *printFormat, problem string, run func() (benchReport, error)) error {
	if problem != "" {
		return usage(command, "%s", problem)
	}
	report, err := run()
	if err != nil {
		return err
	}
	if format.machine() {
		return format.print(command.OutOrStdout(), report)
	}
	return report.print(p.screen(command.OutOrStdout()))
}

func (p *program) benchDataplaneCommand() *cobra.Command {
	run := dataplane{batchRows: 4096}
	var format *printFormat
	command := &cobra.Command{
		Use:   "dataplane",
		Short: "Measure rows per second from submit to manifest, against a direct feed and Ray Data",
		Long: `Dataplane scores the same rows with a class that returns its batch as it is: through a nightshift dev of its own, through a loop that feeds the same
scorers directly, and through Ray Data. Each is measured with its start and without, in turn, several times; medians are printed with their spread.
Beside them stand the limits of the machine, the rate of submits, and answers with many queued jobs.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			run.say = sayTo(command.ErrOrStderr())
			return p.runBench(command, format, run.check(), func() (benchReport, error) { return run.run(command.Context()) })
		},
	}
	flags := command.Flags()
	flags.Int64Var(&run.rows, "rows", 1_000_000, "rows of about 100 bytes")
	flags.Int64Var(&run.memoryRows, "memory-rows", 0, "rows of one more job, after which the service's memory is read again; 0: no such job")
	flags.IntVar(&run.scorers, "scorers", 2, "scorer processes, the same number everywhere")
	flags.IntVar(&run.rounds, "rounds", 3, "how often each is measured")
	flags.IntVar(&run.queued, "queued", 10_000, "jobs that wait while lists and submits are measured")
	flags.Uint64Var(&run.seed, "seed", 1, "seed of the rows")
	flags.StringVar(&run.python, "python", "python3", "Python of the scorers, 3.11 or newer; faster with numpy and orjson")
	flags.StringVar(&run.rayPython, "ray-python", "", "Python that has ray[data]; without it Ray Data is left out")
	flags.StringVar(&run.rayScript, "ray-script", "scripts/ray_data.py", "the program that runs Ray Data")
	flags.StringVar(&run.dir, "dir", "", "folder for the run, removed at its end (default: a temporary one)")
	format = formatOption(command, formatFlag, formatJSON, formatYAML)
	return command
}

// check says what is wrong with the flags.
func (d *dataplane) check() string {
	for _, flag := range []struct {
		name         string
		value, least int64
	}{{"rows", d.rows, 1}, {"scorers", int64(d.scorers), 1}, {"rounds", int64(d.rounds), 1}, {"queued", int64(d.queued), 1}, {"memory-rows", d.memoryRows, 0}} {
		if flag.value < flag.least {
			return fmt.Sprintf("--%s: %d; allowed: %d or more", flag.name, flag.value, flag.least)
		}
	}
	if d.queued > mostQueued {
		return fmt.Sprintf("--queued: %d; allowed: at most %d", d.queued, mostQueued)
	}
	return ""
}

// run prepares a folder, measures, and removes it with every process that is left.
func (d *dataplane) run(ctx context.Context) (*dataplaneReport, error) {
	if err := d.prepare(); err != nil {
		return nil, err
	}
	defer func() {
		endProcesses(d.dir)
		_ = os.RemoveAll(d.dir) // made by prepare
	}()
	d.say("writing %s (seed %d)", plural(d.rows, "row"), d.seed)
	size, err := writeRows(d.input, d.rows, d.seed, shortRow)
	if err != nil {
		return nil, err
	}
	report := d.newReport(size)
	if err := d.measureRounds(ctx, report); err != nil {
		return nil, err
	}
	d.say("limits of this machine")
	if report.Raw, err = d.measureRaw(ctx); err != nil {
		return nil, err
	}
	d.say("submits, and lists with %s", plural(d.queued, "queued job"))
	if report.Requests, err = d.measureRequests(ctx); err != nil {
		return nil, err
	}
	if d.memoryRows > 0 {
		d.say("a job of %s, for the memory of the service", plural(d.memoryRows, "row"))
		if report.Service.ResidentAfterMemoryRows, err = d.measureMemory(ctx); err != nil {
			return nil, err
		}
		report.Service.MemoryRows = d.memoryRows
	}
	report.conclude()
	return report, nil
}

// prepare makes the folder with the class, the documents and the scorer host.
func (d *dataplane) prepare() error {
	interpreter, err := d.interpreter()
	if err != nil {
		return fmt.Errorf("--python: %w", err)
	}
	if d.program, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if d.dir != "" {
		if err := os.MkdirAll(d.dir, 0o750); err != nil {
			return fmt.Errorf("--dir: %w", err)
		}
	}
	if d.dir, err = os.MkdirTemp(d.dir, "nightshift-bench-"); err != nil {
		return fmt.Errorf("make the folder of the run: %w", err)
	}
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return fmt.Errorf("find the folder of the run: %w", err)
	}
	return d.writeFolder(interpreter)
}

// interpreter is that of the scorers, where any are Python programs.
func (d *dataplane) interpreter() (string, error) {
	if d.python == "" {
		return "python3", nil // named in a document, never started
	}
	path, err := exec.LookPath(d.python)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

func (d *dataplane) writeFolder(interpreter string) error {
	d.identity, d.documents = filepath.Join(d.dir, "model"), filepath.Join(d.dir, "nightshift.yaml")
	d.input = filepath.Join(d.dir, "in", "rows.jsonl")
	host := filepath.Join(d.dir, "host")
	for _, folder := range []string{"model", "in", "out", "host"} {
		if err := os.Mkdir(filepath.Join(d.dir, folder), 0o750); err != nil {
			return fmt.Errorf("make the folder of the run: %w", err)
		}
	}
	for file, text := range map[string]string{
		filepath.Join(d.identity, "bench_identity.py"): identityClass,
		d.documents: fmt.Sprintf(benchDocuments, d.identity, interpreter, d.batchRows, d.scorers, d.scorers, mostQueued),
	} {
		if err := os.WriteFile(file, []byte(text), 0o640); err != nil {
			return fmt.Errorf("write the folder of the run: %w", err)
		}
	}
	if err := python.Write(host); err != nil {
		return err
	}
	set, err := catalog.Read([]string{d.documents})
	if err != nil {
		return err
	}
	d.snapshot, err = catalog.New(set, host).ModelSnapshot("identity", nil)
	return err
}

// measureRounds lets each system score the rows once in every round. The service and the direct feed are neighbours in time, each the first in turn, because
// what else runs on the machine changes within a minute, which Ray Data takes.
func (d *dataplane) measureRounds(ctx context.Context, report *dataplaneReport) error {
	for round := range d.rounds {
		last := round == d.rounds-1
		systems := []func(context.Context, *dataplaneReport, bool) error{d.roundOfService, d.roundOfFeed, d.roundOfRay}
		if round%2 == 1 {
			systems[0], systems[1] = systems[1], systems[0]
		}
		for _, score := range systems {
			if err := score(ctx, report, last); err != nil {
				return err
			}
		}
	}
	d.say("digest of the input")
	wanted, err := digestFiles(d.input)
	if err != nil {
		return err
	}
	return report.compare(wanted)
}

func (d *dataplane) newReport(size int64) *dataplaneReport {
	return &dataplaneReport{
		Rows: d.rows, Bytes: size, RowBytes: float64(size) / float64(d.rows), Seed: d.seed, Scorers: d.scorers, BatchRows: d.batchRows, Rounds: d.rounds,
		Versions: map[string]string{"nightshift": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "scorer python": pythonVersion(d.snapshot.Command[0])},
		Cores:    runtime.NumCPU(),
	}
}
