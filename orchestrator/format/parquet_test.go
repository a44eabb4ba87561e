package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// arrowFile writes a parquet file with another library than the one that reads it.
func arrowFile(t testing.TB, fields []arrow.Field, fill func(*array.RecordBuilder)) memorySource {
	t.Helper()
	schema := arrow.NewSchema(fields, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	fill(builder)
	record := builder.NewRecordBatch()
	defer record.Release()
	source, err := writeRecords(schema, record)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func readParquet(t testing.TB, source memorySource, options Options) []readRow {
	t.Helper()
	return readRange(t, source, source.object(orchestrator.FormatParquet), 0, lastBorder(t, source), 10, options)
}

func lastBorder(t testing.TB, source memorySource) int64 {
	t.Helper()
	borders, err := RowGroups(t.Context(), source, source.object(orchestrator.FormatParquet))
	if err != nil {
		t.Fatal(err)
	}
	return borders[len(borders)-1]
}

func TestParquetTypes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 7, 8, 9, 123_456_000, time.UTC)
	fields := []arrow.Field{
		{Name: "flag", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "i8", Type: arrow.PrimitiveTypes.Int8},
		{Name: "u32", Type: arrow.PrimitiveTypes.Uint32},
		{Name: "u64", Type: arrow.PrimitiveTypes.Uint64},
		{Name: "i64", Type: arrow.PrimitiveTypes.Int64},
		{Name: "half", Type: arrow.FixedWidthTypes.Float16},
		{Name: "f32", Type: arrow.PrimitiveTypes.Float32},
		{Name: "f64", Type: arrow.PrimitiveTypes.Float64},
		{Name: "text, \"quoted\"", Type: arrow.BinaryTypes.String},
		{Name: "raw", Type: arrow.BinaryTypes.Binary},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32},
		{Name: "hour", Type: arrow.FixedWidthTypes.Time64us},
		{Name: "utc", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
		{Name: "local", Type: &arrow.TimestampType{Unit: arrow.Nanosecond}},
		{Name: "money", Type: &arrow.Decimal128Type{Precision: 20, Scale: 3}},
		{Name: "nothing", Type: arrow.Null, Nullable: true},
	}
	source := arrowFile(t, fields, func(b *array.RecordBuilder) {
		b.Field(0).(*array.BooleanBuilder).AppendValues([]bool{true, false}, []bool{true, false})
		b.Field(1).(*array.Int8Builder).AppendValues([]int8{-128, 127}, nil)
		b.Field(2).(*array.Uint32Builder).AppendValues([]uint32{math.MaxUint32, 0}, nil)
		b.Field(3).(*array.Uint64Builder).AppendValues([]uint64{math.MaxUint64, 0}, nil)
		b.Field(4).(*array.Int64Builder).AppendValues([]int64{math.MinInt64, math.MaxInt64}, nil)
		b.Field(5).(*array.Float16Builder).AppendValues([]float16.Num{float16.New(-1.5), float16.FromBits(1)}, nil)
		b.Field(6).(*array.Float32Builder).AppendValues([]float32{0.1, float32(math.Inf(1))}, nil)
		b.Field(7).(*array.Float64Builder).AppendValues([]float64{1e300, math.NaN()}, nil)
		b.Field(8).(*array.StringBuilder).AppendValues([]string{"ü \"x\"\n", ""}, nil)
		b.Field(9).(*array.BinaryBuilder).AppendValues([][]byte{{0, 255}, {}}, nil)
		b.Field(10).(*array.Date32Builder).AppendValues([]arrow.Date32{arrow.Date32FromTime(at), -1}, nil)
		b.Field(11).(*array.Time64Builder).AppendValues([]arrow.Time64{1_000_001, 0}, nil)
		b.Field(12).(*array.TimestampBuilder).AppendValues([]arrow.Timestamp{arrow.Timestamp(at.UnixMicro()), -1}, nil)
		b.Field(13).(*array.TimestampBuilder).AppendValues([]arrow.Timestamp{arrow.Timestamp(at.UnixNano()), 0}, nil)
		b.Field(14).(*array.Decimal128Builder).AppendValues([]decimal128.Num{decimal128.FromI64(-5), decimal128.FromBigInt(big.NewInt(1234567890123))}, nil)
		b.Field(15).AppendNulls(2)
	})
	want := []readRow{
		{Line: `{"flag":true,"i8":-128,"u32":4294967295,"u64":18446744073709551615,"i64":-9223372036854775808,"half":-1.5,"f32":0.1,"f64":1e+300,` +
			`"text, \"quoted\"":"ü \"x\"\n","raw":"AP8=","day":"2026-11-22","hour":"00:00:01.000001","utc":"2026-11-22T07:08:09.123456Z",` +
			`"local":"2026-11-22T07:08:09.123456Z","money":"-0.005","nothing":null}`, Key: "-9223372036854775808"},
		{Line: `{"flag":null,"i8":127,"u32":0,"u64":0,"i64":9223372036854775807,"half":5.9604645e-08,"f32":null,"f64":null,` +
			`"text, \"quoted\"":"","raw":"","day":"1969-12-31","hour":"00:00:00","utc":"1969-12-31T23:59:59.999999Z",` +
			`"local":"1970-01-01T00:00:00Z","money":"1234567890.123","nothing":null}`, Offset: 1, Key: "9223372036854775807"},
	}
	if diff := cmp.Diff(want, readParquet(t, source, Options{Key: "i64"})); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestParquetNesting(t *testing.T) {
	t.Parallel()
	point := arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int32, Nullable: true}, arrow.Field{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true})
	fields := []arrow.Field{
		{Name: "points", Type: arrow.ListOf(point), Nullable: true},
		{Name: "matrix", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float64)), Nullable: true},
		{Name: "by_name", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), Nullable: true},
		{Name: "by_number", Type: arrow.MapOf(arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String), Nullable: true},
	}
	rows := []string{
		`{"points":[{"x":1,"tags":["a","b"]},null,{"x":null,"tags":[]},{"x":4,"tags":null}],"matrix":[[1,2],[],null,[3.5]],"by_name":{"k":1,"l":null},"by_number":[{"key":7,"value":"s"}]}`,
		`{"points":[],"matrix":null,"by_name":{},"by_number":[]}`,
		`{"points":null,"matrix":[],"by_name":null,"by_number":null}`,
		`{"points":[{"x":5,"tags":[null]}],"matrix":[[]],"by_name":{"m":2},"by_number":[{"key":1,"value":null},{"key":2,"value":"t"}]}`,
	}
	source := arrowFile(t, fields, func(b *array.RecordBuilder) {
		for _, row := range rows {
			// The arrow library wants maps as lists of pairs.
			var value map[string]any
			if err := json.Unmarshal([]byte(row), &value); err != nil {
				t.Fatal(err)
			}
			if byName, ok := value["by_name"].(map[string]any); ok {
				pairs := []any{}
				for _, key := range []string{"k", "l", "m"} {
					if one, ok := byName[key]; ok {
						pairs = append(pairs, map[string]any{"key": key, "value": one})
					}
				}
				value["by_name"] = pairs
			}
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.UnmarshalJSON(text); err != nil {
				t.Fatal(err)
			}
		}
	})
	var want []readRow
	for i, row := range rows {
		want = append(want, readRow{Line: row, Offset: int64(i)})
	}
	if diff := cmp.Diff(want, readParquet(t, source, Options{})); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

