package scorer

import (
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// appendValue appends the JSON of one row of one column.
type appendValue func(buffer []byte, row int) []byte

// newAppendValue returns how a column is written, with null where it has no value.
func newAppendValue(column arrow.Array) (appendValue, error) {
	write, err := appendScalar(column)
	if write == nil && err == nil {
		write, err = appendNested(column)
	}
	if err != nil || column.NullN() == 0 {
		return write, err
	}
	return func(buffer []byte, row int) []byte {
		if column.IsNull(row) {
			return append(buffer, "null"...)
		}
		return write(buffer, row)
	}, nil
}

// appendScalar returns nil for a column that is not of a scalar type.
func appendScalar(column arrow.Array) (appendValue, error) {
	switch column := column.(type) {
	case *array.Null:
		return func(buffer []byte, _ int) []byte { return append(buffer, "null"...) }, nil
	case *array.Boolean:
		return func(buffer []byte, row int) []byte { return strconv.AppendBool(buffer, column.Value(row)) }, nil
	case *array.Int8:
		return appendSigned(column.Int8Values()), nil
	case *array.Int16:
		return appendSigned(column.Int16Values()), nil
	case *array.Int32:
		return appendSigned(column.Int32Values()), nil
	case *array.Int64:
		return appendSigned(column.Int64Values()), nil
	case *array.Uint8:
		return appendUnsigned(column.Uint8Values()), nil
	case *array.Uint16:
		return appendUnsigned(column.Uint16Values()), nil
	case *array.Uint32:
		return appendUnsigned(column.Uint32Values()), nil
	case *array.Uint64:
		return appendUnsigned(column.Uint64Values()), nil
	case *array.Float32:
		return func(buffer []byte, row int) []byte { return appendFloat(buffer, float64(column.Value(row)), 32) }, nil
	case *array.Float64:
		return func(buffer []byte, row int) []byte { return appendFloat(buffer, column.Value(row), 64) }, nil
	case *array.String:
		return func(buffer []byte, row int) []byte { return appendString(buffer, column.Value(row)) }, nil
	case *array.LargeString:
		return func(buffer []byte, row int) []byte { return appendString(buffer, column.Value(row)) }, nil
	case *array.Date32:
		return func(buffer []byte, row int) []byte {
			return append(column.Value(row).ToTime().AppendFormat(append(buffer, '"'), time.DateOnly), '"')
		}, nil
	case *array.Timestamp:
		return appendTimestamp(column)
	}
	return nil, nil
}

func appendSigned[T int8 | int16 | int32 | int64](values []T) appendValue {
	return func(buffer []byte, row int) []byte { return strconv.AppendInt(buffer, int64(values[row]), 10) }
}

func appendUnsigned[T uint8 | uint16 | uint32 | uint64](values []T) appendValue {
	return func(buffer []byte, row int) []byte { return strconv.AppendUint(buffer, uint64(values[row]), 10) }
}

// appendTimestamp writes RFC 3339 in the column's time zone; a column without one is taken as UTC.
func appendTimestamp(column *array.Timestamp) (appendValue, error) {
	toTime, err := column.DataType().(*arrow.TimestampType).GetToTimeFunc()
	if err != nil {
		return nil, err
	}
	return func(buffer []byte, row int) []byte {
		return append(toTime(column.Value(row)).AppendFormat(append(buffer, '"'), time.RFC3339Nano), '"')
	}, nil
}

func appendNested(column arrow.Array) (appendValue, error) {
	switch column := column.(type) {
	case *array.Struct:
		fields := column.DataType().(*arrow.StructType).Fields()
		children := make([]arrow.Array, len(fields))
		for i := range fields {
			children[i] = column.Field(i)
		}
		members, err := newMembers(fields, children)
		return members.append, err
	case *array.Dictionary:
		write, err := newAppendValue(column.Dictionary())
		if err != nil {
			return nil, err
		}
		return func(buffer []byte, row int) []byte { return write(buffer, column.GetValueIndex(row)) }, nil
	case array.ListLike: // also maps, which become arrays of {"key", "value"} objects
		write, err := newAppendValue(column.ListValues())
		if err != nil {
			return nil, err
		}
		return func(buffer []byte, row int) []byte {
			start, end := column.ValueOffsets(row)
			buffer = append(buffer, '[')
			for item := start; item < end; item++ {
				if item > start {
					buffer = append(buffer, ',')
				}
				buffer = write(buffer, int(item))
			}
			return append(buffer, ']')
		}, nil
	}
	return nil, fmt.Errorf("type %s cannot be written as JSON; use integers, floats, booleans, strings, dates, timestamps, "+
		"dictionaries, lists or structs", column.DataType())
}

// appendFloat writes the shortest text that reads back as the same number. A whole number keeps ".0", so that a reader that
// guesses types sees a float; what JSON has no number for is null.
func appendFloat(buffer []byte, value float64, bits int) []byte {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return append(buffer, "null"...)
	}
	if size := math.Abs(value); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(buffer, value, 'e', -1, bits)
	}
	buffer = strconv.AppendFloat(buffer, value, 'f', -1, bits)
	if value == math.Trunc(value) {
		buffer = append(buffer, '.', '0')
	}
	return buffer
}

// appendString writes a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(buffer []byte, text string) []byte {
	buffer = append(buffer, '"')
	start := 0
	for at := 0; at < len(text); {
		character := text[at]
		if character >= 0x20 && character != '"' && character != '\\' && character < utf8.RuneSelf {
			at++
			continue
		}
		if character >= utf8.RuneSelf {
			if symbol, size := utf8.DecodeRuneInString(text[at:]); symbol != utf8.RuneError || size > 1 {
				at += size
				continue
			}
		}
		buffer = appendEscaped(append(buffer, text[start:at]...), character)
		at++
		start = at
	}
	return append(append(buffer, text[start:]...), '"')
}

func appendEscaped(buffer []byte, character byte) []byte {
	const digits = "0123456789abcdef"
	switch {
	case character == '"' || character == '\\':
		return append(buffer, '\\', character)
	case character == '\n':
		return append(buffer, '\\', 'n')
	case character == '\r':
		return append(buffer, '\\', 'r')
	case character == '\t':
		return append(buffer, '\\', 't')
	case character < 0x20:
		return append(buffer, '\\', 'u', '0', '0', digits[character>>4], digits[character&15])
	}
	return utf8.AppendRune(buffer, utf8.RuneError)
}
