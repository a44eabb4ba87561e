package format

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxHeaderBytes = 64 << 10

// The types that Options.Columns may declare.
const (
	typeString  = "string"
	typeInt64   = "int64"
	typeFloat64 = "float64"
	typeBool    = "bool"
)

var columnTypes = []string{typeString, typeInt64, typeFloat64, typeBool}

// csvHeader knows the columns of a csv object and turns rows into JSON objects.
type csvHeader struct {
	names    []string
	types    []string // declared type or empty, by column
	prefixes []byte   // what stands before the values: {"a": and ,"b": and so on, one after the other
	ends     []int    // where the prefix of each column ends in prefixes
	key      int      // key column, or -1
	scratch  []byte
}

// problem says why a row is bad.
type problem struct{ code, message string }

func parseHeader(uri string, text []byte, options Options) (*csvHeader, error) {
	bad := func(format string, values ...any) error {
		return &Error{Code: CodeBadHeader, Object: uri, Message: fmt.Sprintf(format, values...)}
	}
	if !utf8.Valid(text) {
		return nil, bad("byte %d of the header is no UTF-8", firstInvalid(text))
	}
	header := &csvHeader{key: -1}
	seen := map[string]bool{}
	for more, rest := true, text; more; {
		var name []byte
		var fits bool
		name, rest, more, fits = header.field(rest)
		if !fits {
			return nil, bad("column %d of the header has quotes that do not fit", len(header.names)+1)
		}
		if seen[string(name)] {
			return nil, bad("the header has the column %q twice", name)
		}
		seen[string(name)] = true
		opening := byte(',')
		if len(header.names) == 0 {
			opening = '{'
		}
		header.names = append(header.names, string(name))
		header.prefixes = append(appendText(append(header.prefixes, opening), name), ':')
		header.ends = append(header.ends, len(header.prefixes))
	}
	return header, header.declare(uri, options)
}

// declare takes over the job's key column and column types.
func (h *csvHeader) declare(uri string, options Options) error {
	h.types = make([]string, len(h.names))
	for _, name := range slices.Sorted(maps.Keys(options.Columns)) {
		declared := options.Columns[name]
		at := slices.Index(h.names, name)
		if at < 0 {
			return unknownColumn(uri, name, h.names)
		}
		if !slices.Contains(columnTypes, declared) {
			return &Error{Code: CodeUnknownColumn, Object: uri,
				Message: fmt.Sprintf("column %q is declared as %q; allowed are %s", name, declared, strings.Join(columnTypes, ", "))}
		}
		h.types[at] = declared
	}
	if options.Key == "" {
		return nil
	}
	if h.key = slices.Index(h.names, options.Key); h.key < 0 {
		return unknownColumn(uri, options.Key, h.names)
	}
	return nil
}

// object appends a row as a JSON object and says where the value of the key column lies.
func (h *csvHeader) object(out, text []byte) (object []byte, keyStart, keyEnd int, bad *problem) {
	more, rest, begin := true, text, 0
	for column, end := range h.ends {
		if !more {
			return nil, 0, 0, h.wrongCount(text)
		}
		var field []byte
		var fits bool
		field, rest, more, fits = h.field(rest)
		if !fits {
			return nil, 0, 0, &problem{CodeInvalidCSV, fmt.Sprintf("column %q has a quoted field that does not end before a comma or the end of the row", h.names[column])}
		}
		out = append(out, h.prefixes[begin:end]...)
		begin = end
		before := len(out)
		if out, bad = h.value(out, column, field); bad != nil {
			return nil, 0, 0, bad
		}
		if column == h.key {
			keyStart, keyEnd = before, len(out)
		}
	}
	if more {
		return nil, 0, 0, h.wrongCount(text)
	}
	return append(out, '}'), keyStart, keyEnd, nil
}

func (h *csvHeader) wrongCount(text []byte) *problem {
	count := 0
	for more := true; more; count++ {
		_, text, more, _ = h.field(text)
	}
	return &problem{CodeWrongFieldCount, fmt.Sprintf("the row has %d fields, the header has %d", count, len(h.names))}
}

// field takes one field off the row. It is valid until the next call. fits is false for a quoted field with text after it or
// without an end; what follows the next comma is given all the same.
func (h *csvHeader) field(text []byte) (field, rest []byte, more, fits bool) {
	if len(text) == 0 || text[0] != '"' {
		field, rest, more = bytes.Cut(text, []byte{','})
		return field, rest, more, true
	}
	h.scratch = h.scratch[:0]
	rest = text[1:]
	for {
		quote := bytes.IndexByte(rest, '"')
		if quote < 0 {
			return nil, nil, false, false
		}
		if quote+1 < len(rest) && rest[quote+1] == '"' {
			h.scratch = append(h.scratch, rest[:quote+1]...)
			rest = rest[quote+2:]
			continue
		}
		field = rest[:quote]
		if len(h.scratch) > 0 {
			h.scratch = append(h.scratch, field...)
			field = h.scratch
		}
		after, rest, more := bytes.Cut(rest[quote+1:], []byte{','})
		return field, rest, more, len(after) == 0
	}
}

// value appends a field as JSON: by its declared type, or by what it looks like.
func (h *csvHeader) value(out []byte, column int, field []byte) ([]byte, *problem) {
	declared := h.types[column]
	switch {
	case declared == typeString:
		return appendText(out, field), nil
	case len(field) == 0:
		return append(out, "null"...), nil
	case isNumber(field) && (declared == "" || declared == typeFloat64):
		return append(out, field...), nil
	case declared == "" && (string(field) == "true" || string(field) == "false"):
		return append(out, field...), nil
	case declared == "":
		return appendText(out, field), nil
	}
	var err error
	switch declared {
	case typeInt64:
		var number int64
		number, err = strconv.ParseInt(string(field), 10, 64)
		out = strconv.AppendInt(out, number, 10)
	case typeFloat64:
		var number float64
		number, err = strconv.ParseFloat(string(field), 64)
		err = cmp.Or(err, notFinite(number))
		out = strconv.AppendFloat(out, number, 'g', -1, 64)
	case typeBool:
		var truth bool
		truth, err = strconv.ParseBool(string(field))
		out = strconv.AppendBool(out, truth)
	}
	if err != nil {
		return nil, &problem{CodeWrongType, fmt.Sprintf("column %q is declared as %s, but the value is %q", h.names[column], declared, shorten(field))}
	}
	return out, nil
}

func notFinite(number float64) error {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return strconv.ErrRange
	}
	return nil
}

// shorten keeps values in messages short.
func shorten(value []byte) []byte {
	const most = 60
	if len(value) <= most {
		return value
	}
	return append(bytes.ToValidUTF8(value[:most:most], nil), "..."...)
}
