package dispatch

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/object"
)

// results is what finalizing found and wrote.
type results struct {
	manifest string
	actual   orchestrator.Actual
	counts   orchestrator.Counts
	failure  *orchestrator.Failure
	told     bool // the job's Workflow has ended
}

// state is the job's final state: failed when rows there were and none was scored.
func (r results) state() orchestrator.JobState {
	switch {
	case r.counts.RowsFailed == 0 && r.counts.ShardsFailed == 0:
		return orchestrator.JobSucceeded
	case r.counts.RowsDone > 0:
		return orchestrator.JobPartiallyFailed
	}
	return orchestrator.JobFailed
}

// Manifest is the head of manifest.json; the list of parts follows it in the file, then the totals.
type Manifest struct {
	APIVersion string                `json:"apiVersion"`
	Kind       string                `json:"kind"`
	Job        string                `json:"job"`
	Tenant     string                `json:"tenant"`
	Queue      string                `json:"queue"`
	Name       string                `json:"name,omitempty"`
	Epoch      int                   `json:"epoch"`
	Model      orchestrator.ModelRef `json:"model"`
	Key        string                `json:"key,omitempty"`
	Format     orchestrator.Format   `json:"format"`
	Submitted  time.Time             `json:"submitted"`
	// Published is where the results went, where they are in no parts.
	Published orchestrator.ResultsTo `json:"published,omitzero"`
}

// Part is one entry of the manifest's parts, in input order.
type Part struct {
	Shard  int                     `json:"shard"`
	Object int                     `json:"object"` // index in the manifest's input
	Start  int64                   `json:"start"`
	End    int64                   `json:"end"`
	RowsIn int64                   `json:"rowsIn"`
	Failed int64                   `json:"rowsFailed"`
	Unread bool                    `json:"unread,omitempty"` // the range could not be read to its end; rowsIn are the rows before that place
	Result *orchestrator.ObjectRef `json:"result,omitempty"` // absent when no row of the shard was scored
}

// Totals end the manifest.
type Totals struct {
	Counts  orchestrator.Counts     `json:"counts"`
	Actual  orchestrator.Actual     `json:"actual"`
	Errors  *orchestrator.ObjectRef `json:"errors,omitempty"`
	Failure *orchestrator.Failure   `json:"failure,omitempty"`
}

// writeResults joins the error objects and writes the manifest, from the deciding commits only, in input order. The content depends on nothing but
// the records, so that a repetition writes the same (R2).
func (r *runner) writeResults(ctx context.Context) (results, error) {
	job, _, err := r.read(ctx, r.key)
	if err != nil {
		return results{}, err
	}
	objects, err := object.New(object.Access{Write: job.WriteRoots})
	if err != nil {
		return results{}, err
	}
	defer func() { _ = objects.Close() }() // every writer was closed or aborted
	w := &resultWriter{runner: r, job: job, objects: objects}
	defer w.abort(ctx)
	if err := w.head(ctx); err != nil {
		return results{}, err
	}
	for cut := range r.machine.ScoreCuts() {
		commit, err := r.config.Store.CommitAt(ctx, r.machine.CommitSeq(cut.Number))
		if err != nil {
			return results{}, err
		}
		if err := w.part(ctx, cut, commit); err != nil {
			return results{}, err
		}
	}
	return w.tail(ctx)
}

// resultWriter writes the manifest and the error file side by side.
type resultWriter struct {
	*runner
	job      orchestrator.Job
	objects  *object.Store
	manifest *object.Writer
	buffer   *bufio.Writer
	errors   *object.Writer
	parts    int
	errRows  int64
	actual   orchestrator.Actual
	failure  *orchestrator.Failure
}

func (w *resultWriter) head(ctx context.Context) (err error) {
	if w.manifest, err = w.objects.Create(ctx, w.job.Output+"manifest.json"); err != nil {
		return err
	}
	w.buffer = bufio.NewWriterSize(w.manifest, 64<<10)
	about := Manifest{
		APIVersion: "nightshift.dev/v1alpha1", Kind: "Manifest", Job: w.job.ID, Tenant: w.job.Tenant, Queue: w.job.Queue, Name: w.job.Spec.Name,
		Epoch: w.job.Epoch, Model: w.job.Model, Key: w.job.Spec.Key, Format: w.job.OutputFormat, Submitted: w.job.Times[orchestrator.JobQueued],
	}
	if w.job.Standing != nil {
		about.Published = w.job.Standing.Results
	}
	head, err := json.Marshal(about)
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if _, err := w.buffer.Write(head[:len(head)-1]); err != nil { // without its closing brace
		return err
	}
	if _, err := w.buffer.WriteString(",\n\"input\":["); err != nil {
		return err
	}
	for i := range w.machine.Objects() {
		if err := w.element(i, w.machine.Object(i)); err != nil {
			return err
		}
	}
	_, err = w.buffer.WriteString("],\n\"parts\":[")
	return err
}

