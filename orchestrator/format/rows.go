package format

import (
	"context"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/jsonrow"
)

// Source opens parts of objects; object.Store implements it.
type Source interface {
	OpenRange(ctx context.Context, from orchestrator.Object, start, length int64) (io.ReadCloser, error)
}

const (
	// DefaultMaxRowBytes is the longest row unless Options say otherwise.
	DefaultMaxRowBytes = 1 << 20
	// maxChunkBytes ends a chunk early, so that a chunk of huge rows stays bounded.
	maxChunkBytes = 16 << 20
)

// Options say how rows are read.
type Options struct {
	Key         string            // column whose raw JSON value is the row's key; empty for none
	MaxRowBytes int               // longest row in bytes, without its newline; 0 means DefaultMaxRowBytes; AsRecords measures otherwise
	Columns     map[string]string // csv only: declared types by column: string, int64, float64, bool
}

func (o Options) maxRowBytes() int {
	if o.MaxRowBytes > 0 {
		return o.MaxRowBytes
	}
	return DefaultMaxRowBytes
}

// Row is one row, or the reason why there is none.
type Row struct {
	Line   []byte                 // one JSON object without newline; nil when Error is set or the chunk has a record
	Offset int64                  // byte at which the row begins in the (decompressed) object; row number for parquet
	Key    []byte                 // raw JSON of the key column; nil when it is absent or null
	Error  *orchestrator.RowError // nil for a good row
}

// Chunk is some rows in order. Its lines, keys and record lie in buffers that the chunk owns: they stay valid until Release,
// also while further chunks are read. Release hands the buffers back for reuse and ends the chunk; a chunk that is never
// released is collected as garbage.
type Chunk struct {
	Rows   []Row
	Record arrow.RecordBatch // the rows without an error, in order, after AsRecords; nil where there are lines or no good row
	blocks []*block
	bytes  int
}

// Release ends the use of the chunk, its rows, lines, keys and record.
func (c *Chunk) Release() {
	if c.Record != nil {
		c.Record.Release()
	}
	for i, held := range c.blocks {
		held.release()
		c.blocks[i] = nil
	}
	clear(c.Rows)
	*c = Chunk{Rows: c.Rows[:0], blocks: c.blocks[:0]}
	chunks.Put(c)
}

// hold keeps the buffer of a row alive as long as the chunk.
func (c *Chunk) hold(b *block) {
	if len(c.blocks) == 0 || c.blocks[len(c.blocks)-1] != b {
		b.retain()
		c.blocks = append(c.blocks, b)
	}
}

// decoder turns the bytes of one range into rows.
type decoder interface {
	// next appends one row to the chunk, or gives io.EOF after the last one. Blank rows append nothing.
	next(into *Chunk) error
	close() error
}

// Rows reads the rows of one range. It is used by one goroutine.
type Rows struct {
	decoder decoder
	record  *recordBuilder // of the decoder, when rows are asked for as records
	err     error          // what follows after the rows that were read before it
}

// OpenRows opens the rows of one range of an object. ctx governs all reading until Close.
func OpenRows(ctx context.Context, source Source, from orchestrator.Object, part orchestrator.Range, options Options) (*Rows, error) {
	if part.Start < 0 || part.End < part.Start {
		return nil, badRange(from, part, "want 0 <= start <= end")
	}
	if from.Format != orchestrator.FormatParquet && part.End > from.Size {
		return nil, badRange(from, part, "it ends after the object")
	}
	open := decoders[from.Format]
	if open == nil {
		return nil, &Error{Code: CodeBadRange, Object: from.URI, Message: fmt.Sprintf("format %q cannot be read; want jsonl, csv or parquet", from.Format)}
	}
	opened, err := open(ctx, source, from, part, options)
	if err != nil {
		return nil, err
	}
	return &Rows{decoder: opened}, nil
}

type openDecoder func(context.Context, Source, orchestrator.Object, orchestrator.Range, Options) (decoder, error)

var decoders = map[orchestrator.Format]openDecoder{
	orchestrator.FormatJSONL:   openJSONL,
	orchestrator.FormatCSV:     openCSV,
	orchestrator.FormatParquet: openParquetRows,
}

func badRange(from orchestrator.Object, part orchestrator.Range, message string) error {
	return &Error{Code: CodeBadRange, Object: from.URI, Offset: part.Start,
		Message: fmt.Sprintf("range [%d, %d) of an object of %d: %s", part.Start, part.End, from.Size, message)}
}

// AsRecords makes chunks hold an Arrow record batch instead of lines where the object allows it: it is parquet, and all its
// columns are booleans, integers, floats (not half ones) or text, with different names, neither nested nor repeated. Integers
// keep their signs and have 32 or 64 bits, as parquet stores them; floats keep their bits; NaN and infinities are null, as in
// lines. Everything else stays as it is: rows, offsets, keys, errors. Only MaxRowBytes is measured otherwise: a row has the
// bytes of its texts and 8 for each other value, nulls included. Call it before the first Next.
func (r *Rows) AsRecords() {
	if rows, ok := r.decoder.(*parquetRows); ok {
		rows.record = newRecordBuilder(rows.file.Root(), rows.tree)
		r.record = rows.record
	}
}

// Unchecked leaves it to the reader of the lines to find those of JSON Lines, and messages, that are no rows, which saves most of the time of reading
// them. Chunks may then hold such lines as good rows, with any key; Recheck tells. Call it before the first Next.
func (r *Rows) Unchecked() {
	if rows, ok := r.decoder.(interface{ uncheck() }); ok {
		rows.uncheck()
	}
}

// Recheck looks closely at a row that the reader of an unchecked chunk refused. If its line is no row after all, the row gets the
// error, and loses the key, that it would have in a checked chunk.
func Recheck(row *Row, uri string) {
	if row.Line == nil || new(jsonrow.Reader).Valid(row.Line) && utf8.Valid(row.Line) {
		return
	}
	row.Error = whyBad(row.Line)
	row.Error.Object, row.Error.Offset = uri, row.Offset
	row.Line, row.Key = nil, nil
}

// Next reads up to most rows, fewer when they are very large or at the end, and gives io.EOF when there are no more. Every
// error of Next is final; the rows before it have been given. The caller owns the chunk until it calls Release.
func (r *Rows) Next(most int) (*Chunk, error) {
	if r.err != nil {
		return nil, r.err
	}
	chunk := newChunk()
	for len(chunk.Rows) < max(1, most) && chunk.bytes < maxChunkBytes && r.err == nil {
		r.err = r.decoder.next(chunk)
	}
	if len(chunk.Rows) == 0 && r.err != nil {
		chunk.Release()
		return nil, r.err
	}
	if r.record != nil {
		chunk.Record = r.record.build()
	}
	return chunk, nil
}

// Close ends the reading. Chunks stay valid.
func (r *Rows) Close() error { return r.decoder.close() }
