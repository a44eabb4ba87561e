package jsonrow

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
)

// MaxNesting is how deep the arrays and objects of a row may be nested: enough for data, safe for every parser behind us.
const MaxNesting = 500

// Reader looks at rows one after the other. Rows of one origin nearly always have the same columns in the same order, so it compares the names with
// those of the row before instead of reading them again. It is for one goroutine; the zero value finds no column.
type Reader struct {
	column string
	seen   []seen // names of the row before, in order
}

// seen is a name as it stood in a row, with its colon and the spaces behind that.
type seen struct {
	text   []byte
	wanted bool // it is the name of the column
}

// What is remembered of a row.
const (
	mostSeen      = 256 // names
	mostSeenBytes = 256 // of one
)

// NewReader finds a column by its name; the empty name is no column.
func NewReader(column string) *Reader { return &Reader{column: column} }

// Valid reports whether line is one JSON object (RFC 8259), nested at most MaxNesting deep, and nothing else but spaces around
// it. It does not look whether strings are UTF-8; utf8.Valid does that for many lines at once.
func (r *Reader) Valid(line []byte) bool {
	_, valid := r.Column(line)
	return valid
}

// Column gives the raw JSON of the first top-level column with the Reader's name as a slice of line, nil where there is none, and
// whether the line is Valid.
func (r *Reader) Column(line []byte) (raw []byte, valid bool) {
	at := skipSpace(line, 0)
	if at == len(line) || line[at] != '{' {
		return nil, false
	}
	if at = skipSpace(line, at+1); at < len(line) && line[at] == '}' {
		return nil, skipSpace(line, at+1) == len(line)
	}
	for index := 0; at < len(line); index++ {
		value, wanted := r.member(line, at, index)
		if value < 0 {
			return nil, false
		}
		if at = skipValue(line, value, 1); at < 0 {
			return nil, false
		}
		if wanted && raw == nil {
			raw = line[value:at:at]
		}
		if at = skipSpace(line, at); at == len(line) {
			return nil, false
		}
		if line[at] == '}' {
			if skipSpace(line, at+1) < len(line) {
				return nil, false
			}
			return raw, true
		}
		if line[at] != ',' {
			return nil, false
		}
		at = skipSpace(line, at+1)
	}
	return nil, false
}

// Glance gives what Column gives for a valid line, but looks no further than it must: where the column is the first member, as in the
// row before, or where there is no column, the rest is not read, and an invalid line passes too. It is for lines that somebody else checks.
func (r *Reader) Glance(line []byte) (raw []byte, valid bool) {
	if r.column == "" {
		return nil, true
	}
	if len(r.seen) == 0 || !r.seen[0].wanted {
		return r.Column(line)
	}
	rest, found := bytes.CutPrefix(line, []byte{'{'})
	if !found || !bytes.HasPrefix(rest, r.seen[0].text) {
		return r.Column(line)
	}
	value := skipSpace(rest, len(r.seen[0].text))
	end := skipValue(rest, value, 1)
	if end < 0 {
		return nil, false
	}
	return rest[value:end:end], true
}

// member passes over the name of a member, and says whether it is the wanted one. -1: it is malformed.
func (r *Reader) member(line []byte, at, index int) (value int, wanted bool) {
	if index < len(r.seen) {
		if known := &r.seen[index]; bytes.HasPrefix(line[at:], known.text) {
			return skipSpace(line, at+len(known.text)), known.wanted
		}
	}
	if value = skipName(line, at); value < 0 {
		return -1, false
	}
	wanted = r.column != "" && isName(line[at:value], r.column)
	if index < mostSeen && value-at <= mostSeenBytes {
		r.remember(index, line[at:value], wanted)
	}
	return value, wanted
}

func (r *Reader) remember(index int, text []byte, wanted bool) {
	if index == len(r.seen) {
		r.seen = append(r.seen, seen{})
	}
	if index < len(r.seen) { // an earlier name may have been too long
		r.seen[index] = seen{append(r.seen[index].text[:0], text...), wanted}
	}
}

// isName says whether a valid member, which may end behind its name, has this name.
func isName(member []byte, name string) bool {
	end := skipString(member, 1)
	text := member[1 : end-1]
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text) == name
	}
	var plain string
	return json.Unmarshal(member[:end], &plain) == nil && plain == name
}

// The skip functions take the index where something begins and return the index behind it, or -1 where it is malformed.

func skipSpace(text []byte, at int) int {
	if at < len(text) && text[at] > ' ' {
		return at // nearly always, and small enough to be inlined
	}
	return skipSpaces(text, at)
}

func skipSpaces(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n') {
		at++
	}
	return at
}

