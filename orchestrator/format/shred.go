package format

import (
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/tidwall/gjson"
)

// orderedGroup is a group whose columns keep their order; the library would sort them by name.
type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

func (g orderedGroup) Fields() []parquet.Field { return g.fields }

// schema is the parquet schema of a shape: every column is optional.
func (s *shape) schema() *parquet.Schema { return parquet.NewSchema("row", s.group()) }

func (s *shape) group() parquet.Node {
	group := parquet.Group{}
	for _, one := range s.members {
		group[one.name] = parquet.Optional(one.shape.node())
	}
	fields := group.Fields()
	order := make(map[string]int, len(s.members))
	for i, one := range s.members {
		order[one.name] = i
	}
	slices.SortFunc(fields, func(a, b parquet.Field) int { return order[a.Name()] - order[b.Name()] })
	return orderedGroup{group, fields}
}

func (s *shape) node() parquet.Node {
	if s.empty() {
		return parquet.Leaf(parquet.NullType)
	}
	switch s.kind {
	case boolShape:
		return parquet.Leaf(parquet.BooleanType)
	case intShape:
		return parquet.Leaf(parquet.Int64Type)
	case floatShape:
		return parquet.Leaf(parquet.DoubleType)
	case listShape:
		return parquet.List(parquet.Optional(s.element.node()))
	case groupShape:
		return s.group()
	}
	return parquet.String()
}

// leaves is how many leaf columns the shape has.
func (s *shape) leaves() int {
	switch {
	case s.kind == listShape:
		return s.element.leaves()
	case s.empty() || s.kind != groupShape:
		return 1
	}
	count := 0
	for _, one := range s.members {
		count += one.shape.leaves()
	}
	return count
}

// shredder takes JSON objects apart into the columns of a shape.
type shredder struct {
	shape   *shape
	columns [][]parquet.Value // of one row
}

func newShredder(of *shape) *shredder {
	count := 0
	for _, one := range of.members {
		count += one.shape.leaves()
	}
	return &shredder{shape: of, columns: make([][]parquet.Value, count)}
}

// row appends the values of one line. They refer to the line.
func (s *shredder) row(into parquet.Row, line string) parquet.Row {
	for i := range s.columns {
		s.columns[i] = s.columns[i][:0]
	}
	s.group(s.shape, gjson.Parse(line), 0, 0, 0, 0)
	return parquet.AppendRow(into, s.columns...)
}

// group shreds the members of an object, or nulls for all of them when there is none. repetition is the level at which a new
// value begins here, depth the number of lists around, definition the level that is reached without the member itself.
func (s *shredder) group(of *shape, object gjson.Result, first, repetition, depth, definition int) {
	values := make([]gjson.Result, len(of.members))
	next := 0
	if object.Type == gjson.JSON {
		object.ForEach(func(name, value gjson.Result) bool {
			if at := of.member(name.Str, next); at >= 0 {
				values[at], next = value, at+1
			}
			return true
		})
	}
	for i, one := range of.members {
		s.optional(one.shape, values[i], first, repetition, depth, definition)
		first += one.shape.leaves()
	}
}

// optional shreds a value that may be null.
func (s *shredder) optional(of *shape, value gjson.Result, first, repetition, depth, definition int) {
	if value.Type == gjson.Null || of.empty() {
		s.null(of, first, repetition, definition)
		return
	}
	definition++
	switch of.kind {
	case groupShape:
		s.group(of, value, first, repetition, depth, definition)
	case listShape:
		s.list(of, value, first, repetition, depth+1, definition)
	default:
		s.columns[first] = append(s.columns[first], leafValue(of.kind, value).Level(repetition, definition, first))
	}
}

// list shreds an array: its first element begins where the array does, the others at the level of this list.
func (s *shredder) list(of *shape, array gjson.Result, first, repetition, depth, definition int) {
	none := true
	array.ForEach(func(_, element gjson.Result) bool {
		s.optional(of.element, element, first, repetition, depth, definition+1)
		repetition, none = depth, false
		return true
	})
	if none {
		s.null(of.element, first, repetition, definition)
	}
}

// null marks every leaf below as absent from the given level on.
func (s *shredder) null(of *shape, first, repetition, definition int) {
	for leaf := range of.leaves() {
		s.columns[first+leaf] = append(s.columns[first+leaf], parquet.Value{}.Level(repetition, definition, first+leaf))
	}
}

func leafValue(kind shapeKind, value gjson.Result) parquet.Value {
	switch kind {
	case boolShape:
		return parquet.BooleanValue(value.Type == gjson.True)
	case intShape:
		number, _ := strconv.ParseInt(value.Raw, 10, 64) // the shape covers the value
		return parquet.Int64Value(number)
	case floatShape:
		number, _ := strconv.ParseFloat(value.Raw, 64) // too large becomes infinite
		return parquet.DoubleValue(number)
	}
	return parquet.ByteArrayValue([]byte(strings.ToValidUTF8(value.Str, "\ufffd"))) // escapes can spell half a surrogate pair
}
