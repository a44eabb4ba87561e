package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/api"
	"nightshift.dev/nightshift/orchestrator/format"
	"nightshift.dev/nightshift/orchestrator/object"
	"nightshift.dev/nightshift/orchestrator/planner"
)

// lookAtInput lists the objects with their identities, reads a sample of the first one, and prices the job.
func (d *Dispatcher) lookAtInput(ctx context.Context, ready prepared) (prepared, error) {
	store, err := object.New(object.Access{Read: ready.queue.ReadRoots, Write: ready.queue.WriteRoots})
	if err != nil {
		return ready, fmt.Errorf("use the queue's input roots: %w", err)
	}
	defer func() { _ = store.Close() }() // only read
	for i, pattern := range ready.job.Spec.Input {
		found, err := store.List(ctx, pattern, ready.job.Spec.Format, ready.queue.MaxObjects-len(ready.objects))
		if err != nil {
			return ready, inputProblem(fmt.Sprintf("input[%d]", i), err)
		}
		ready.objects = append(ready.objects, found...)
	}
	request := planner.Request{
		Job: ready.job.JobKey, Model: ready.job.Model, Deadline: ready.job.Deadline, Objects: ready.objects, BatchRows: ready.model.BatchRows,
	}
	ready.job.Counts.BytesTotal, request.Rows = size(ready.objects), 0
	if len(ready.objects) > 0 {
		from := largest(ready.objects)
		sample, err := format.Sample(ctx, store, from, format.Options{Key: ready.job.Spec.Key, Columns: ready.model.Columns, MaxRowBytes: ready.model.MaxRowBytes})
		if err != nil {
			return ready, inputProblem("input", err)
		}
		if key := ready.job.Spec.Key; key != "" && sample.Rows > 0 && !slices.Contains(sample.Columns, key) {
			return ready, &api.Error{Code: api.CodeInvalid, Field: "key", Message: fmt.Sprintf(
				"%s has no column %q among its first rows; it has: %s", from.URI, key, strings.Join(sample.Columns, ", "))}
		}
		request.RowBytes, request.Rows = sample.RowBytes, -1
		if len(ready.objects) == 1 {
			request.Rows = sample.Rows
		}
	}
	ready.job.Estimate = d.config.Estimate(request)
	ready.job.Counts.RowsTotal = max(ready.job.Estimate.Rows, 0)
	return ready, nil
}

// unlooked is for a job whose input is made by its steps: only where it may lie is looked at.
func (d *Dispatcher) unlooked(ctx context.Context, ready prepared) (prepared, error) {
	store, err := object.New(object.Access{Read: ready.queue.ReadRoots, Write: ready.queue.WriteRoots})
	if err != nil {
		return ready, fmt.Errorf("use the queue's input roots: %w", err)
	}
	defer func() { _ = store.Close() }() // only read
	for i, pattern := range ready.job.Spec.Input {
		var wrong *object.Error
		_, err := store.List(ctx, pattern, ready.job.Spec.Format, ready.queue.MaxObjects)
		if errors.As(err, &wrong) && slices.Contains([]string{object.CodeOutsideRoots, object.CodeSchemeNotAllowed, object.CodeInvalidURI}, wrong.Code) {
			return ready, inputProblem(fmt.Sprintf("input[%d]", i), err)
		}
	}
	ready.job.Estimate = orchestrator.Estimate{Basis: "unknown", Notes: []string{"its input is looked at, and priced, when the steps before its scoring have ended"}}
	return ready, nil
}

func size(objects []orchestrator.Object) (bytes int64) {
	for _, one := range objects {
		bytes += one.Size
	}
	return bytes
}

// largest is the object whose rows say most about the average row.
func largest(objects []orchestrator.Object) orchestrator.Object {
	return slices.MaxFunc(objects, func(a, b orchestrator.Object) int { return cmp.Compare(a.Size, b.Size) })
}

// inputProblem turns an error about input into an answer for the submitter.
func inputProblem(field string, err error) error {
	var inObject *object.Error
	if errors.As(err, &inObject) {
		code := api.CodeInvalid
		switch inObject.Code {
		case object.CodeNotFound:
			code = api.CodeNotFound
		case object.CodeOutsideRoots, object.CodeSchemeNotAllowed, object.CodeNotReadable:
			code = api.CodeForbidden
		case object.CodeTooManyObjects:
			code = api.CodeTooLarge
		case object.CodeUnavailable:
			code = api.CodeUnavailable
		}
		return &api.Error{Code: code, Field: field, Message: inObject.Error()}
	}
	var inFormat *format.Error
	if errors.As(err, &inFormat) {
		return &api.Error{Code: api.CodeInvalid, Field: field, Message: inFormat.Error()}
	}
	return err
}
