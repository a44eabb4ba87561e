package scorer

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator/jsonrow"
)

// newRecord makes a record of one column from the JSON array of its values.
func newRecord(t testing.TB, kind arrow.DataType, values string) arrow.RecordBatch {
	t.Helper()
	column, _, err := array.FromJSON(memory.DefaultAllocator, kind, strings.NewReader(values))
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: kind, Nullable: true}}, nil)
	return array.NewRecordBatch(schema, []arrow.Array{column}, int64(column.Len()))
}

// sampleRecord has two rows with a column of most kinds.
func sampleRecord(t testing.TB) arrow.RecordBatch {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "score", Type: arrow.PrimitiveTypes.Float64},
		{Name: "count", Type: arrow.PrimitiveTypes.Int64}, {Name: "ok", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String)},
	}, nil)
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(`[
		{"id":"a\"b","score":0.5,"count":1,"ok":true,"tags":["x","y"]},
		{"id":null,"score":2,"count":-7,"ok":false,"tags":[]}]`))
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func texts(lines [][]byte) []string {
	all := make([]string, len(lines))
	for i, line := range lines {
		all[i] = string(line)
	}
	return all
}

func TestRecordLines(t *testing.T) {
	t.Parallel()
	got, err := recordLines(sampleRecord(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"id":"a\"b","score":0.5,"count":1,"ok":true,"tags":["x","y"]}`,
		`{"id":null,"score":2.0,"count":-7,"ok":false,"tags":[]}`,
	}
	if diff := cmp.Diff(want, texts(got)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	got, err = recordLines(sampleRecord(t), map[int]bool{0: true})
	if err != nil || got[0] != nil || string(got[1]) != want[1] {
		t.Errorf("with row 0 failed: %q, %v", got, err)
	}
}

// Every type is written right, as a whole and cut out of the middle.
func TestArrowTypes(t *testing.T) {
	t.Parallel()
	pair := arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int8, Nullable: true},
		arrow.Field{Name: "y", Type: arrow.BinaryTypes.String, Nullable: true})
	words := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	for _, tc := range []struct {
		kind   arrow.DataType
		values string
		want   []string // the same as values, if nil
	}{
		{arrow.Null, `[null,null,null]`, nil},
		{arrow.FixedWidthTypes.Boolean, `[true,null,false]`, nil},
		{arrow.PrimitiveTypes.Int8, `[-128,null,127]`, nil},
		{arrow.PrimitiveTypes.Int16, `[-32768,0,32767]`, nil},
		{arrow.PrimitiveTypes.Int32, `[-2147483648,null,2147483647]`, nil},
		{arrow.PrimitiveTypes.Int64, `[-9223372036854775808,null,9223372036854775807]`, nil},
		{arrow.PrimitiveTypes.Uint8, `[0,null,255]`, nil},
		{arrow.PrimitiveTypes.Uint16, `[0,1,65535]`, nil},
		{arrow.PrimitiveTypes.Uint32, `[0,null,4294967295]`, nil},
		{arrow.PrimitiveTypes.Uint64, `[0,null,18446744073709551615]`, nil},
		{arrow.PrimitiveTypes.Float32, `[0.1,null,16777216]`, []string{"0.1", "null", "16777216.0"}},
		{arrow.PrimitiveTypes.Float64, `[0.1,null,-2]`, []string{"0.1", "null", "-2.0"}},
		{arrow.BinaryTypes.String, `["a",null,""]`, nil},
		{arrow.BinaryTypes.LargeString, `["a",null,"ü"]`, nil},
		{arrow.FixedWidthTypes.Date32, `["2026-11-22",null,"1969-12-31"]`, nil},
		{arrow.FixedWidthTypes.Timestamp_s, `["2026-11-22T06:00:00Z",null,"1969-12-31T23:59:59Z"]`, nil},
		{
			&arrow.TimestampType{Unit: arrow.Microsecond}, `["2026-11-22 06:00:00.5",null,"2026-11-22 06:00:00"]`,
			[]string{`"2026-11-22T06:00:00.5Z"`, "null", `"2026-11-22T06:00:00Z"`},
		},
		{
			&arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "Europe/Berlin"}, `["2026-07-22T06:00:00.000000001Z",null,"2026-11-22T06:00:00Z"]`,
			[]string{`"2026-07-22T08:00:00.000000001+02:00"`, "null", `"2026-11-22T07:00:00+01:00"`},
		},
		{words, `["red",null,"blue"]`, nil},
		{arrow.ListOf(arrow.PrimitiveTypes.Int64), `[[1,null,2],null,[]]`, []string{"[1,null,2]", "null", "[]"}},
		{arrow.LargeListOf(arrow.PrimitiveTypes.Float32), `[[1.5],[],[2,-0.25]]`, []string{"[1.5]", "[]", "[2.0,-0.25]"}},
		{arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Float64), `[[1,2],null,[3,4]]`, []string{"[1.0,2.0]", "null", "[3.0,4.0]"}},
		{pair, `[{"x":1,"y":"a"},null,{"x":null,"y":"b"}]`, []string{`{"x":1,"y":"a"}`, "null", `{"x":null,"y":"b"}`}},
		{arrow.ListOf(pair), `[[{"x":1,"y":"a"}],[],[{"x":2,"y":"b"},{"x":3,"y":"c"}]]`, []string{
			`[{"x":1,"y":"a"}]`, "[]", `[{"x":2,"y":"b"},{"x":3,"y":"c"}]`,
		}},
		{
			arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int8), `[[{"key":"a","value":1}],null,[]]`,
			[]string{`[{"key":"a","value":1}]`, "null", "[]"},
		},
		{arrow.StructOf(), `[{},null,{}]`, []string{"{}", "null", "{}"}},
	} {
		record := newRecord(t, tc.kind, tc.values)
		want := tc.want
		if want == nil {
			want = strings.Split(strings.Trim(tc.values, "[]"), ",")
		}
		checkColumn(t, record, want)
	}
}

// checkColumn compares the values of a record, as a whole and cut out of the middle.
func checkColumn(t *testing.T, record arrow.RecordBatch, values []string) {
	t.Helper()
	want := make([]string, len(values))
	for i, value := range values {
		want[i] = `{"v":` + value + `}`
	}
	checkLines(t, record, want)
	checkLines(t, record.NewSlice(1, 3), want[1:])
	checkLines(t, record.NewSlice(1, 2), want[1:2])
}

// checkLines writes a record directly, and once more after a journey through an Arrow stream.
func checkLines(t *testing.T, record arrow.RecordBatch, want []string) {
	t.Helper()
	direct, err := recordLines(record, nil)
	if err != nil {
		t.Fatalf("%s: %v", record.Schema(), err)
	}
	if diff := cmp.Diff(want, texts(direct)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", record.Schema(), diff)
	}
	stream, err := recordStream(record)
	if err != nil {
		t.Fatal(err)
	}
	travelled, err := arrowResult(stream, len(want), nil)
	if err != nil {
		t.Fatalf("%s: %v", record.Schema(), err)
	}
	if diff := cmp.Diff(direct, travelled); diff != "" {
		t.Errorf("%s through a stream (-want +got):\n%s", record.Schema(), diff)
	}
}

func TestArrowRefusals(t *testing.T) {
	t.Parallel()
	twice := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.Null}, {Name: "v", Type: arrow.Null}}, nil)
	null := array.NewNull(2)
	decimal := newRecord(t, &arrow.Decimal128Type{Precision: 5, Scale: 2}, `["1.25","2.50"]`)
	for want, record := range map[string]arrow.RecordBatch{
		"column v comes twice": array.NewRecordBatch(twice, []arrow.Array{null, null}, 2),
		"column v: type decimal(5, 2) cannot be written as JSON; use integers, floats, booleans, strings, dates, timestamps, " +
			"dictionaries, lists or structs": decimal,
	} {
		if _, err := recordLines(record, nil); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestArrowResultRefuses(t *testing.T) {
	t.Parallel()
	whole, err := recordStream(sampleRecord(t))
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.TrimSuffix(whole, []byte("\xff\xff\xff\xff\x00\x00\x00\x00"))
	for name, tc := range map[string]struct {
		stream []byte
		want   string
	}{
		"nothing":     {nil, "not an Arrow stream"},
		"other rows":  {newStream(t, newRecord(t, arrow.Null, "[null]")), "the Arrow record batch has 1 rows for 2"},
		"cut off":     {whole[:len(body)-40], "the Arrow stream has no record batch"},
		"two batches": {append(bytes.Clone(body), body[bytes.LastIndex(body, []byte("\xff\xff\xff\xff")):]...), "the Arrow stream must have exactly one record batch"},
	} {
		if _, err := arrowResult(tc.stream, 2, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

// Whatever offsets and values a record batch has, it gives a line per row or an error. The metadata before them are left whole:
// the Arrow library trusts the lengths in there, as of v18.8.0, and can be made to ask for more memory than there is.
func FuzzArrowBody(f *testing.F) {
	stream, err := recordStream(sampleRecord(f))
	if err != nil {
		f.Fatal(err)
	}
	// A stream is a schema, a record batch and an end. Each begins with a marker and the length of its metadata.
	batch := 8 + int(binary.LittleEndian.Uint32(stream[4:]))
	body := batch + 8 + int(binary.LittleEndian.Uint32(stream[batch+4:]))
	f.Add(stream[body : len(stream)-8])
	f.Fuzz(func(t *testing.T, other []byte) {
		changed := bytes.Clone(stream)
		copy(changed[body:len(stream)-8], other)
		lines, err := arrowResult(changed, 2, nil)
		if err == nil && (len(lines) != 2 || !new(jsonrow.Reader).Valid(lines[0]) || !new(jsonrow.Reader).Valid(lines[1])) {
			t.Errorf("lines %q", lines)
		}
	})
}

func newStream(t *testing.T, record arrow.RecordBatch) []byte {
	t.Helper()
	stream, err := recordStream(record)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func TestAppendFloat(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{
		0: "0.0", 1: "1.0", -1.5: "-1.5", 0.1: "0.1", 1e20: "100000000000000000000.0", 1e21: "1e+21", 1e-6: "0.000001",
		1e-7: "1e-07", math.MaxFloat64: "1.7976931348623157e+308", math.SmallestNonzeroFloat64: "5e-324", math.Inf(1): "null", math.Inf(-1): "null",
	} {
		if got := string(appendFloat(nil, value, 64)); got != want {
			t.Errorf("%v: got %s, want %s", value, got, want)
		}
	}
	if got := string(appendFloat(nil, math.NaN(), 64)); got != "null" {
		t.Errorf("NaN: %s", got)
	}
}

// A number reads back as itself and is JSON; a text too, but for bytes that are not UTF-8.
func TestAppendScalarsProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Float64().Draw(t, "number")
		written := appendFloat(nil, number, 64)
		if back, err := strconv.ParseFloat(string(written), 64); err != nil || back != number || !json.Valid(written) {
			t.Errorf("%v was written %s", number, written)
		}
		small := rapid.Float32().Draw(t, "small")
		written = appendFloat(nil, float64(small), 32)
		if back, err := strconv.ParseFloat(string(written), 32); err != nil || float32(back) != small || !json.Valid(written) {
			t.Errorf("%v was written %s", small, written)
		}
		checkString(t, string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
		checkString(t, rapid.String().Draw(t, "text"))
	})
}

type failer interface {
	Helper()
	Errorf(format string, arguments ...any)
}

// checkString compares with encoding/json, which replaces bytes that are not UTF-8 as well.
func checkString(t failer, text string) {
	t.Helper()
	written := appendString(nil, text)
	var back string
	if err := json.Unmarshal(written, &back); err != nil || back != string([]rune(text)) || !utf8.Valid(written) {
		t.Errorf("%q was written %s", text, written)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, text := range []string{"", "plain", "a\"b\\c\n\r\t\x00\x1f\x7f", "ü€😀", "\xff", "\xed\xa0\x80", "a\xc3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkString(t, text) })
}
