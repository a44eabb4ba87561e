package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"nightshift.dev/nightshift/orchestrator"
)

// target takes what is fetched: a file, which appears whole or not at all, or standard output. It implements format.Output.
type target struct {
	out    io.Writer
	file   *os.File // hidden beside path until Close; nil for standard output
	path   string
	bytes  int64
	lines  bool  // rows are lines
	rows   int64 // lines seen
	wanted int64 // rows that there must be, where rows are lines
}

func createTarget(path string) (*target, error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".nightshift-*.part")
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return &target{out: file, file: file, path: path}, nil
}

func (t *target) Write(data []byte) (int, error) {
	written, err := t.out.Write(data)
	t.bytes += int64(written)
	if t.lines {
		t.rows += int64(bytes.Count(data[:written], []byte{'\n'}))
	}
	return written, err
}

// Close compares the number of rows and makes the file appear. On a failure nothing is left.
func (t *target) Close(ctx context.Context) (orchestrator.ObjectRef, error) {
	written := orchestrator.ObjectRef{Bytes: t.bytes}
	if t.lines && t.rows != t.wanted {
		return written, errors.Join(fmt.Errorf("got %s, but the manifest says %s", plural(t.rows, "row"), number(t.wanted)), t.Abort(ctx))
	}
	if t.file == nil {
		return written, nil
	}
	err := errors.Join(t.file.Chmod(0o644), t.file.Sync(), t.file.Close())
	if err == nil {
		err = os.Rename(t.file.Name(), t.path)
	}
	if err != nil {
		_ = os.Remove(t.file.Name()) // the first error says why
		return written, fmt.Errorf("write %s: %w", t.path, err)
	}
	return written, nil
}

// Abort leaves nothing behind.
func (t *target) Abort(context.Context) error {
	if t.file == nil {
		return nil
	}
	_ = t.file.Close() // it is thrown away
	return os.Remove(t.file.Name())
}
