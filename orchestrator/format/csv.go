package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"nightshift.dev/nightshift/orchestrator"
)

// csvRows reads the rows whose first byte lies in a range that begins at a row. Each becomes a JSON object in the order of
// the header. The header and rows without any byte are no rows.
type csvRows struct {
	lines  *lines
	end    int64 // rows that begin here or later belong to others
	header *csvHeader
	arena  arena // JSON of the rows
	uri    string
	stop   func() error
}

func openCSV(ctx context.Context, source Source, from orchestrator.Object, part orchestrator.Range, options Options) (decoder, error) {
	switch {
	case !from.Splittable():
		in, err := openPacked(ctx, source, from, part)
		if err != nil {
			return nil, err
		}
		return csvWithHeader(in, in.close, math.MaxInt64, from.URI, options)
	case part.Start > 0:
		return openCSVLater(ctx, source, from, part, options)
	}
	in, err := openSpan(ctx, source, from, 0, part.End)
	if err != nil {
		return nil, err
	}
	return csvWithHeader(in, in.close, part.End, from.URI, options)
}

// csvWithHeader reads a stream that begins with the header.
func csvWithHeader(in io.Reader, stop func() error, end int64, uri string, options Options) (*csvRows, error) {
	reader := newCSV(in, 0, end, uri, options)
	reader.stop = stop
	if err := reader.takeHeader(options); err != nil {
		return nil, errors.Join(err, reader.close())
	}
	return reader, nil
}

// openCSVLater reads a range that begins with a row.
func openCSVLater(ctx context.Context, source Source, from orchestrator.Object, part orchestrator.Range, options Options) (decoder, error) {
	header, err := readHeader(ctx, source, from, options)
	if err != nil {
		return nil, err
	}
	in, err := openSpan(ctx, source, from, part.Start-1, part.End)
	if err != nil {
		return nil, err
	}
	reader := newCSV(in, part.Start, part.End, from.URI, options)
	reader.header, reader.stop = header, in.close
	// The newline before a row is the only sign that a cut was made where a row begins.
	var before [1]byte
	if _, err := io.ReadFull(in, before[:]); err == nil && before[0] != '\n' {
		return nil, errors.Join(badRange(from, part, "no row begins at its start; a csv object is cut only where IndexCSV says"), reader.close())
	}
	return reader, nil
}

func readHeader(ctx context.Context, source Source, from orchestrator.Object, options Options) (*csvHeader, error) {
	in, err := openSpan(ctx, source, from, 0, 0)
	if err != nil {
		return nil, err
	}
	reader, err := csvWithHeader(in, in.close, 0, from.URI, options)
	if err != nil {
		return nil, err
	}
	return reader.header, reader.close()
}

func newCSV(in io.Reader, offset, end int64, uri string, options Options) *csvRows {
	rows := newLines(in, offset, options.maxRowBytes())
	rows.quotes = true
	return &csvRows{lines: rows, end: end, arena: newArena(), uri: uri}
}

// takeHeader reads the first row of the object; an object without any row has no header and needs none.
func (c *csvRows) takeHeader(options Options) error {
	limit := c.lines.limit
	c.lines.limit = maxHeaderBytes
	first, err := c.lines.next()
	for err == nil && !first.tooLong && len(first.content()) == 0 {
		first, err = c.lines.next()
	}
	switch {
	case err == io.EOF:
		c.header = &csvHeader{}
		return nil
	case err != nil:
		return err
	case first.tooLong:
		return &Error{Code: CodeBadHeader, Object: c.uri, Message: fmt.Sprintf("the header has more than %d bytes; is the object csv?", maxHeaderBytes)}
	}
	c.lines.limit = limit
	c.header, err = parseHeader(c.uri, first.content(), options)
	return err
}

func (c *csvRows) next(into *Chunk) error {
	if c.lines.offset >= c.end {
		return io.EOF
	}
	found, err := c.lines.next()
	if err != nil {
		return err
	}
	switch {
	case found.tooLong:
		into.Rows = append(into.Rows, rowTooLong(c.uri, found.offset, c.lines.limit))
	case len(found.text) > 0:
		into.Rows = append(into.Rows, c.row(into, found))
	}
	return nil
}

// row writes one row as JSON into the arena.
func (c *csvRows) row(into *Chunk, found line) Row {
	if !utf8.Valid(found.text) {
		return c.bad(found, CodeInvalidUTF8, fmt.Sprintf("byte %d of the row is no UTF-8", firstInvalid(found.text)))
	}
	c.arena.room(len(c.header.prefixes) + 2*len(found.text) + 2) // escapes may take more
	out, keyStart, keyEnd, problem := c.header.object(c.arena.rest(), found.text)
	if problem != nil {
		return c.bad(found, problem.code, problem.message)
	}
	row := Row{Line: c.arena.take(into, out), Offset: found.offset, Key: notNull(out[keyStart:keyEnd:keyEnd])}
	return row
}

func (c *csvRows) bad(found line, code, message string) Row {
	return Row{Offset: found.offset, Error: &orchestrator.RowError{Object: c.uri, Offset: found.offset, Code: code, Message: message}}
}

func (c *csvRows) close() error {
	c.lines.close()
	c.arena.close()
	return c.stop()
}
