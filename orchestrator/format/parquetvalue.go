package format

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// appendValue writes a value that is not null as JSON.
type appendValue func(out []byte, value parquet.Value) ([]byte, *problem)

// valueOf chooses how the values of a column are written: numbers as numbers, text as text, decimals as text with all their
// digits, points in time as RFC 3339, bytes in base64. What JSON numbers cannot say (NaN, infinities) becomes null.
func valueOf(of parquet.Type, element *format.SchemaElement) appendValue {
	if _, half := element.LogicalType.Value.(*format.Float16Type); half {
		return halfValue
	}
	switch logical := logicalOf(of).(type) {
	case *format.StringType, *format.EnumType:
		return textValue
	case *format.JsonType:
		return jsonValue
	case *format.UUIDType:
		return uuidValue
	case *format.DecimalType:
		return decimalValue(of.Kind(), int(logical.Scale))
	case *format.DateType:
		return dateValue
	case *format.TimeType:
		return timeValue(of.Kind(), logical.Unit.Value.Duration())
	case *format.TimestampType:
		return timestampValue(logical.Unit.Value.Duration())
	case *format.IntType:
		if !logical.IsSigned {
			return unsignedValue(of.Kind())
		}
	}
	return physicalValue(of.Kind())
}

func physicalValue(kind parquet.Kind) appendValue {
	switch kind {
	case parquet.Boolean:
		return func(out []byte, value parquet.Value) ([]byte, *problem) {
			return strconv.AppendBool(out, value.Boolean()), nil
		}
	case parquet.Int32:
		return func(out []byte, value parquet.Value) ([]byte, *problem) {
			return strconv.AppendInt(out, int64(value.Int32()), 10), nil
		}
	case parquet.Int64:
		return func(out []byte, value parquet.Value) ([]byte, *problem) {
			return strconv.AppendInt(out, value.Int64(), 10), nil
		}
	case parquet.Int96:
		return int96Value
	case parquet.Float:
		return func(out []byte, value parquet.Value) ([]byte, *problem) {
			return appendFloat(out, float64(value.Float()), 32), nil
		}
	case parquet.Double:
		return func(out []byte, value parquet.Value) ([]byte, *problem) {
			return appendFloat(out, value.Double(), 64), nil
		}
	}
	return bytesValue
}

func unsignedValue(kind parquet.Kind) appendValue {
	if kind == parquet.Int32 {
		return func(out []byte, value parquet.Value) ([]byte, *problem) {
			return strconv.AppendUint(out, uint64(value.Uint32()), 10), nil
		}
	}
	return func(out []byte, value parquet.Value) ([]byte, *problem) {
		return strconv.AppendUint(out, value.Uint64(), 10), nil
	}
}

// appendFloat writes the shortest number that reads back the same.
func appendFloat(out []byte, number float64, bits int) []byte {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return append(out, "null"...)
	}
	layout := byte('f')
	if size := math.Abs(number); size != 0 && (size < 1e-6 || size >= 1e21) {
		layout = 'e'
	}
	return strconv.AppendFloat(out, number, layout, -1, bits)
}

func halfValue(out []byte, value parquet.Value) ([]byte, *problem) {
	raw := binary.LittleEndian.Uint16(value.ByteArray())
	sign, exponent, fraction := float64(1), int(raw>>10)&31, float64(raw&1023)
	if raw>>15 == 1 {
		sign = -1
	}
	switch exponent {
	case 0:
		return appendFloat(out, sign*math.Ldexp(fraction, -24), 32), nil
	case 31:
		return append(out, "null"...), nil
	}
	return appendFloat(out, sign*math.Ldexp(1024+fraction, exponent-25), 32), nil
}

func bytesValue(out []byte, value parquet.Value) ([]byte, *problem) {
	out = base64.StdEncoding.AppendEncode(append(out, '"'), value.ByteArray())
	return append(out, '"'), nil
}

