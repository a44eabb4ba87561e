package format

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nightshift.dev/nightshift/orchestrator"
)

// writeRecords writes a parquet file with a row group per record.
func writeRecords(schema *arrow.Schema, records ...arrow.RecordBatch) (memorySource, error) {
	var out bytes.Buffer
	writer, err := pqarrow.NewFileWriter(schema, &out, arrowparquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		return memorySource{}, err
	}
	for _, record := range records {
		if err := writer.Write(record); err != nil {
			return memorySource{}, err
		}
	}
	err = writer.Close()
	return memorySource{out.Bytes(), 0}, err
}

const longText = 5000 // bytes; other rows of the property stay far below

var flatTypes = []arrow.DataType{
	arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
	arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
	arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String, arrow.BinaryTypes.String,
}

func drawSchema(t *rapid.T) *arrow.Schema {
	columns := rapid.SliceOfNDistinct(rapid.StringN(1, 10, 20), 1, 5, rapid.ID[string]).Draw(t, "columns")
	fields := make([]arrow.Field, len(columns))
	for i, name := range columns {
		fields[i] = arrow.Field{Name: name, Type: rapid.SampledFrom(flatTypes).Draw(t, "type"), Nullable: rapid.Bool().Draw(t, "nullable")}
	}
	return arrow.NewSchema(fields, nil)
}

func drawRecord(t *rapid.T, schema *arrow.Schema) arrow.RecordBatch {
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for range rapid.IntRange(0, 30).Draw(t, "rows") {
		for i, field := range schema.Fields() {
			if field.Nullable && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
				builder.Field(i).AppendNull()
				continue
			}
			drawValue(t, builder.Field(i))
		}
	}
	return builder.NewRecordBatch()
}

func drawValue(t *rapid.T, column array.Builder) {
	switch column := column.(type) {
	case *array.BooleanBuilder:
		column.Append(rapid.Bool().Draw(t, "bool"))
	case *array.Int8Builder:
		column.Append(rapid.Int8().Draw(t, "int8"))
	case *array.Int16Builder:
		column.Append(rapid.Int16().Draw(t, "int16"))
	case *array.Int32Builder:
		column.Append(rapid.Int32().Draw(t, "int32"))
	case *array.Int64Builder:
		column.Append(rapid.Int64().Draw(t, "int64"))
	case *array.Uint8Builder:
		column.Append(rapid.Uint8().Draw(t, "uint8"))
	case *array.Uint16Builder:
		column.Append(rapid.Uint16().Draw(t, "uint16"))
	case *array.Uint32Builder:
		column.Append(rapid.Uint32().Draw(t, "uint32"))
	case *array.Uint64Builder:
		column.Append(rapid.Uint64().Draw(t, "uint64"))
	case *array.Float32Builder:
		column.Append(rapid.OneOf(rapid.Float32(), rapid.SampledFrom([]float32{0.1, float32(math.NaN())})).Draw(t, "float32"))
	case *array.Float64Builder:
		column.Append(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0.1, math.Inf(-1)})).Draw(t, "float64"))
	case *array.StringBuilder:
		text := rapid.StringN(0, 20, 60).Draw(t, "text")
		switch rapid.IntRange(0, 20).Draw(t, "odd") {
		case 1:
			text += "\xed\xa0\x80"
		case 2:
			text += strings.Repeat("x", 2*longText)
		}
		column.Append(text)
	}
}

// Whatever the rows, their types and the cut: records hold what lines hold, and rows and chunks are the same.
func TestParquetRecordsAreLikeLines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		schema := drawSchema(t)
		var records []arrow.RecordBatch
		rows := int64(0)
		for range rapid.IntRange(1, 3).Draw(t, "row groups") {
			records = append(records, drawRecord(t, schema))
			rows += records[len(records)-1].NumRows()
		}
		source, err := writeRecords(schema, records...)
		if err != nil {
			t.Fatal(err)
		}
		options := Options{MaxRowBytes: longText, Key: rapid.SampledFrom(append([]string{""}, fieldNames(schema)...)).Draw(t, "key")}
		start := rapid.Int64Range(0, rows).Draw(t, "start")
		part := orchestrator.Range{Start: start, End: rapid.Int64Range(start, rows).Draw(t, "end")}
		read := wantSame(t, source, part, rapid.IntRange(1, 40).Draw(t, "most"), options)
		good := slices.ContainsFunc(read.rows, func(row readRow) bool { return row.Code == "" })
		if good && read.schema == nil {
			t.Fatalf("there was no record: %+v", read.rows)
		}
	})
}

func fieldNames(schema *arrow.Schema) (all []string) {
	for _, field := range schema.Fields() {
		all = append(all, field.Name)
	}
	return all
}

// Whatever bytes are damaged: as many rows as with lines, at the same places, and an error where there is one, never a panic. What a damaged text reads as is not
// compared: where its length is wrong, the decoder gives what happens to lie behind the page.
func TestDamagedParquetRecords(t *testing.T) {
	t.Parallel()
	whole := flatFile(t, 40)
	rapid.Check(t, func(t *rapid.T) {
		damaged := memorySource{bytes.Clone(whole.data), 0}
		for range rapid.IntRange(1, 4).Draw(t, "damages") {
			at := rapid.IntRange(0, len(damaged.data)-1).Draw(t, "at")
			damaged.data[at] = rapid.Byte().Draw(t, "byte")
		}
		lines, expected := readAs(damaged, orchestrator.Range{End: 40}, 15, Options{Key: "id"}, false)
		records, err := readAs(damaged, orchestrator.Range{End: 40}, 15, Options{Key: "id"}, true)
		if (expected == nil) != (err == nil) {
			t.Fatalf("lines: %v, records: %v", expected, err)
		}
		if diff := cmp.Diff(offsets(lines.rows), offsets(records.rows)); diff != "" {
			t.Fatalf("offsets (-lines +records):\n%s", diff)
		}
	})
}

func offsets(rows []readRow) (all []int64) {
	for _, row := range rows {
		all = append(all, row.Offset)
	}
	return all
}

// flatFile has rows of a text and six numbers.
func flatFile(t testing.TB, rows int) memorySource {
	t.Helper()
	fields := []arrow.Field{{Name: "id", Type: arrow.BinaryTypes.String}}
	for i := range 6 {
		fields = append(fields, arrow.Field{Name: fmt.Sprint("v", i), Type: arrow.PrimitiveTypes.Float64, Nullable: true})
	}
	return arrowFile(t, fields, func(b *array.RecordBuilder) {
		for row := range rows {
			b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("t-%08d", row))
			for i := range 6 {
				b.Field(i + 1).(*array.Float64Builder).Append(float64((row*7919+i*31)%100_003) / 97)
			}
		}
	})
}

func BenchmarkParquetFlat(b *testing.B) {
	const rows = 100_000
	source := flatFile(b, rows)
	for name, records := range map[string]bool{"lines": false, "records": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				reader, err := OpenRows(b.Context(), source, source.object(orchestrator.FormatParquet), orchestrator.Range{End: rows}, Options{Key: "id"})
				if err != nil {
					b.Fatal(err)
				}
				if records {
					reader.AsRecords()
				}
				for chunk, err := reader.Next(4096); err == nil; chunk, err = reader.Next(4096) {
					chunk.Release()
				}
				reader.Close()
			}
			b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
