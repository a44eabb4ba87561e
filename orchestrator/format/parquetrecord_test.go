package format

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"nightshift.dev/nightshift/orchestrator"
)

// reading is what a range gave, as lines or as records.
type reading struct {
	rows   []readRow
	chunks []int         // rows of each
	schema *arrow.Schema // of the last record, nil where there was none
}

// readAs reads a range and keeps its chunks until the end, so that memory of one that is used for another is seen.
func readAs(source memorySource, part orchestrator.Range, most int, options Options, records bool) (read reading, err error) {
	rows, err := OpenRows(context.Background(), source, source.object(orchestrator.FormatParquet), part, options)
	if err != nil {
		return read, err
	}
	defer rows.Close()
	if records {
		rows.AsRecords()
	}
	var chunks []*Chunk
	for err == nil {
		var chunk *Chunk
		if chunk, err = rows.Next(most); err == nil {
			chunks = append(chunks, chunk)
		}
	}
	for _, chunk := range chunks {
		if problem := read.add(chunk); problem != nil {
			return read, problem
		}
		chunk.Release()
	}
	if err == io.EOF {
		err = nil
	}
	return read, err
}

// add keeps the rows of a chunk. The line of a row in a record is its JSON as the Arrow library writes it.
func (r *reading) add(chunk *Chunk) error {
	var lines []json.RawMessage
	if chunk.Record != nil {
		r.schema = chunk.Record.Schema()
		text, err := chunk.Record.MarshalJSON()
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &lines); err != nil {
			return err
		}
		if len(lines) == 0 {
			return errors.New("a record without rows")
		}
	}
	r.chunks = append(r.chunks, len(chunk.Rows))
	for _, row := range chunk.Rows {
		one := readRow{Line: string(row.Line), Offset: row.Offset, Key: string(row.Key)}
		switch {
		case row.Error != nil:
			one.Code = fmt.Sprintf("%+v", *row.Error)
		case chunk.Record != nil:
			if len(lines) == 0 || row.Line != nil {
				return fmt.Errorf("row %d has line %q; the record has %d rows left", row.Offset, row.Line, len(lines))
			}
			one.Line, lines = string(lines[0]), lines[1:]
		}
		r.rows = append(r.rows, one)
	}
	if len(lines) > 0 {
		return fmt.Errorf("the record has %d rows too many", len(lines))
	}
	return nil
}

// sameJSON compares lines as JSON, and numbers in them as numbers.
var sameJSON = cmp.FilterPath(func(path cmp.Path) bool { return path.Last().String() == ".Line" }, cmp.Transformer("JSON", func(line string) any {
	if line == "" {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	var members map[string]any
	if err := decoder.Decode(&members); err != nil {
		return "no JSON: " + line
	}
	for name, value := range members {
		if number, ok := value.(json.Number); ok {
			exact, _ := new(big.Rat).SetString(string(number))
			members[name] = exact.RatString()
		}
	}
	return members
}))

func TestParquetRecordTypes(t *testing.T) {
	t.Parallel()
	var fields, want []arrow.Field
	for _, kinds := range [][2]arrow.DataType{
		{arrow.FixedWidthTypes.Boolean, arrow.FixedWidthTypes.Boolean},
		{arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int32}, {arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32},
		{arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int32}, {arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int64},
		{arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint32}, {arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32},
		{arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint32}, {arrow.PrimitiveTypes.Uint64, arrow.PrimitiveTypes.Uint64},
		{arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float32}, {arrow.PrimitiveTypes.Float64, arrow.PrimitiveTypes.Float64},
		{arrow.BinaryTypes.String, arrow.BinaryTypes.String},
	} {
		name := "column, \"" + kinds[0].String() + "\""
		fields = append(fields, arrow.Field{Name: name, Type: kinds[0], Nullable: len(fields)%2 == 0})
		want = append(want, arrow.Field{Name: name, Type: kinds[1], Nullable: true})
	}
	source := arrowFile(t, fields, func(b *array.RecordBuilder) {
		for i, least := range []string{"true", "-128", "-32768", "-2147483648", "-9223372036854775808", "255", "65535", "4294967295",
			"18446744073709551615", "0.1", "1e300", `ü "x"`} {
			if err := b.Field(i).AppendValueFromString(least); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				b.Field(i).AppendNull()
			} else if err := b.Field(i).AppendValueFromString("0"); err != nil {
				t.Fatal(err)
			}
		}
	})
	options := Options{Key: want[4].Name}
	records := wantSame(t, source, orchestrator.Range{End: 2}, 10, options)
	if !records.schema.Equal(arrow.NewSchema(want, nil)) {
		t.Errorf("schema is %s", records.schema)
	}
	if row := records.rows[0]; row.Key != "-9223372036854775808" || !strings.Contains(row.Line, "18446744073709551615") {
		t.Errorf("the first row is %+v", row)
	}
}