type transaction struct {
	ID      int64    `parquet:"id"`
	Amount  float64  `parquet:"amount"`
	Country string   `parquet:"country,dict"`
	Text    string   `parquet:"text"`
	Flags   []string `parquet:"flags"`
	Note    *string  `parquet:"note,optional"`
}

// transactions writes rows in row groups of the given size.
func transactions(t testing.TB, rows, perGroup int) memorySource {
	t.Helper()
	var out bytes.Buffer
	writer := parquet.NewGenericWriter[transaction](&out, parquet.MaxRowsPerRowGroup(int64(perGroup)), parquet.PageBufferSize(4<<10))
	for i := range rows {
		one := transaction{ID: int64(i), Amount: float64(i) / 4, Country: []string{"DE", "FR"}[i%2], Text: fmt.Sprintf("%032d", i)}
		for flag := range i % 3 {
			one.Flags = append(one.Flags, fmt.Sprint("f", flag))
		}
		if i%5 == 0 {
			one.Note = &one.Text
		}
		if _, err := writer.Write([]transaction{one}); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return memorySource{out.Bytes(), 0}
}

func TestParquetAnyCutsGiveTheSameRows(t *testing.T) {
	t.Parallel()
	source := transactions(t, 1000, 300)
	from := source.object(orchestrator.FormatParquet)
	borders, err := RowGroups(t.Context(), source, from)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{0, 300, 600, 900, 1000}, borders); diff != "" {
		t.Fatalf("row groups (-want +got):\n%s", diff)
	}
	whole := readRange(t, source, from, 0, 1000, 100, Options{Key: "id"})
	for i, row := range whole {
		var one struct {
			ID   int64
			Text string
		}
		if err := json.Unmarshal([]byte(row.Line), &one); err != nil || one.ID != int64(i) || row.Offset != int64(i) || row.Key != fmt.Sprint(i) || one.Text != fmt.Sprintf("%032d", i) {
			t.Fatalf("row %d is %+v, %v", i, row, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		cuts := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(borders), rapid.Int64Range(0, 1000)), 0, 6).Draw(t, "cuts")
		cuts = append(cuts, 0, 1000)
		var got []readRow
		for _, part := range ranges(cuts) {
			rows, err := tryRange(source, from, part[0], part[1], 77, Options{Key: "id"})
			if err != nil {
				t.Fatalf("range %v: %v", part, err)
			}
			got = append(got, rows...)
		}
		if diff := cmp.Diff(whole, got); diff != "" {
			t.Fatalf("cuts %v (-whole +cut):\n%s", cuts, diff)
		}
	})
}

