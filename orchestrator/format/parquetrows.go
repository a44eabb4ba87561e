package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"

	"nightshift.dev/nightshift/orchestrator"
)

const parquetBatch = 64 // rows decoded at once

// parquetRows reads the rows [number, end) of a parquet object as JSON objects, or as records.
type parquetRows struct {
	file   *parquetFile
	tree   *node
	key    int // key column among the top-level columns, or -1
	limit  int
	number int64 // of the row that comes next
	end    int64
	group  int          // index of the row group that is read next
	begin  int64        // number of its first row
	rows   parquet.Rows // of the row group before that, or nil
	ended  bool         // rows has no more; it stays open until ready is used up
	batch  []parquet.Row
	ready  []parquet.Row // decoded and not given yet
	write  assembler
	record *recordBuilder // nil while rows become lines
	arena  arena
}

func openParquetRows(ctx context.Context, source Source, from orchestrator.Object, part orchestrator.Range, options Options) (decoder, error) {
	if from.Compression != orchestrator.CompressionNone {
		return nil, badRange(from, part, "parquet is not compressed as a whole")
	}
	file, err := openParquet(ctx, source, from)
	if err != nil {
		return nil, err
	}
	if part.End > file.NumRows() {
		return nil, badRange(from, part, fmt.Sprintf("it ends after the last of %d rows", file.NumRows()))
	}
	reader := &parquetRows{file: file, limit: options.maxRowBytes(), number: part.Start, end: part.End, key: -1,
		batch: make([]parquet.Row, parquetBatch), arena: newArena()}
	if err := reader.prepare(options); err != nil {
		return nil, errors.Join(err, reader.close())
	}
	return reader, nil
}

func (p *parquetRows) prepare(options Options) (err error) {
	defer guard(func(cause error) { err = p.file.in.failure(0, cause) })
	p.tree = newTree(p.file.Root(), p.file.Metadata().Schema)
	if options.Key == "" {
		return nil
	}
	columns := p.file.Root().Columns()
	p.key = slices.IndexFunc(columns, func(one *parquet.Column) bool { return one.Name() == options.Key })
	if p.key < 0 {
		return unknownColumn(p.file.in.from.URI, options.Key, names(columns))
	}
	return nil
}

func names(columns []*parquet.Column) []string {
	all := make([]string, len(columns))
	for i, one := range columns {
		all[i] = one.Name()
	}
	return all
}

func (p *parquetRows) next(into *Chunk) (err error) {
	defer guard(func(cause error) { err = p.file.in.failure(p.number, cause) })
	for len(p.ready) == 0 {
		if p.number >= p.end {
			return io.EOF
		}
		if err := p.decode(); err != nil {
			return p.file.in.failure(p.number, err)
		}
	}
	row := p.line
	if p.record != nil {
		row = p.value
	}
	into.Rows = append(into.Rows, row(into, p.ready[0]))
	p.ready = p.ready[1:]
	p.number++
	return nil
}

// line gives a row as a JSON line.
func (p *parquetRows) line(into *Chunk, values parquet.Row) Row {
	p.arena.room(blockBytes / 16)
	line, keyStart, keyEnd := p.write.row(p.arena.rest(), p.tree, values, p.key)
	if p.write.bad != nil || len(line) > p.limit {
		return p.refuse(p.write.bad)
	}
	line = p.arena.take(into, line)
	return Row{Offset: p.number, Line: line, Key: notNull(line[keyStart:keyEnd:keyEnd])}
}

// value adds a row to the record that the chunk will have.
func (p *parquetRows) value(into *Chunk, values parquet.Row) Row {
	size, bad := p.record.look(values)
	if bad != nil || size > p.limit {
		return p.refuse(bad)
	}
	p.record.add()
	into.bytes += size
	row := Row{Offset: p.number}
	if p.key >= 0 {
		p.arena.room(blockBytes / 16)
		row.Key = notNull(p.arena.take(into, p.record.appendKey(p.arena.rest(), p.key)))
	}
	return row
}

// refuse gives a row that has a bad value, or else is too long.
func (p *parquetRows) refuse(bad *problem) Row {
	if bad == nil {
		return rowTooLong(p.file.in.from.URI, p.number, p.limit)
	}
	return Row{Offset: p.number, Error: &orchestrator.RowError{
		Object: p.file.in.from.URI, Offset: p.number, Code: bad.code, Message: bad.message,
	}}
}

// decode reads the next rows of the current row group, or goes to the next one that has rows of the range.
func (p *parquetRows) decode() error {
	if p.ended {
		p.ended = false
		if err := p.closeRows(); err != nil {
			return err
		}
	}
	groups := p.file.RowGroups()
	for p.rows == nil {
		if p.group == len(groups) {
			return fmt.Errorf("the row groups end before row %d", p.number)
		}
		group := groups[p.group]
		begin := p.begin
		p.group++
		p.begin += group.NumRows()
		if p.begin <= p.number {
			continue
		}
		p.rows = group.Rows()
		if err := p.rows.SeekToRow(p.number - begin); err != nil {
			return err
		}
	}
	wanted := min(int64(len(p.batch)), p.end-p.number, p.begin-p.number)
	count, err := p.rows.ReadRows(p.batch[:wanted])
	p.ready = p.batch[:count]
	if err == io.EOF || p.number+int64(count) == p.begin {
		p.ended, err = true, nil
	}
	if err == nil && count == 0 {
		err = errors.New("a row group has fewer rows than it says")
	}
	return err
}

func (p *parquetRows) close() (err error) {
	defer guard(func(cause error) { err = cause })
	p.arena.close()
	return p.closeRows()
}

func (p *parquetRows) closeRows() error {
	if p.rows == nil {
		return nil
	}
	err := p.rows.Close()
	p.rows = nil
	return err
}
