package format

import (
	"bytes"
	"slices"
	"strconv"
	"unsafe"

	"github.com/tidwall/gjson"

	"nightshift.dev/nightshift/orchestrator/jsonrow"
)

// The columns that identify a result row when the job has no key column.
const (
	ColumnObject = "_object" // URI of the input object
	ColumnOffset = "_offset" // offset of the row, as in Row
)

// ResultLines puts the lines of results together.
type ResultLines struct {
	key     string
	results *jsonrow.Reader
	begin   []byte // how a result begins that has the key column first
	line    []byte // the line being put together
}

// NewResultLines is for a job's key column, or none.
func NewResultLines(key string) *ResultLines {
	return &ResultLines{key: key, results: jsonrow.NewReader(key), begin: append(appendAnyText([]byte{'{'}, key), ':')}
}

// Line is the scorer's result for one row, one valid JSON object on one line, which package scorer has made sure of. The
// key column is put first; a result that already has it with the same raw value is left as it is. Without a key (no
// key column, or a row in which it is absent or null) the columns _object and _offset are put first instead. The line is valid until the next one.
func (r *ResultLines) Line(key []byte, object string, offset int64, result []byte) []byte {
	if key = notNull(key); key == nil || r.key == "" {
		r.line = appendPlace(r.line[:0], object, offset, result)
	} else {
		r.line = r.appendKey(r.line[:0], key, result)
	}
	return r.line
}

// appendKey puts the key column first, unless the result has it already.
func (r *ResultLines) appendKey(line, key, result []byte) []byte {
	if r.beginsWith(result, key) {
		return append(line, result...)
	}
	present, _ := r.results.Column(result)
	if bytes.Equal(present, key) {
		return append(line, result...)
	}
	line = append(line, '{')
	line = appendAnyText(line, r.key)
	line = append(append(line, ':'), key...)
	if present == nil {
		return appendMembers(line, result)
	}
	return appendOtherMembers(line, result, r.key)
}

// beginsWith says whether the key column comes first and has this value, as it does in what most scorers answer. false says nothing.
func (r *ResultLines) beginsWith(result, key []byte) bool {
	rest, found := bytes.CutPrefix(result, r.begin)
	if !found {
		return false
	}
	rest, found = bytes.CutPrefix(bytes.TrimLeft(rest, " "), key)
	return found && (rest[0] == ',' || rest[0] == '}')
}

// appendPlace puts _object and _offset first.
func appendPlace(line []byte, object string, offset int64, result []byte) []byte {
	line = append(line, `{"`+ColumnObject+`":`...)
	line = appendAnyText(line, object)
	line = append(line, `,"`+ColumnOffset+`":`...)
	line = strconv.AppendInt(line, offset, 10)
	if bytes.Contains(result, []byte(`"_o`)) || bytes.IndexByte(result, '\\') >= 0 { // perhaps one of ours
		return appendOtherMembers(line, result, ColumnObject, ColumnOffset)
	}
	return appendMembers(line, result)
}

// appendMembers ends a begun object with all members of a valid one.
func appendMembers(line, object []byte) []byte {
	members := bytes.TrimLeft(object, " \t")[1:]
	if bytes.TrimLeft(members, " \t")[0] != '}' {
		line = append(line, ',')
	}
	return append(line, members...)
}

// appendOtherMembers ends a begun object with the members of a valid one whose names are not given.
func appendOtherMembers(line, object []byte, names ...string) []byte {
	gjson.Parse(unsafe.String(&object[0], len(object))).ForEach(func(member, value gjson.Result) bool {
		if !slices.Contains(names, member.Str) {
			line = append(append(line, ','), member.Raw...)
			line = append(append(line, ':'), value.Raw...)
		}
		return true
	})
	return append(line, '}')
}
