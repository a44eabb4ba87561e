package format

import (
	"bytes"
	"io"
)

// lines cuts a stream into rows, each ended by a newline. Rows are slices of its current block.
type lines struct {
	in      io.Reader
	limit   int  // longest row kept, in bytes without its line end
	quotes  bool // csv: newlines inside quoted fields do not end a row
	block   *block
	start   int   // first unread byte in block
	scanned int   // block[start:scanned] is known not to end the row
	newline int   // csv: no newline in block[scanned:newline]
	end     int   // end of the data in block
	offset  int64 // of block[start] in the stream
	quoted  bool  // block[scanned] lies in a quoted field
	broken  bool  // the row began before block[start], because it is too long to keep
	err     error // what in.Read gave at last
}

// line is one row of the stream.
type line struct {
	text    []byte // without its line end; nil when tooLong
	offset  int64  // of its first byte
	tooLong bool
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// content is the text without the byte order mark that the first row of a stream may begin with.
func (l line) content() []byte {
	if l.offset == 0 {
		return bytes.TrimPrefix(l.text, byteOrderMark)
	}
	return l.text
}

const (
	mostEmptyReads = 100
	leastRead      = 4 << 10 // bytes asked for at least
)

func newLines(in io.Reader, offset int64, limit int) *lines {
	return &lines{in: in, limit: limit, block: newBlock(blockBytes), offset: offset}
}

// next gives the next row. Its text lies in l.block and stays there until the call after.
func (l *lines) next() (line, error) {
	for {
		if at, found := l.rowEnd(); found {
			return l.cut(at, 1), nil
		}
		switch {
		case l.err == io.EOF && l.start == l.end:
			return line{}, io.EOF
		case l.err == io.EOF:
			return l.cut(l.end, 0), nil
		case l.err != nil:
			return line{}, l.err
		case l.end-l.start > l.limit+1: // one more for the carriage return that is no part of the row
			return l.skipLong()
		}
		l.fill()
	}
}

// rowEnd looks for the newline that ends the row and remembers how far it looked.
func (l *lines) rowEnd() (at int, found bool) {
	if l.quotes {
		return l.quotedRowEnd()
	}
	if at := bytes.IndexByte(l.block.data[l.scanned:l.end], '\n'); at >= 0 {
		return l.scanned + at, true
	}
	l.scanned = l.end
	return 0, false
}

// quotedRowEnd is rowEnd for csv. A quote opens a field only at the field's beginning; inside, two quotes stand for one. Any
// other quote is an ordinary character, so that one stray quote does not swallow the rest of the object.
func (l *lines) quotedRowEnd() (at int, found bool) {
	data := l.block.data[:l.end]
	for l.scanned < l.end {
		if l.quoted {
			quote := bytes.IndexByte(data[l.scanned:], '"')
			if quote < 0 {
				l.scanned = l.end
				return 0, false
			}
			quote += l.scanned
			if quote+1 == l.end && l.err == nil { // the next byte decides
				l.scanned = quote
				return 0, false
			}
			l.quoted = quote+1 < l.end && data[quote+1] == '"'
			l.scanned = quote + 1
			if l.quoted {
				l.scanned++
			}
			continue
		}
		l.seekNewline()
		quote := bytes.IndexByte(data[l.scanned:l.newline], '"')
		switch {
		case quote >= 0:
			quote += l.scanned
			l.quoted = l.opensField(quote)
			l.scanned = quote + 1
		case l.newline < l.end:
			return l.newline, true
		default:
			l.scanned = l.end
		}
	}
	return 0, false
}

// seekNewline moves l.newline to the next newline, or to the end. It never looks at a byte twice, so that a row of many quotes
// costs no more than another one.
func (l *lines) seekNewline() {
	l.newline = max(l.newline, l.scanned)
	if at := bytes.IndexByte(l.block.data[l.newline:l.end], '\n'); at >= 0 {
		l.newline += at
		return
	}
	l.newline = l.end
}

// opensField says whether a quote outside of quotes stands at the beginning of a field.
func (l *lines) opensField(quote int) bool {
	before := l.block.data[l.start:quote]
	switch {
	case len(before) == 0:
		return !l.broken
	case before[len(before)-1] == ',':
		return true
	}
	return l.offset == 0 && !l.broken && bytes.Equal(before, byteOrderMark)
}

// cut takes block[start:stop] as a row and skips its line end.
func (l *lines) cut(stop, lineEnd int) line {
	text := l.block.data[l.start:stop:stop]
	found := line{text: text, offset: l.offset}
	if last := len(text) - 1; last >= 0 && text[last] == '\r' {
		found.text = text[:last:last]
	}
	if len(found.text) > l.limit {
		found.text, found.tooLong = nil, true
	}
	l.advance(stop + lineEnd)
	return found
}

// advance begins a new row.
func (l *lines) advance(to int) {
	l.offset += int64(to - l.start)
	l.start, l.scanned, l.quoted, l.broken = to, to, false, false
}

// skipLong passes over a row that is too long without keeping it.
func (l *lines) skipLong() (line, error) {
	found := line{offset: l.offset, tooLong: true}
	_, err := l.skip(-1)
	if err != nil && err != io.EOF {
		return line{}, err
	}
	return found, nil
}

// skip passes over everything up to and including the end of the row, or gives up at a byte of the stream when that is not
// negative, or at the end of the stream with io.EOF.
func (l *lines) skip(giveUp int64) (found bool, err error) {
	for {
		if at, found := l.rowEnd(); found {
			l.advance(at + 1)
			return true, nil
		}
		if keep := l.end - 1; keep > l.start { // the last byte is needed to tell what a quote after it means
			l.offset += int64(keep - l.start)
			l.start, l.scanned, l.broken = keep, max(keep, l.scanned), true
		}
		if giveUp >= 0 && l.offset >= giveUp {
			return false, nil
		}
		if l.err != nil {
			l.advance(l.end)
			return false, l.err
		}
		l.fill()
	}
}

// fill reads more into the block. When it is full, what is left moves to its beginning, or to a new one when chunks still use
// the old one.
func (l *lines) fill() {
	if len(l.block.data)-l.end < leastRead {
		rest := l.block.data[l.start:l.end]
		next := l.block
		if !l.block.own() || len(rest) > len(l.block.data)/2 {
			next = newBlock(max(blockBytes, min(2*len(rest), l.limit+blockBytes)))
		}
		copy(next.data, rest)
		if next != l.block {
			l.block.release()
		}
		l.newline -= l.start
		l.block, l.start, l.scanned, l.end = next, 0, l.scanned-l.start, len(rest)
	}
	for range mostEmptyReads {
		count, err := l.in.Read(l.block.data[l.end:])
		l.end += count
		l.err = err
		if count > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}

func (l *lines) close() {
	if l.block != nil {
		l.block.release()
		l.block = nil
	}
}
