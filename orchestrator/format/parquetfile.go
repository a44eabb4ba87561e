package format

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	tailBytes       = 64 << 10 // the end of the file is read at once: it holds the footer
	maxFooterBytes  = 256 << 20
	leastPageBuffer = 16 << 10
	mostPageBuffer  = 1 << 20
	allPageBuffers  = 64 << 20 // bytes of all columns' buffers together
)

// parquetFile is an open parquet object.
type parquetFile struct {
	*parquet.File
	in *rangedReader
}

// rangedReader reads anywhere in an object with one ranged read each, except for the object's end, which it keeps.
type rangedReader struct {
	ctx    context.Context
	source Source
	from   orchestrator.Object
	tail   []byte // the last bytes of the object
	err    error  // the last failure of the source, as opposed to bytes that make no sense
}

func (r *rangedReader) ReadAt(buffer []byte, offset int64) (int, error) {
	if offset < 0 || offset >= r.from.Size {
		return 0, io.EOF
	}
	if begin := r.from.Size - int64(len(r.tail)); offset >= begin && len(r.tail) > 0 {
		count := copy(buffer, r.tail[offset-begin:])
		if count < len(buffer) {
			return count, io.EOF
		}
		return count, nil
	}
	length := min(int64(len(buffer)), r.from.Size-offset)
	count, err := r.read(buffer[:length], offset)
	if err == nil && count < len(buffer) {
		err = io.EOF
	}
	return count, err
}

func (r *rangedReader) read(buffer []byte, offset int64) (int, error) {
	reader, err := r.source.OpenRange(r.ctx, r.from, offset, int64(len(buffer)))
	if err != nil {
		r.err = err
		return 0, err
	}
	count, err := io.ReadFull(reader, buffer)
	if err = errors.Join(err, reader.Close()); err != nil {
		r.err = err
	}
	return count, err
}

// failure says whether the source failed or the bytes are no parquet.
func (r *rangedReader) failure(row int64, cause error) error {
	if r.err != nil {
		return r.err
	}
	return &Error{Code: CodeCorruptInput, Object: r.from.URI, Offset: row, Message: "is not a parquet file that can be read", Err: cause}
}

// openParquet reads the footer. The size of the page buffers depends on the number of columns, so that wide files stay bounded.
func openParquet(ctx context.Context, source Source, from orchestrator.Object) (file *parquetFile, err error) {
	in := &rangedReader{ctx: ctx, source: source, from: from}
	tail := make([]byte, min(from.Size, tailBytes))
	if _, err := in.read(tail, from.Size-int64(len(tail))); err != nil {
		return nil, err
	}
	in.tail = tail
	if err := checkFooter(from, tail); err != nil {
		return nil, err
	}
	defer guard(func(cause error) { file, err = nil, in.failure(0, cause) })
	footer := []parquet.FileOption{parquet.SkipMagicBytes(true), parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true)}
	opened, err := parquet.OpenFile(in, from.Size, footer...)
	if err != nil {
		return nil, in.failure(0, err)
	}
	columns := len(opened.Schema().Columns())
	buffer := mostPageBuffer
	for buffer > leastPageBuffer && buffer*columns > allPageBuffers {
		buffer /= 2
	}
	opened, err = parquet.OpenFile(in, from.Size, append(footer, parquet.SkipPageIndex(false), parquet.ReadBufferSize(buffer))...)
	if err != nil {
		return nil, in.failure(0, err)
	}
	return &parquetFile{opened, in}, nil
}

// checkFooter looks at the last eight bytes before a library believes the length in them.
func checkFooter(from orchestrator.Object, tail []byte) error {
	const frame = 8
	corrupt := func(message string) error {
		return &Error{Code: CodeCorruptInput, Object: from.URI, Message: message}
	}
	if len(tail) < frame {
		return corrupt("is too short for a parquet file")
	}
	end := tail[len(tail)-frame:]
	if string(end[4:]) != "PAR1" {
		return corrupt("does not end like a parquet file that is not encrypted")
	}
	if footer := int64(binary.LittleEndian.Uint32(end)); footer > min(from.Size-frame, maxFooterBytes) {
		return corrupt(fmt.Sprintf("claims a footer of %d bytes", footer))
	}
	return nil
}

// guard turns a panic of the parquet library about impossible bytes into an error. Use with defer.
func guard(failed func(cause error)) {
	if problem := recover(); problem != nil {
		failed(fmt.Errorf("decode parquet: %v", problem))
	}
}

// RowGroups gives the row numbers at which the row groups of a parquet object begin, and its number of rows at the end: the
// best places to cut it.
func RowGroups(ctx context.Context, source Source, from orchestrator.Object) ([]int64, error) {
	file, err := openParquet(ctx, source, from)
	if err != nil {
		return nil, err
	}
	borders := []int64{0}
	for _, group := range file.RowGroups() {
		if rows := group.NumRows(); rows > 0 {
			borders = append(borders, borders[len(borders)-1]+rows)
		}
	}
	return borders, nil
}
