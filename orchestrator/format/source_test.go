package format

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nightshift.dev/nightshift/orchestrator"
)

const testURI = "file:///data/in/rows"

// memorySource is a Source over bytes. step bounds how many bytes one Read gives; 0 means no bound.
type memorySource struct {
	data []byte
	step int
}

func (m memorySource) OpenRange(_ context.Context, _ orchestrator.Object, start, length int64) (io.ReadCloser, error) {
	end := int64(len(m.data))
	if length >= 0 {
		end = min(end, start+length)
	}
	return io.NopCloser(stepReader{bytes.NewReader(m.data[min(start, end):end]), m.step}), nil
}

type stepReader struct {
	in   io.Reader
	step int
}

func (s stepReader) Read(buffer []byte) (int, error) {
	if s.step > 0 && len(buffer) > s.step {
		buffer = buffer[:s.step]
	}
	return s.in.Read(buffer)
}

// object describes the bytes as an object of a format.
func (m memorySource) object(layout orchestrator.Format) orchestrator.Object {
	return orchestrator.Object{URI: testURI, Size: int64(len(m.data)), Format: layout}
}

// readRow is a Row that outlives its chunk.
type readRow struct {
	Line   string
	Offset int64
	Key    string
	Code   string
}

// readRange reads a range to its end with chunks of at most most rows.
func readRange(t testing.TB, source Source, from orchestrator.Object, start, end int64, most int, options Options) []readRow {
	t.Helper()
	rows, err := tryRange(source, from, start, end, most, options)
	if err != nil {
		t.Fatalf("read range [%d, %d): %v", start, end, err)
	}
	return rows
}

func tryRange(source Source, from orchestrator.Object, start, end int64, most int, options Options) ([]readRow, error) {
	read, err := tryRows(source, from, start, end, most, options, false)
	if from.Format != orchestrator.FormatJSONL {
		return read, err
	}
	unchecked, uncheckedErr := tryRows(source, from, start, end, most, options, true)
	if diff := cmp.Diff(read, unchecked) + cmp.Diff(fmt.Sprint(err), fmt.Sprint(uncheckedErr)); diff != "" {
		return nil, fmt.Errorf("(-checked +unchecked):\n%s", diff)
	}
	return read, err
}

// tryRows reads a range, unchecked if that is wished. Then a row is looked at closely afterwards, as if it had been refused.
func tryRows(source Source, from orchestrator.Object, start, end int64, most int, options Options, unchecked bool) ([]readRow, error) {
	reader, err := OpenRows(context.Background(), source, from, orchestrator.Range{Start: start, End: end}, options)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	if unchecked {
		reader.Unchecked()
	}
	var read []readRow
	for {
		chunk, err := reader.Next(most)
		if err == io.EOF {
			return read, nil
		}
		if err != nil {
			return read, err
		}
		for _, row := range chunk.Rows {
			if unchecked {
				Recheck(&row, from.URI)
			}
			one := readRow{Line: string(row.Line), Offset: row.Offset, Key: string(row.Key)}
			if row.Error != nil {
				one.Code = row.Error.Code
			}
			read = append(read, one)
		}
		chunk.Release()
	}
}

type fataler interface {
	Helper()
	Fatalf(format string, values ...any)
}

// contextOf is the context of a test, or of a rapid check, which has one too.
func contextOf(t fataler) context.Context {
	if having, ok := t.(interface{ Context() context.Context }); ok {
		return having.Context()
	}
	return context.Background()
}

// shelf keeps objects in memory, by URI.
type shelf map[string][]byte

func (s shelf) OpenRange(ctx context.Context, from orchestrator.Object, start, length int64) (io.ReadCloser, error) {
	return memorySource{s[from.URI], 0}.OpenRange(ctx, from, start, length)
}

// create begins an object that appears on the shelf when it is closed.
func (s shelf) create(uri string) Output { return &shelved{uri: uri, shelf: s} }

type shelved struct {
	bytes.Buffer
	uri   string
	shelf shelf
}

func (s *shelved) Close(context.Context) (orchestrator.ObjectRef, error) {
	s.shelf[s.uri] = bytes.Clone(s.Bytes())
	return orchestrator.ObjectRef{URI: s.uri, Bytes: int64(s.Len()), SHA256: fmt.Sprintf("%x", sha256.Sum256(s.Bytes()))}, nil
}

func (s *shelved) Abort(context.Context) error { return nil }