func TestParquetProblems(t *testing.T) {
	t.Parallel()
	source := transactions(t, 10, 5)
	from := source.object(orchestrator.FormatParquet)
	cases := []struct {
		name    string
		source  memorySource
		end     int64
		options Options
		code    string
	}{
		{"unknown key", source, 10, Options{Key: "ID "}, CodeUnknownColumn},
		{"range after the end", source, 11, Options{}, CodeBadRange},
		{"empty", memorySource{}, 0, Options{}, CodeCorruptInput},
		{"text", memorySource{[]byte("{\"id\":1}\n{\"id\":2}\n"), 0}, 1, Options{}, CodeCorruptInput},
		{"cut off", memorySource{source.data[:len(source.data)-20], 0}, 1, Options{}, CodeCorruptInput},
		{"footer longer than the object", memorySource{[]byte("PAR1\xff\xff\xff\x7fPAR1"), 0}, 1, Options{}, CodeCorruptInput},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := tryRange(test.source, test.source.object(orchestrator.FormatParquet), 0, test.end, 5, test.options)
			wantError(t, err, test.code)
		})
	}
	whole := readRange(t, source, from, 0, 10, 5, Options{})
	for i, row := range readRange(t, source, from, 0, 10, 5, Options{MaxRowBytes: 110}) {
		if (row.Code == CodeRowTooLong) != (len(whole[i].Line) > 110) {
			t.Errorf("with a limit of 110 bytes, a row of %d bytes became %+v", len(whole[i].Line), row)
		}
	}
}

func wantError(t testing.TB, err error, code string) {
	t.Helper()
	var problem *Error
	if !errors.As(err, &problem) || problem.Code != code {
		t.Errorf("got error %v, want code %s", err, code)
	}
}

// Whatever bytes are damaged: rows or an error, never a panic and never more rows than there are.
func TestDamagedParquet(t *testing.T) {
	t.Parallel()
	source := transactions(t, 200, 70)
	rapid.Check(t, func(t *rapid.T) {
		damaged := memorySource{bytes.Clone(source.data), 0}
		for range rapid.IntRange(1, 4).Draw(t, "damages") {
			at := rapid.IntRange(0, len(damaged.data)-1).Draw(t, "at")
			damaged.data[at] = rapid.Byte().Draw(t, "byte")
		}
		rows, err := tryRange(damaged, damaged.object(orchestrator.FormatParquet), 0, 200, 50, Options{Key: "id"})
		if err == nil && len(rows) != 200 {
			t.Fatalf("%d rows without an error", len(rows))
		}
		var problem *Error
		if err != nil && !errors.As(err, &problem) {
			t.Fatalf("error without a code: %v", err)
		}
	})
}

func BenchmarkParquet(b *testing.B) {
	const rows = 100_000
	source := transactions(b, rows, 50_000)
	from := source.object(orchestrator.FormatParquet)
	var bytesOut int64
	for b.Loop() {
		reader, err := OpenRows(b.Context(), source, from, orchestrator.Range{End: rows}, Options{Key: "id"})
		if err != nil {
			b.Fatal(err)
		}
		bytesOut = 0
		for chunk, err := reader.Next(512); err == nil; chunk, err = reader.Next(512) {
			for _, row := range chunk.Rows {
				bytesOut += int64(len(row.Line))
			}
			chunk.Release()
		}
		reader.Close()
	}
	b.ReportMetric(float64(bytesOut)/rows, "jsonbytes/row")
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
