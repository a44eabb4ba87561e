package format

import (
	"context"
	"io"

	"nightshift.dev/nightshift/orchestrator"
)

const (
	readAhead  = 64 << 10 // bytes asked for beyond the end of a range, for its last row
	nextWindow = 1 << 20  // bytes asked for when that was not enough
)

// span reads an object from a byte to its end, but asks the source only for what is likely to be needed and for more when it
// is: the end of a range's last row is not known before.
type span struct {
	ctx    context.Context
	source Source
	from   orchestrator.Object
	at     int64 // next byte to read
	until  int64 // end of what the current reader was asked for
	reader io.ReadCloser
}

// openSpan begins at start and expects to read to end and a little more.
func openSpan(ctx context.Context, source Source, from orchestrator.Object, start, end int64) (*span, error) {
	s := &span{ctx: ctx, source: source, from: from, at: start}
	return s, s.open(min(from.Size, end+readAhead))
}

func (s *span) open(until int64) error {
	reader, err := s.source.OpenRange(s.ctx, s.from, s.at, until-s.at)
	if err != nil {
		return err
	}
	s.reader, s.until = reader, until
	return nil
}

func (s *span) Read(buffer []byte) (int, error) {
	if s.at == s.until {
		if s.until >= s.from.Size {
			return 0, io.EOF
		}
		if err := s.close(); err != nil {
			return 0, err
		}
		if err := s.open(min(s.from.Size, s.at+nextWindow)); err != nil {
			return 0, err
		}
	}
	count, err := s.reader.Read(buffer[:min(int64(len(buffer)), s.until-s.at)])
	s.at += int64(count)
	if err == io.EOF {
		err = nil
		if count == 0 && s.at < s.until {
			err = io.ErrUnexpectedEOF
		}
	}
	return count, err
}

func (s *span) close() error {
	if s.reader == nil {
		return nil
	}
	closing := s.reader
	s.reader = nil
	return closing.Close()
}
