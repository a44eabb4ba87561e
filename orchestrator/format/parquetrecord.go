package format

import (
	"math"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// otherBytes is what a value that is no text counts for Options.MaxRowBytes where rows are records.
const otherBytes = 8

// recordBuilder gathers rows of a flat schema as Arrow record batches.
type recordBuilder struct {
	columns []recordColumn
	values  []parquet.Value // of the row in hand, one per column
	builder *array.RecordBuilder
	rows    int // since the last record
}

type recordColumn struct {
	*node
	add func(parquet.Value) // takes a value that is not null
}

// newRecordBuilder gives nil where a column is nested or repeated, is of a type that JSON has no equal for, or has a name that
// cannot stand in a record. So only numbers, truth values and text go as a record, and what a class sees of the others is the
// same whether its scorer accepts Arrow or not.
func newRecordBuilder(root *parquet.Column, tree *node) *recordBuilder {
	columns := root.Columns()
	var fields []arrow.Field
	for _, column := range columns {
		kind := recordType(column)
		if kind == nil || !utf8.ValidString(column.Name()) {
			return nil
		}
		fields = append(fields, arrow.Field{Name: column.Name(), Type: kind, Nullable: true})
	}
	all := names(columns)
	slices.Sort(all)
	if len(all) == 0 || len(slices.Compact(all)) < len(columns) {
		return nil
	}
	b := &recordBuilder{values: make([]parquet.Value, len(columns))}
	b.builder = array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for i, member := range tree.members {
		b.columns = append(b.columns, recordColumn{member, adder(b.builder.Field(i))})
	}
	return b
}

// recordType is the Arrow type of a column, or nil. Parquet stores integers of 8 and 16 bits with 32, and a file may hold
// there what its annotation denies; with 32 bits in the record every value fits.
func recordType(column *parquet.Column) arrow.DataType {
	if !column.Leaf() || column.Repeated() {
		return nil
	}
	kind := column.Type().Kind()
	switch logical := logicalOf(column.Type()).(type) {
	case nil:
		return plainTypes[kind]
	case *format.IntType:
		if !logical.IsSigned {
			return unsignedTypes[kind]
		}
		if kind == parquet.Int32 || kind == parquet.Int64 {
			return plainTypes[kind]
		}
	case *format.StringType, *format.EnumType:
		if kind == parquet.ByteArray {
			return arrow.BinaryTypes.String
		}
	}
	return nil
}

var (
	plainTypes = map[parquet.Kind]arrow.DataType{
		parquet.Boolean: arrow.FixedWidthTypes.Boolean, parquet.Int32: arrow.PrimitiveTypes.Int32, parquet.Int64: arrow.PrimitiveTypes.Int64,
		parquet.Float: arrow.PrimitiveTypes.Float32, parquet.Double: arrow.PrimitiveTypes.Float64,
	}
	unsignedTypes = map[parquet.Kind]arrow.DataType{parquet.Int32: arrow.PrimitiveTypes.Uint32, parquet.Int64: arrow.PrimitiveTypes.Uint64}
)

// adder appends values to a column. What JSON numbers cannot say is null here as it is there.
func adder(column array.Builder) func(parquet.Value) {
	switch column := column.(type) {
	case *array.BooleanBuilder:
		return func(value parquet.Value) { column.Append(value.Boolean()) }
	case *array.Int32Builder:
		return func(value parquet.Value) { column.Append(value.Int32()) }
	case *array.Int64Builder:
		return func(value parquet.Value) { column.Append(value.Int64()) }
	case *array.Uint32Builder:
		return func(value parquet.Value) { column.Append(value.Uint32()) }
	case *array.Uint64Builder:
		return func(value parquet.Value) { column.Append(value.Uint64()) }
	case *array.Float32Builder:
		return func(value parquet.Value) {
			if number := value.Float(); finite(float64(number)) {
				column.Append(number)
				return
			}
			column.AppendNull()
		}
	case *array.Float64Builder:
		return func(value parquet.Value) {
			if number := value.Double(); finite(number) {
				column.Append(number)
				return
			}
			column.AppendNull()
		}
	}
	text := column.(*array.StringBuilder)
	return func(value parquet.Value) { text.BinaryBuilder.Append(value.ByteArray()) }
}

func finite(number float64) bool { return !math.IsNaN(number) && !math.IsInf(number, 0) }

// look takes a row in hand and gives its size, or why it is bad. Damaged files may lack values, or have more than one.
func (b *recordBuilder) look(row parquet.Row) (size int, bad *problem) {
	clear(b.values)
	for _, value := range slices.Backward(row) { // the first one of a column counts
		b.values[value.Column()] = value
	}
	for i, value := range b.values {
		if value.Kind() != parquet.ByteArray {
			size += otherBytes
			continue
		}
		text := value.ByteArray()
		size += len(text)
		if !utf8.Valid(text) {
			_, bad := textValue(nil, value)
			return size, b.columns[i].problem(bad)
		}
	}
	return size, nil
}

// add appends the row in hand.
func (b *recordBuilder) add() {
	for i, value := range b.values {
		if value.IsNull() {
			b.builder.Field(i).AppendNull()
			continue
		}
		b.columns[i].add(value)
	}
	b.rows++
}

// appendKey writes the raw JSON of one column of the row in hand, nothing where it is null.
func (b *recordBuilder) appendKey(out []byte, column int) []byte {
	if b.values[column].IsNull() {
		return out
	}
	out, _ = b.columns[column].value(out, b.values[column]) // look has found nothing bad
	return out
}

// build ends a record. It is nil without rows.
func (b *recordBuilder) build() arrow.RecordBatch {
	if b.rows == 0 {
		return nil
	}
	b.rows = 0
	return b.builder.NewRecordBatch()
}
