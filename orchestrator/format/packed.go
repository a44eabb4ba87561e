package format

import (
	"context"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"nightshift.dev/nightshift/orchestrator"
)

// maxWindow bounds the memory of a zstd stream; it is what the zstd tool accepts without being asked.
const maxWindow = 128 << 20

// packed reads a compressed object from its beginning. Bytes that cannot be decoded give corrupt_input with the offset in the
// decompressed stream; a failure of the source stays what it is.
type packed struct {
	raw    *counted
	from   orchestrator.Object
	stream io.Reader // decompressed; nil before the first Read
	offset int64     // in the decompressed stream
	shut   func()
}

// counted passes on what a source gives, and remembers how much and why it ended.
type counted struct {
	in    io.ReadCloser
	bytes int64
	err   error // other than the end
}

func (c *counted) Read(buffer []byte) (int, error) {
	count, err := c.in.Read(buffer)
	c.bytes += int64(count)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return count, err
}

func openPacked(ctx context.Context, source Source, from orchestrator.Object, part orchestrator.Range) (*packed, error) {
	if part.Start != 0 || part.End != from.Size {
		return nil, badRange(from, part, "a compressed object has only the range from 0 to its size")
	}
	in, err := source.OpenRange(ctx, from, 0, -1)
	if err != nil {
		return nil, err
	}
	return &packed{raw: &counted{in: in}, from: from, shut: func() {}}, nil
}

func (p *packed) Read(buffer []byte) (int, error) {
	if p.stream == nil {
		if err := p.begin(); err != nil {
			return 0, p.failure(err)
		}
	}
	count, err := p.stream.Read(buffer)
	p.offset += int64(count)
	if err != nil && err != io.EOF {
		err = p.failure(err)
	}
	return count, err
}

func (p *packed) begin() error {
	switch {
	case p.from.Size == 0:
		return errors.New("it is empty, which no compressed object is")
	case p.from.Compression == orchestrator.CompressionGzip:
		stream, err := gzip.NewReader(p.raw)
		if err != nil {
			return err
		}
		p.stream = stream
		return nil
	case p.from.Compression == orchestrator.CompressionZstd:
		stream, err := zstd.NewReader(p.raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return err
		}
		p.stream, p.shut = stream, stream.Close
		return nil
	}
	return errors.New("the compression is not gzip or zstd")
}

func (p *packed) failure(cause error) error {
	if p.raw.err != nil {
		return p.raw.err
	}
	if errors.Is(cause, io.EOF) {
		cause = io.ErrUnexpectedEOF
	}
	return &Error{Code: CodeCorruptInput, Object: p.from.URI, Offset: p.offset,
		Message: "cannot be decompressed as " + string(p.from.Compression), Err: cause}
}

func (p *packed) close() error {
	p.shut()
	return p.raw.in.Close()
}