// element writes one element of an array, on its own line.
func (w *resultWriter) element(index int, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	separator := ",\n"
	if index == 0 {
		separator = "\n"
	}
	_, err = w.buffer.WriteString(separator + string(encoded))
	return err
}

func (w *resultWriter) part(ctx context.Context, cut orchestrator.Cut, commit orchestrator.Commit) error {
	err := w.element(w.parts, Part{
		Shard: cut.Number, Object: cut.Range.Object, Start: cut.Range.Start, End: cut.Range.End,
		RowsIn: commit.RowsIn, Failed: commit.Failed, Unread: commit.Unread, Result: commit.Result,
	})
	if err != nil {
		return err
	}
	w.parts++
	w.account(commit)
	if commit.Errors == nil {
		return nil
	}
	return w.joinErrors(ctx, *commit.Errors)
}

func (w *resultWriter) account(commit orchestrator.Commit) {
	a := &w.actual
	a.WorkerSeconds += commit.Seconds
	a.LoadSeconds += commit.LoadSeconds
	a.Cost = a.Cost.Add(w.config.Catalog.Price(commit.Pool).Times(commit.Seconds / 3600))
	if a.Started.IsZero() || commit.Started.Before(a.Started) {
		a.Started = commit.Started
	}
	if commit.Finished.After(a.Finished) {
		a.Finished = commit.Finished
	}
	if commit.Result != nil {
		a.BytesOut += commit.Result.Bytes
	}
	if w.failure == nil {
		w.failure = commit.Failure
	}
}

// joinErrors appends one error object to the error file.
func (w *resultWriter) joinErrors(ctx context.Context, from orchestrator.ObjectRef) (err error) {
	if w.errors == nil {
		if w.errors, err = w.objects.Create(ctx, w.job.Output+"errors.jsonl"); err != nil {
			return err
		}
	}
	reader, err := w.objects.OpenRange(ctx, orchestrator.Object{URI: from.URI, Size: from.Bytes}, 0, from.Bytes)
	if err != nil {
		return err
	}
	_, err = io.Copy(w.errors, reader)
	w.errRows += from.Rows
	return errors.Join(err, reader.Close())
}

// tail ends the error file, then the manifest: where the manifest is, everything it names is there.
func (w *resultWriter) tail(ctx context.Context) (results, error) {
	totals := Totals{Counts: w.machine.Counts(), Actual: w.actual, Failure: w.failure}
	totals.Counts.BytesTotal = w.job.Counts.BytesTotal
	if w.errors != nil {
		file := w.errors
		w.errors = nil
		written, err := file.Close(ctx)
		if err != nil {
			return results{}, err
		}
		written.Rows = w.errRows
		totals.Errors = &written
	} else if err := w.removeOldErrors(ctx); err != nil {
		return results{}, err
	}
	encoded, err := json.Marshal(totals)
	if err != nil {
		return results{}, fmt.Errorf("encode manifest: %w", err)
	}
	if _, err := w.buffer.WriteString("],\n\"totals\":" + string(encoded) + "}\n"); err != nil {
		return results{}, err
	}
	if err := w.buffer.Flush(); err != nil {
		return results{}, err
	}
	file := w.manifest
	w.manifest = nil
	written, err := file.Close(ctx)
	if err != nil {
		return results{}, err
	}
	return results{manifest: written.URI, actual: w.actual, counts: totals.Counts, failure: w.failure}, nil
}

// removeOldErrors takes away the error file of an earlier epoch whose rows have all been scored since.
func (w *resultWriter) removeOldErrors(ctx context.Context) error {
	if w.job.Epoch == 0 {
		return nil
	}
	return w.objects.Delete(ctx, w.job.Output+"errors.jsonl")
}

func (w *resultWriter) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, file := range []*object.Writer{w.manifest, w.errors} {
		if file != nil {
			_ = file.Abort(ctx) // nothing of it is visible; a left-over is swept
		}
	}
}