// skipValue passes over a value that lies in depth arrays and objects.
func skipValue(text []byte, at, depth int) int {
	if at >= len(text) {
		return -1
	}
	switch text[at] {
	case '{':
		return skipMembers(text, at+1, depth+1, '}')
	case '[':
		return skipMembers(text, at+1, depth+1, ']')
	case '"':
		return skipString(text, at+1)
	case 't':
		return skipWord(text, at, "true")
	case 'f':
		return skipWord(text, at, "false")
	case 'n':
		return skipWord(text, at, "null")
	default:
		return skipNumber(text, at)
	}
}

// skipMembers passes over the members of an object or the items of an array, and over closing.
func skipMembers(text []byte, at, depth int, closing byte) int {
	if depth > MaxNesting {
		return -1
	}
	at = skipSpace(text, at)
	if at < len(text) && text[at] == closing {
		return at + 1
	}
	for at < len(text) {
		if closing == '}' {
			if at = skipName(text, at); at < 0 {
				return -1
			}
		}
		if at = skipValue(text, at, depth); at < 0 {
			return -1
		}
		at = skipSpace(text, at)
		if at == len(text) {
			return -1
		}
		if text[at] == closing {
			return at + 1
		}
		if text[at] != ',' {
			return -1
		}
		at = skipSpace(text, at+1)
	}
	return -1
}

// skipName passes over the name of a member, its colon and the spaces after that.
func skipName(text []byte, at int) int {
	if text[at] != '"' {
		return -1
	}
	if at = skipString(text, at+1); at < 0 {
		return -1
	}
	at = skipSpace(text, at)
	if at == len(text) || text[at] != ':' {
		return -1
	}
	return skipSpace(text, at+1)
}

// skipString begins behind the opening quote.
func skipString(text []byte, at int) int {
	for {
		if at = skipPlain(text, at); at == len(text) {
			return -1
		}
		switch text[at] {
		case '"':
			return at + 1
		case '\\':
			if at = skipEscape(text, at+1); at < 0 {
				return -1
			}
		default:
			return -1 // a control character
		}
	}
}

// skipPlain passes over the characters that stand for themselves in a string, eight at a time.
func skipPlain(text []byte, at int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; at+8 <= len(text); at += 8 {
		word := binary.LittleEndian.Uint64(text[at:])
		quote, escape := word^ones*'"', word^ones*'\\'
		// A byte below n borrows and so sets its high bit. Above it the borrow may set others, but only the lowest counts.
		if marks := ((quote-ones)&^quote | (escape-ones)&^escape | (word-ones*0x20)&^word) & highs; marks != 0 {
			return at + bits.TrailingZeros64(marks)/8
		}
	}
	for at < len(text) && text[at] != '"' && text[at] != '\\' && text[at] >= 0x20 {
		at++
	}
	return at
}

func skipEscape(text []byte, at int) int {
	if at == len(text) {
		return -1
	}
	switch text[at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at + 1
	case 'u':
		if at+5 > len(text) {
			return -1
		}
		for _, digit := range text[at+1 : at+5] {
			if !isDigit(digit) && (digit < 'a' || digit > 'f') && (digit < 'A' || digit > 'F') {
				return -1
			}
		}
		return at + 5
	}
	return -1
}

func skipWord(text []byte, at int, word string) int {
	if len(text)-at < len(word) || string(text[at:at+len(word)]) != word {
		return -1
	}
	return at + len(word)
}

func skipNumber(text []byte, at int) int {
	if text[at] == '-' {
		at++
	}
	if at < len(text) && text[at] == '0' {
		at++
	} else if at = skipDigits(text, at); at < 0 {
		return -1
	}
	if at < len(text) && text[at] == '.' {
		if at = skipDigits(text, at+1); at < 0 {
			return -1
		}
	}
	if at < len(text) && (text[at] == 'e' || text[at] == 'E') {
		at++
		if at < len(text) && (text[at] == '+' || text[at] == '-') {
			at++
		}
		return skipDigits(text, at)
	}
	return at
}

// skipDigits passes over one digit or more.
func skipDigits(text []byte, at int) int {
	start := at
	for at+8 <= len(text) && eightDigits(binary.LittleEndian.Uint64(text[at:])) {
		at += 8
	}
	for at < len(text) && isDigit(text[at]) {
		at++
	}
	if at == start {
		return -1
	}
	return at
}

// eightDigits says whether every byte is a digit: its high half is 3, and still is when 6 is added, which carries from 10 on.
func eightDigits(word uint64) bool {
	const highs, threes, sixes = 0xf0f0f0f0f0f0f0f0, 0x3030303030303030, 0x0606060606060606
	return word&highs == threes && (word+sixes)&highs == threes
}

func isDigit(character byte) bool { return character >= '0' && character <= '9' }
