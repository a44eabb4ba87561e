package format

import (
	"context"
	"errors"
	"fmt"
	"io"

	"nightshift.dev/nightshift/orchestrator"
)

// maxResultBytes is the longest row of a result part that is read again.
const maxResultBytes = 64 << 20

// PartReader reads the rows of a result part in order, as JSON lines. It is used by one goroutine.
type PartReader struct {
	rows  *Rows
	chunk *Chunk
	next  int // row of chunk that comes next
	given int64
	part  orchestrator.ObjectRef
}

// OpenPart opens a part that a PartWriter wrote.
func OpenPart(ctx context.Context, source Source, part orchestrator.ObjectRef, layout orchestrator.Format) (*PartReader, error) {
	from := partObject(part, layout)
	end := part.Bytes
	if layout == orchestrator.FormatParquet {
		end = part.Rows
	}
	rows, err := OpenRows(ctx, source, from, orchestrator.Range{End: end}, Options{MaxRowBytes: maxResultBytes})
	if err != nil {
		return nil, err
	}
	return &PartReader{rows: rows, part: part}, nil
}

func partObject(part orchestrator.ObjectRef, layout orchestrator.Format) orchestrator.Object {
	return orchestrator.Object{URI: part.URI, Size: part.Bytes, Format: layout}
}

// Next gives the next row. It stays valid until the call after. After the last row comes io.EOF; a part that does not have
// the rows it is said to have gives part_mismatch.
func (p *PartReader) Next() ([]byte, error) {
	if p.chunk == nil || p.next == len(p.chunk.Rows) {
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	row := p.chunk.Rows[p.next]
	if row.Error != nil {
		return nil, p.mismatch("row " + fmt.Sprint(p.given) + " is broken: " + row.Error.Message)
	}
	p.next++
	p.given++
	return row.Line, nil
}

func (p *PartReader) advance() error {
	p.release()
	chunk, err := p.rows.Next(parquetBatch)
	if err == io.EOF && p.given != p.part.Rows {
		return p.mismatch(fmt.Sprintf("has %d rows instead of %d", p.given, p.part.Rows))
	}
	p.chunk, p.next = chunk, 0
	return err
}

func (p *PartReader) release() {
	if p.chunk != nil {
		p.chunk.Release()
		p.chunk = nil
	}
}

func (p *PartReader) mismatch(message string) error {
	return &Error{Code: CodePartMismatch, Object: p.part.URI, Offset: p.given, Message: message}
}

// Close ends the reading.
func (p *PartReader) Close() error {
	p.release()
	return p.rows.Close()
}

// FreshRow is a row that was scored again, as PartWriter.Append takes it.
type FreshRow struct {
	Key    []byte
	Object string
	Offset int64
	Result []byte
}

// MergePart writes a part again after rows of it were retried. The old part has all rows of the range but those that had
// failed: failed lists their ordinals, counted from 0 over the rows of the range and ascending. For each of them fresh gives
// the new result, or false when it failed again; all others are copied. So the new part is in the order of the input, as if
// the rows had never failed. rows is the number of rows of the range.
func MergePart(old *PartReader, out *PartWriter, rows int64, failed []int64, fresh func(ordinal int64) (FreshRow, bool)) error {
	if have, want := old.part.Rows, rows-int64(len(failed)); have != want {
		return old.mismatch(fmt.Sprintf("has %d rows; of %d rows %d had failed, so there should be %d", have, rows, len(failed), want))
	}
	if err := out.adopt(old); err != nil {
		return err
	}
	for ordinal := range rows {
		if len(failed) > 0 && failed[0] == ordinal {
			failed = failed[1:]
			if row, ok := fresh(ordinal); ok {
				if err := out.Append(row.Key, row.Object, row.Offset, row.Result); err != nil {
					return err
				}
			}
			continue
		}
		line, err := old.Next()
		if err == io.EOF {
			return old.mismatch("has fewer rows than it should")
		}
		if err != nil {
			return err
		}
		if err := out.encoder.append(line); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return old.mismatch(fmt.Sprintf("failed row %d is not one of the %d rows in ascending order", failed[0], rows))
	}
	if _, err := old.Next(); !errors.Is(err, io.EOF) {
		return errors.Join(old.mismatch("has more rows than it should"), err)
	}
	return nil
}

// adopt takes over the column types of an old part, so that its rows fit as they are.
func (p *PartWriter) adopt(old *PartReader) error {
	encoder, columnar := p.encoder.(*parquetEncoder)
	decoder, ok := old.rows.decoder.(*parquetRows)
	if !columnar || !ok {
		return nil
	}
	had, err := shapeOf(decoder.file)
	if err != nil {
		return err
	}
	if err := encoder.shape.join(had, ""); err != nil {
		return &Error{Code: CodeTypeConflict, Object: old.part.URI, Message: err.Error()}
	}
	return nil
}
