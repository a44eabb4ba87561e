package format

import (
	"fmt"
	"strings"
)

// The codes of RowError that this package gives: one row is bad, the others are fine.
const (
	CodeRowTooLong      = "row_too_long"      // more bytes than Options.MaxRowBytes
	CodeInvalidJSON     = "invalid_json"      // not a JSON value
	CodeNotAnObject     = "not_an_object"     // a JSON value, but no object
	CodeInvalidUTF8     = "invalid_utf8"      // bytes that are no UTF-8
	CodeInvalidCSV      = "invalid_csv"       // quotes that do not fit
	CodeWrongFieldCount = "wrong_field_count" // more or fewer fields than the header
	CodeWrongType       = "wrong_type"        // a field that is not of its declared type
	CodeEmptyMessage    = "empty_message"     // a message without a payload
	CodeMessagesLost    = "messages_lost"     // messages that their source deleted before they were read
)

// The codes of Error: the object, the request or the part is bad.
const (
	CodeBadRange      = "bad_range"      // a range that the object cannot have
	CodeCorruptInput  = "corrupt_input"  // compressed or columnar data that cannot be decoded
	CodeBadHeader     = "bad_header"     // no usable csv header
	CodeUnknownColumn = "unknown_column" // a column named by the job that the object does not have
	CodeTypeConflict  = "type_conflict"  // a result column with two types that cannot be one
	CodePartTooLarge  = "part_too_large" // more buffered bytes than a parquet part may have
	CodePartMismatch  = "part_mismatch"  // an old part that does not have the rows it should have
)

// Error is a failure that concerns more than one row.
type Error struct {
	Code    string
	Object  string // URI
	Offset  int64  // as in orchestrator.RowError; 0 where it says nothing
	Message string
	Err     error // cause, may be nil
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s at %d: %s (%s)", e.Object, e.Offset, e.Message, e.Code)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// unknownColumn names the columns there are, and the one that was probably meant.
func unknownColumn(uri, name string, all []string) error {
	const mostNamed = 20
	message := fmt.Sprintf("there is no column %q; the object has %q", name, all[:min(len(all), mostNamed)])
	for _, other := range all {
		if strings.EqualFold(strings.TrimSpace(other), strings.TrimSpace(name)) {
			message += fmt.Sprintf("; probably %q", other)
		}
	}
	return &Error{Code: CodeUnknownColumn, Object: uri, Message: message}
}
