package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/jsonrow"
)

// jsonl reads the rows whose first byte lies in a range. A byte order mark belongs to the first row, which begins at 0.
type jsonl struct {
	lines *lines
	end   int64 // rows that begin here or later belong to others
	rowCheck
	uri  string
	stop func() error
}

func openJSONL(ctx context.Context, source Source, from orchestrator.Object, part orchestrator.Range, options Options) (decoder, error) {
	if !from.Splittable() {
		in, err := openPacked(ctx, source, from, part)
		if err != nil {
			return nil, err
		}
		reader := newJSONL(in, 0, math.MaxInt64, from.URI, options)
		reader.stop = in.close
		return reader, nil
	}
	start := max(0, part.Start-1)
	bytesIn, err := openSpan(ctx, source, from, start, part.End)
	if err != nil {
		return nil, err
	}
	reader := newJSONL(bytesIn, start, part.End, from.URI, options)
	reader.stop = bytesIn.close
	if part.Start == 0 {
		return reader, nil
	}
	// Whoever has the byte before the range reads on to the end of its line.
	found, err := reader.lines.skip(part.End)
	if err == nil && found {
		return reader, nil
	}
	if err != nil && err != io.EOF {
		return nil, errors.Join(err, reader.close())
	}
	reader.end = 0 // no row begins in the range
	return reader, nil
}

func newJSONL(in io.Reader, offset, end int64, uri string, options Options) *jsonl {
	return &jsonl{lines: newLines(in, offset, options.maxRowBytes()), end: end, rowCheck: rowCheck{rows: jsonrow.NewReader(options.Key)}, uri: uri}
}

// rowCheck looks at a line of JSON.
type rowCheck struct {
	rows    *jsonrow.Reader
	glances bool // somebody else checks the rows
}

func (c *rowCheck) uncheck() { c.glances = true }

// look finds the key of a row and says whether it is one; at a glance it only finds the key, and what parsers behind us would rather not meet.
func (c *rowCheck) look(text []byte) (key []byte, valid bool) {
	if c.glances {
		key, valid = c.rows.Glance(text)
		return key, valid && !tooDeep(text)
	}
	key, valid = c.rows.Column(text)
	return key, valid && utf8.Valid(text)
}

func (j *jsonl) next(into *Chunk) error {
	if j.lines.offset >= j.end {
		return io.EOF
	}
	found, err := j.lines.next()
	if err != nil {
		return err
	}
	if found.tooLong {
		into.Rows = append(into.Rows, rowTooLong(j.uri, found.offset, j.lines.limit))
		return nil
	}
	text := found.content()
	if blank(text) {
		return nil
	}
	row := Row{Offset: found.offset}
	if key, valid := j.look(text); !valid {
		row.Error = whyBad(text)
		row.Error.Object, row.Error.Offset = j.uri, found.offset
	} else {
		row.Line, row.Key = text, notNull(key)
		into.hold(j.lines.block)
		into.bytes += len(text)
	}
	into.Rows = append(into.Rows, row)
	return nil
}

func (j *jsonl) close() error {
	j.lines.close()
	return j.stop()
}

func rowTooLong(uri string, offset int64, limit int) Row {
	return Row{Offset: offset, Error: &orchestrator.RowError{
		Object: uri, Offset: offset, Code: CodeRowTooLong, Message: fmt.Sprintf("the row has more than %d bytes", limit),
	}}
}

// blank says whether a line holds only spaces.
func blank(text []byte) bool {
	for _, char := range text {
		if char != ' ' && char != '\t' && char != '\r' {
			return false
		}
	}
	return true
}