// wantSame reads a range as lines and as records, compares, and gives the records.
func wantSame(t fataler, source memorySource, part orchestrator.Range, most int, options Options) reading {
	t.Helper()
	lines, err := readAs(source, part, most, options, false)
	if err != nil {
		t.Fatalf("as lines: %v", err)
	}
	records, err := readAs(source, part, most, options, true)
	if err != nil {
		t.Fatalf("as records: %v", err)
	}
	if diff := cmp.Diff(lines.rows, records.rows, sameJSON); diff != "" {
		t.Fatalf("rows (-lines +records):\n%s", diff)
	}
	if diff := cmp.Diff(lines.chunks, records.chunks); diff != "" {
		t.Fatalf("rows of chunks (-lines +records):\n%s", diff)
	}
	return records
}

// What JSON cannot say is null in a record, too.
func TestParquetRecordWithoutNumbersThatJSONLacks(t *testing.T) {
	t.Parallel()
	fields := []arrow.Field{{Name: "f32", Type: arrow.PrimitiveTypes.Float32}, {Name: "f64", Type: arrow.PrimitiveTypes.Float64}}
	source := arrowFile(t, fields, func(b *array.RecordBuilder) {
		for _, number := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)} {
			b.Field(0).(*array.Float32Builder).Append(float32(number))
			b.Field(1).(*array.Float64Builder).Append(number)
		}
	})
	wantSame(t, source, orchestrator.Range{End: 4}, 10, Options{Key: "f64"})
}

// One column that JSON writes in another form, or none, and the whole object goes as lines.
func TestParquetWithoutRecords(t *testing.T) {
	t.Parallel()
	text := arrow.BinaryTypes.String
	for name, kind := range map[string]arrow.DataType{
		"struct": arrow.StructOf(arrow.Field{Name: "x", Type: text}), "list": arrow.ListOf(text), "map": arrow.MapOf(text, text),
		"half": arrow.FixedWidthTypes.Float16, "bytes": arrow.BinaryTypes.Binary, "fixed bytes": &arrow.FixedSizeBinaryType{ByteWidth: 2},
		"day": arrow.FixedWidthTypes.Date32, "time": arrow.FixedWidthTypes.Time32ms, "timestamp": arrow.FixedWidthTypes.Timestamp_us,
		"decimal": &arrow.Decimal128Type{Precision: 5, Scale: 2}, "null": arrow.Null,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := arrowFile(t, []arrow.Field{{Name: "id", Type: text}, {Name: "v", Type: kind, Nullable: true}}, func(b *array.RecordBuilder) {
				b.Field(0).(*array.StringBuilder).Append("a")
				b.Field(1).AppendNull()
			})
			wantLines(t, source)
		})
	}
	for name, node := range map[string]parquet.Node{
		"json": parquet.Optional(parquet.JSON()), "uuid": parquet.Optional(parquet.UUID()), "repeated": parquet.Repeated(parquet.String()),
		"int96": parquet.Optional(parquet.Leaf(parquet.Int96Type)), "repeated number": parquet.Repeated(parquet.Int(32)),
		"small decimal": parquet.Optional(parquet.Decimal(2, 5, parquet.Int32Type)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantLines(t, oneRow(t, node, parquet.NullValue(), 0))
		})
	}
	t.Run("one name twice", func(t *testing.T) {
		t.Parallel()
		fields := []arrow.Field{{Name: "id", Type: text}, {Name: "id", Type: text}}
		wantLines(t, arrowFile(t, fields, func(b *array.RecordBuilder) {
			b.Field(0).(*array.StringBuilder).Append("a")
			b.Field(1).(*array.StringBuilder).Append("b")
		}))
	})
}

