package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"github.com/tidwall/gjson"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/jsonrow"
)

// The columns that identify a result row when the job has no key column.
const (
	ColumnObject = "_object" // URI of the input object
	ColumnOffset = "_offset" // offset of the row, as in Row
)

// encoder writes the finished lines of a part in its format.
type encoder interface {
	append(line []byte) error
	rows() int64
	close(ctx context.Context) (orchestrator.ObjectRef, error)
}

// PartWriter writes the results of one shard. Rows come in the order of the input.
type PartWriter struct {
	encoder encoder
	out     Output
	key     string
	results *jsonrow.Reader
	begin   []byte // how a result begins that has the key column first
	line    []byte // the line being put together
}

// NewPartWriter writes jsonl or parquet to out, which it closes or aborts. key is the job's key column or empty.
func NewPartWriter(out Output, layout orchestrator.Format, key string) (*PartWriter, error) {
	writer := &PartWriter{out: out, key: key, results: jsonrow.NewReader(key), begin: append(appendAnyText([]byte{'{'}, key), ':')}
	switch layout {
	case orchestrator.FormatJSONL:
		writer.encoder = &jsonlEncoder{gathered{out: out}}
	case orchestrator.FormatParquet:
		writer.encoder = &parquetEncoder{out: out, key: key, shape: &shape{kind: groupShape}}
	default:
		return nil, fmt.Errorf("open part: results cannot be written as %q; want jsonl or parquet", layout)
	}
	return writer, nil
}

// Append adds the scorer's result for one row: one valid JSON object on one line, which package scorer has made sure of. The
// key column is put first; a result that already has it with the same raw value is left as it is. Without a key (no
// key column, or a row in which it is absent or null) the columns _object and _offset are put first instead.
//
// An *Error with code type_conflict means that this row was not added and others can be. A parquet part is kept in memory
// until Close, at most 512 MiB of lines (part_too_large), because its types are those of all its rows.
func (p *PartWriter) Append(key []byte, object string, offset int64, result []byte) error {
	if key = notNull(key); key == nil || p.key == "" {
		p.line = appendPlace(p.line[:0], object, offset, result)
	} else {
		p.line = p.appendKey(p.line[:0], key, result)
	}
	if err := p.encoder.append(p.line); err != nil {
		return placed(err, object, offset)
	}
	return nil
}

// placed names the row in an error of an encoder, which knows no rows.
func placed(err error, object string, offset int64) error {
	var problem *Error
	if errors.As(err, &problem) {
		problem.Object, problem.Offset = object, offset
	}
	return err
}

// appendKey puts the key column first, unless the result has it already.
func (p *PartWriter) appendKey(line, key, result []byte) []byte {
	if p.beginsWith(result, key) {
		return append(line, result...)
	}
	present, _ := p.results.Column(result)
	if bytes.Equal(present, key) {
		return append(line, result...)
	}
	line = append(line, '{')
	line = appendAnyText(line, p.key)
	line = append(append(line, ':'), key...)
	if present == nil {
		return appendMembers(line, result)
	}
	return appendOtherMembers(line, result, p.key)
}

// beginsWith says whether the key column comes first and has this value, as it does in what most scorers answer. false says nothing.
func (p *PartWriter) beginsWith(result, key []byte) bool {
	rest, found := bytes.CutPrefix(result, p.begin)
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

// Rows is how many rows were appended.
func (p *PartWriter) Rows() int64 { return p.encoder.rows() }

// Close makes the part durable and says what was written. When it fails nothing is left behind.
func (p *PartWriter) Close(ctx context.Context) (orchestrator.ObjectRef, error) {
	written, err := p.encoder.close(ctx)
	if err != nil {
		return orchestrator.ObjectRef{}, errors.Join(err, p.out.Abort(ctx))
	}
	return written, nil
}

// Abort gives the part up.
func (p *PartWriter) Abort(ctx context.Context) error { return p.out.Abort(ctx) }

// jsonlEncoder writes lines as they are.
type jsonlEncoder struct {
	gathered
}

func (j *jsonlEncoder) append(line []byte) error { return j.appendLine(line) }

func (j *jsonlEncoder) rows() int64 { return j.gathered.rows }
