package format

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/tidwall/gjson"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	maxPartBytes   = 512 << 20 // lines a parquet part may hold before it is written
	mostPartLeaves = 10_000    // columns of a part
	rowsPerGroup   = 1 << 20
)

// partOptions are the same for every file we write, so that row groups can be copied from one to the other as they are.
func partOptions(schema *parquet.Schema) []parquet.WriterOption {
	return []parquet.WriterOption{schema, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(rowsPerGroup)}
}

// parquetEncoder keeps the lines of a part until its types are known for all rows, then writes the file at once.
type parquetEncoder struct {
	out   Output
	key   string
	shape *shape
	lines [][]byte
	free  []byte // rest of the buffer that holds the last lines
	bytes int64
}

func (p *parquetEncoder) append(line []byte) error {
	object := gjson.Parse(unsafe.String(&line[0], len(line))) // not kept
	if !p.shape.covers(object) {
		wider := p.shape.clone()
		if err := wider.learn(object, ""); err != nil {
			return &Error{Code: CodeTypeConflict, Message: err.Error()}
		}
		if wider.leaves() > mostPartLeaves {
			return &Error{Code: CodeTypeConflict, Message: fmt.Sprintf("with this row the part would have more than %d columns", mostPartLeaves)}
		}
		p.shape = wider
	}
	if p.bytes+int64(len(line)) > maxPartBytes {
		return &Error{Code: CodePartTooLarge, Message: fmt.Sprintf("a parquet part holds at most %d bytes of rows; use smaller shards", maxPartBytes)}
	}
	if len(p.free) < len(line) {
		p.free = make([]byte, max(1<<20, len(line)))
	}
	kept := p.free[:len(line):len(line)]
	copy(kept, line)
	p.free = p.free[len(line):]
	p.lines = append(p.lines, kept)
	p.bytes += int64(len(line))
	return nil
}

func (p *parquetEncoder) rows() int64 { return int64(len(p.lines)) }

func (p *parquetEncoder) close(ctx context.Context) (written orchestrator.ObjectRef, err error) {
	defer guard(func(cause error) { err = fmt.Errorf("write parquet part: %w", cause) })
	if len(p.shape.members) == 0 { // a file has at least one column
		p.shape.members = identity(p.key)
	}
	writer := newParquetWriter(p.out, p.shape)
	for _, line := range p.lines {
		if err := writer.add(unsafe.String(&line[0], len(line))); err != nil {
			return orchestrator.ObjectRef{}, fmt.Errorf("write parquet part: %w", err)
		}
	}
	if err := writer.close(); err != nil {
		return orchestrator.ObjectRef{}, fmt.Errorf("write parquet part: %w", err)
	}
	written, err = p.out.Close(ctx)
	written.Rows = p.rows()
	return written, err
}

// identity is what every part has: the key column or the place of the row.
func identity(key string) []member {
	if key != "" {
		return []member{{key, &shape{}}}
	}
	return []member{{ColumnObject, &shape{kind: textShape}}, {ColumnOffset, &shape{kind: intShape}}}
}

// parquetWriter writes lines of a known shape.
type parquetWriter struct {
	*parquet.Writer
	shredder *shredder
	batch    []parquet.Row
}

func newParquetWriter(out Output, of *shape) *parquetWriter {
	return &parquetWriter{
		Writer: parquet.NewWriter(out, partOptions(of.schema())...), shredder: newShredder(of), batch: make([]parquet.Row, 0, parquetBatch),
	}
}

// add takes a line, which must stay as it is until the next flush.
func (w *parquetWriter) add(line string) error {
	at := len(w.batch)
	w.batch = w.batch[:at+1]
	w.batch[at] = w.shredder.row(w.batch[at][:0], line)
	if len(w.batch) < cap(w.batch) {
		return nil
	}
	return w.flush()
}

func (w *parquetWriter) flush() error {
	_, err := w.WriteRows(w.batch)
	w.batch = w.batch[:0]
	return err
}

func (w *parquetWriter) close() error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.Close()
}
