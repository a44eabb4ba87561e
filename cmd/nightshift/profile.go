package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/catalog"
	"nightshift.dev/nightshift/orchestrator/document"
	"nightshift.dev/nightshift/orchestrator/format"
	"nightshift.dev/nightshift/orchestrator/object"
	"nightshift.dev/nightshift/raycluster/python"
)

// profiling is one run of profile.
type profiling struct {
	*program
	files []string
	rows  int
	write bool
	model document.Model
}

func (p *program) profileCommand() *cobra.Command {
	run := profiling{program: p}
	command := &cobra.Command{
		Use:   "profile MODEL INPUT",
		Short: "Measure how a model loads and scores on this machine, and write that into its document",
		Long: `Profile starts the model's scorer, scores rows of INPUT in batches of growing size, and finds the best batch: the smallest one within 3 % of the top
speed. It writes load time, memory and speeds into the Model's document, where the planner takes them from until it has measured speeds of its own.`,
		Example: "  nightshift profile fraud transactions.jsonl -f nightshift.yaml\n  nightshift profile fraud transactions.jsonl --write=false",
		Args:    arguments(2, 2, "MODEL or INPUT"),
		RunE: func(command *cobra.Command, args []string) error {
			if run.rows < 1 {
				return usage(command, "--rows: %d; allowed: 1 or more", run.rows)
			}
			uri, err := location(args[1])
			if err != nil {
				return usage(command, "%v", err)
			}
			return run.run(command.Context(), p.screen(command.OutOrStdout()), command.ErrOrStderr(), args[0], uri)
		},
	}
	documentFlag(command, &run.files, "nightshift.yaml")
	command.Flags().IntVar(&run.rows, "rows", 100_000, "most rows of INPUT to score")
	command.Flags().BoolVar(&run.write, "write", true, "write the profile into the Model's document")
	return command
}

func (r *profiling) run(ctx context.Context, out screen, errs io.Writer, name, uri string) error {
	set, err := catalog.Read(r.files)
	if err != nil {
		return err
	}
	var found bool
	if r.model, found = set.Model(name); !found {
		var names []string
		for _, model := range set.Models {
			names = append(names, model.Name)
		}
		return fmt.Errorf("there is no model %q; there are: %s", name, strings.Join(names, ", "))
	}
	host, forget, err := scorerHost()
	if err != nil {
		return err
	}
	defer forget()
	snapshot, err := catalog.New(set, host).ModelSnapshot(name, nil)
	if err != nil {
		return err
	}
	rows, err := readSample(ctx, uri, snapshot, r.rows)
	if err != nil {
		return err
	}
	loadavg, _ := os.ReadFile("/proc/loadavg") // absent on other systems
	if note := busyNote(loadavg, runtime.NumCPU()); note != "" {
		fmt.Fprintln(errs, note)
	}
	fmt.Fprintf(out, "%s of %s\n", plural(len(rows), "row"), uri)
	profile, err := r.measure(ctx, out, errs, snapshot, rows)
	if err != nil {
		return err
	}
	return r.conclude(out, profile)
}

// conclude says which batch is best and writes the profile down.
func (r *profiling) conclude(out screen, profile document.Profile) error {
	best := bestBatch(profile.Batches)
	fmt.Fprintf(out, "best batch: %s rows, %s rows/s\n", number(best.Rows), number(int64(best.RowsPerSecond)))
	if r.model.Spec.BatchRows != best.Rows {
		fmt.Fprintf(out, "the document says batchRows: %d; batchRows: %d would be better\n", r.model.Spec.BatchRows, best.Rows)
	}
	if !r.write {
		return nil
	}
	path := r.model.Position.File
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	edited, err := document.SetProfile(data, r.model.Name, profile)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := replaceFile(path, edited); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "profile of model %s written to %s\n", r.model.Name, path)
	return err
}

// replaceFile writes a file in one step and keeps its mode.
func replaceFile(path string, data []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".nightshift-*.yaml")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(info.Mode().Perm()), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // the first error says why
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// scorerHost puts the Python scorer host into a folder of its own until forget is called.
func scorerHost() (folder string, forget func(), err error) {
	folder, err = os.MkdirTemp("", "nightshift-scorer-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the scorer host: %w", err)
	}
	forget = func() { _ = os.RemoveAll(folder) } // only copies
	if err := python.Write(folder); err != nil {
		forget()
		return "", nil, err
	}
	return folder, forget, nil
}

const (
	maxSampleBytes   = 256 << 20 // of rows that profile keeps in memory
	maxSampleObjects = 10_000
	sampleChunk      = 1000 // rows
)

// readSample reads the first good rows of the input.
func readSample(ctx context.Context, uri string, model orchestrator.ModelSnapshot, most int) ([][]byte, error) {
	root := uri[:strings.LastIndex(uri, "/")+1]
	if at := strings.IndexAny(root, `*?[\`); at >= 0 {
		root = root[:strings.LastIndex(root[:at], "/")+1]
	}
	store, err := object.New(object.Access{Read: []string{root}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = store.Close() }() // only read
	objects, err := store.List(ctx, uri, "", maxSampleObjects)
	if err != nil {
		return nil, err
	}
	var rows [][]byte
	size := 0
	for _, from := range objects {
		err := eachRow(ctx, store, from, model, func(line []byte) bool {
			rows = append(rows, line)
			size += len(line)
			return len(rows) < most && size < maxSampleBytes
		})
		if err != nil {
			return nil, err
		}
		if len(rows) >= most || size >= maxSampleBytes {
			break
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s has no row that can be read", uri)
	}
	return rows, nil
}

// eachRow gives copies of the good rows of an object until one is enough.
func eachRow(ctx context.Context, store *object.Store, from orchestrator.Object, model orchestrator.ModelSnapshot, more func([]byte) bool) error {
	whole := orchestrator.Range{End: from.Size}
	if from.Format == orchestrator.FormatParquet {
		borders, err := format.Borders(ctx, store, from)
		if err != nil {
			return err
		}
		whole.End = borders[len(borders)-1]
	}
	reader, err := format.OpenRows(ctx, store, from, whole, format.Options{Columns: model.Columns, MaxRowBytes: model.MaxRowBytes})
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }() // only read
	for {
		chunk, err := reader.Next(sampleChunk)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, row := range chunk.Rows {
			if row.Error == nil && !more(append([]byte(nil), row.Line...)) {
				chunk.Release()
				return nil
			}
		}
		chunk.Release()
	}
}