func textValue(out []byte, value parquet.Value) ([]byte, *problem) {
	text := value.ByteArray()
	if !utf8.Valid(text) {
		return out, &problem{CodeInvalidUTF8, "byte " + strconv.Itoa(firstInvalid(text)) + " of the text is no UTF-8"}
	}
	return appendText(out, text), nil
}

// jsonValue embeds JSON as it is, on one line.
func jsonValue(out []byte, value parquet.Value) ([]byte, *problem) {
	text := value.ByteArray()
	if !utf8.Valid(text) || tooDeep(text) || !json.Valid(text) {
		return textValue(out, value)
	}
	if bytes.ContainsAny(text, "\n\r") {
		var line bytes.Buffer
		if err := json.Compact(&line, text); err == nil {
			text = line.Bytes()
		}
	}
	return append(out, text...), nil
}

func uuidValue(out []byte, value parquet.Value) ([]byte, *problem) {
	id, err := uuid.FromBytes(value.ByteArray())
	if err != nil {
		return bytesValue(out, value)
	}
	return appendText(out, id.String()), nil
}

func decimalValue(kind parquet.Kind, scale int) appendValue {
	return func(out []byte, value parquet.Value) ([]byte, *problem) {
		var digits string
		switch kind {
		case parquet.Int32:
			digits = strconv.FormatInt(int64(value.Int32()), 10)
		case parquet.Int64:
			digits = strconv.FormatInt(value.Int64(), 10)
		default:
			digits = bigEndian(value.ByteArray()).String()
		}
		return append(append(append(out, '"'), placePoint(digits, scale)...), '"'), nil
	}
}

// bigEndian reads a number in two's complement.
func bigEndian(raw []byte) *big.Int {
	number := new(big.Int).SetBytes(raw)
	if len(raw) > 0 && raw[0] >= 1<<7 {
		number.Sub(number, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
	}
	return number
}

// placePoint writes 12345 with scale 2 as 123.45.
func placePoint(digits string, scale int) string {
	if scale <= 0 {
		return digits
	}
	sign := ""
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		sign, digits = "-", rest
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - scale
	return sign + digits[:point] + "." + digits[point:]
}

func dateValue(out []byte, value parquet.Value) ([]byte, *problem) {
	out = time.Unix(int64(value.Int32())*24*60*60, 0).UTC().AppendFormat(append(out, '"'), time.DateOnly)
	return append(out, '"'), nil
}

func timeValue(kind parquet.Kind, unit time.Duration) appendValue {
	return func(out []byte, value parquet.Value) ([]byte, *problem) {
		count := value.Int64()
		if kind == parquet.Int32 {
			count = int64(value.Int32())
		}
		out = moment(count, unit).AppendFormat(append(out, '"'), "15:04:05.999999999")
		return append(out, '"'), nil
	}
}

// timestampValue writes a time without a zone as if it were in UTC.
func timestampValue(unit time.Duration) appendValue {
	return func(out []byte, value parquet.Value) ([]byte, *problem) {
		return appendMoment(out, moment(value.Int64(), unit)), nil
	}
}

func moment(count int64, unit time.Duration) time.Time {
	perSecond := int64(time.Second / unit)
	return time.Unix(count/perSecond, count%perSecond*int64(unit)).UTC()
}

func appendMoment(out []byte, at time.Time) []byte {
	return append(at.AppendFormat(append(out, '"'), time.RFC3339Nano), '"')
}

// int96Value reads the timestamps of old writers: nanoseconds of a day and a Julian day.
func int96Value(out []byte, value parquet.Value) ([]byte, *problem) {
	const unixEpoch = 2_440_588 // as a Julian day
	raw := value.Int96()
	nanoseconds := int64(raw[0]) | int64(raw[1])<<32
	return appendMoment(out, time.Unix((int64(raw[2])-unixEpoch)*24*60*60, nanoseconds).UTC()), nil
}