func wantLines(t *testing.T, source memorySource) {
	t.Helper()
	if read := wantSame(t, source, orchestrator.Range{End: 1}, 10, Options{}); read.schema != nil || !strings.HasPrefix(read.rows[0].Line, "{") {
		t.Errorf("got a record with %s, rows %+v; want lines", read.schema, read.rows)
	}
}

// oneRow writes a file of two columns by schema: id, a whole number, and v.
func oneRow(t *testing.T, node parquet.Node, value parquet.Value, definition int) memorySource {
	t.Helper()
	var out bytes.Buffer
	writer := parquet.NewWriter(&out, parquet.NewSchema("row", parquet.Group{"id": parquet.Int(64), "v": node}))
	_, err := writer.WriteRows([]parquet.Row{{parquet.Int64Value(7).Level(0, 0, 0), value.Level(0, definition, 1)}})
	if err := errors.Join(err, writer.Close()); err != nil {
		t.Fatal(err)
	}
	return memorySource{out.Bytes(), 0}
}

func TestParquetRecordOfOddColumns(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]memorySource{
		"enum":                           oneRow(t, parquet.Enum(), parquet.ByteArrayValue([]byte("RED")), 0),
		"no enum":                        oneRow(t, parquet.Optional(parquet.Enum()), parquet.NullValue(), 0),
		"8 bits that hold more":          oneRow(t, parquet.Int(8), parquet.Int32Value(300), 0),
		"8 bits without sign, with more": oneRow(t, parquet.Uint(8), parquet.Int32Value(-1), 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if read := wantSame(t, source, orchestrator.Range{End: 1}, 10, Options{Key: "v"}); read.schema == nil {
				t.Errorf("got lines %+v, want a record", read.rows)
			}
		})
	}
}

// Rows with errors are not in the record, and a chunk of nothing else has none.
func TestParquetRecordWithoutBadRows(t *testing.T) {
	t.Parallel()
	texts := []string{"good", "\xff", strings.Repeat("x", 89), strings.Repeat("x", 88), "a\xffb", "\xc3"}
	source := arrowFile(t, []arrow.Field{{Name: "t", Type: arrow.BinaryTypes.String}, {Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, func(b *array.RecordBuilder) {
		b.Field(0).(*array.StringBuilder).AppendValues(texts, nil)
		b.Field(1).AppendNulls(len(texts))
	})
	read, err := readAs(source, orchestrator.Range{End: 6}, 2, Options{MaxRowBytes: 96}, true)
	if err != nil {
		t.Fatal(err)
	}
	bad := func(offset int64, code, message string) readRow {
		text := fmt.Sprintf("%+v", orchestrator.RowError{Object: testURI, Offset: offset, Code: code, Message: message})
		return readRow{Offset: offset, Code: text}
	}
	want := []readRow{
		{Line: `{"t":"good","n":null}`},
		bad(1, CodeInvalidUTF8, `column "t": byte 0 of the text is no UTF-8`),
		bad(2, CodeRowTooLong, rowTooLong(testURI, 2, 96).Error.Message),
		{Line: `{"t":"` + texts[3] + `","n":null}`, Offset: 3},
		bad(4, CodeInvalidUTF8, `column "t": byte 1 of the text is no UTF-8`),
		bad(5, CodeInvalidUTF8, `column "t": byte 0 of the text is no UTF-8`),
	}
	if diff := cmp.Diff(want, read.rows, sameJSON); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// A chunk ends early at 16 MiB of rows.
func TestParquetRecordChunksAreBounded(t *testing.T) {
	t.Parallel()
	const rowBytes = 5 << 20
	source := arrowFile(t, []arrow.Field{{Name: "t", Type: arrow.BinaryTypes.String}}, func(b *array.RecordBuilder) {
		for range 6 {
			b.Field(0).(*array.StringBuilder).Append(strings.Repeat("x", rowBytes))
		}
	})
	from := source.object(orchestrator.FormatParquet)
	rows, err := OpenRows(t.Context(), source, from, orchestrator.Range{End: 6}, Options{MaxRowBytes: rowBytes})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	rows.AsRecords()
	for _, want := range []int64{4, 2} {
		chunk, err := rows.Next(100)
		if err != nil {
			t.Fatal(err)
		}
		if len(chunk.Rows) != int(want) || chunk.Record.NumRows() != want {
			t.Errorf("a chunk of %d rows has a record of %d; want %d", len(chunk.Rows), chunk.Record.NumRows(), want)
		}
		chunk.Release()
	}
}
