package format

import (
	"bytes"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// nodeKind says which JSON a node of a parquet schema becomes.
type nodeKind int

const (
	leafNode  nodeKind = iota
	groupNode          // object
	listNode           // array: the group with one repeated member that stands for a list
	mapNode            // object, or array of pairs when keys are no text
)

// node is a column or group of a parquet schema, prepared for writing JSON.
type node struct {
	prefix     []byte // "name":
	kind       nodeKind
	optional   bool
	repeated   bool // without a list around it: an array all the same
	definition int  // level from which the node is there
	repetition int  // level at which its next element begins, when repeated
	first      int  // its first leaf column
	leaves     int
	value      appendValue // leaves only
	text       bool        // leaf of text
	members    []*node
}

// newTree prepares a schema. Leaf columns are numbered in the order of the file.
func newTree(root *parquet.Column, elements []format.SchemaElement) *node {
	builder := treeBuilder{elements: elements}
	return builder.node(root)
}

type treeBuilder struct {
	elements []format.SchemaElement // depth first, as in the file
	leaf     int
}

func (b *treeBuilder) node(from *parquet.Column) *node {
	element := &b.elements[0]
	b.elements = b.elements[1:]
	built := &node{
		prefix: append(appendAnyText(nil, from.Name()), ':'), kind: groupNode, optional: from.Optional(), repeated: from.Repeated(),
		definition: from.MaxDefinitionLevel(), repetition: from.MaxRepetitionLevel(), first: b.leaf,
	}
	if from.Leaf() {
		b.leaf++
		built.kind, built.leaves, built.value = leafNode, 1, valueOf(from.Type(), element)
		_, built.text = logicalOf(from.Type()).(*format.StringType)
		return built
	}
	for _, member := range from.Columns() {
		built.members = append(built.members, b.node(member))
	}
	built.leaves = b.leaf - built.first
	if len(built.members) != 1 || !built.members[0].repeated {
		return built
	}
	inner := built.members[0]
	switch logicalOf(from.Type()).(type) {
	case *format.ListType:
		built.kind = listNode
		// The usual list has a repeated group around its element; old writers repeat the element itself.
		if inner.kind == groupNode && len(inner.members) == 1 && !bytes.Equal(inner.prefix, []byte(`"array":`)) {
			inner.kind = listNode
		}
	case *format.MapType:
		if inner.kind == groupNode && len(inner.members) == 2 {
			built.kind = mapNode
		}
	}
	return built
}

func logicalOf(of parquet.Type) format.LogicalTypeValue {
	if logical := of.LogicalType(); logical != nil {
		return logical.Value
	}
	return nil
}

// assembler writes rows as JSON. For each leaf column it keeps the values that belong to what is being written.
type assembler struct {
	windows [][]parquet.Value
	bad     *problem // the first value that cannot be written
}

// row writes one row and says where the value of a top-level column lies.
func (a *assembler) row(out []byte, root *node, row parquet.Row, key int) (object []byte, keyStart, keyEnd int) {
	a.bad = nil
	a.windows = slices.Grow(a.windows[:0], root.leaves)[:root.leaves]
	clear(a.windows)
	for begin := 0; begin < len(row); {
		end := begin + 1
		for end < len(row) && row[end].Column() == row[begin].Column() {
			end++
		}
		a.windows[row[begin].Column()] = row[begin:end]
		begin = end
	}
	out = append(out, '{')
	for i, member := range root.members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, member.prefix...)
		begin := len(out)
		out = a.node(out, member)
		if i == key {
			keyStart, keyEnd = begin, len(out)
		}
	}
	return append(out, '}'), keyStart, keyEnd
}

// present says whether a node has a value in its window.
func (a *assembler) present(n *node) bool {
	window := a.windows[n.first]
	return len(window) > 0 && window[0].DefinitionLevel() >= n.definition
}

func (a *assembler) node(out []byte, n *node) []byte {
	if n.repeated {
		return a.elements(out, n, '[', ']', a.single)
	}
	return a.single(out, n)
}

// single writes a node without regard to its repetition.
func (a *assembler) single(out []byte, n *node) []byte {
	if n.optional && !a.present(n) {
		return append(out, "null"...)
	}
	switch n.kind {
	case leafNode:
		return a.leaf(out, n)
	case listNode:
		return a.elements(out, n.members[0], '[', ']', a.listElement)
	case mapNode:
		if key := n.members[0].members[0]; key.text && !key.optional {
			return a.elements(out, n.members[0], '{', '}', a.mapEntry)
		}
		return a.elements(out, n.members[0], '[', ']', a.single)
	}
	out = append(out, '{')
	for i, member := range n.members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, member.prefix...)
		out = a.node(out, member)
	}
	return append(out, '}')
}

// listElement writes an element of a list without the group that repeats it.
func (a *assembler) listElement(out []byte, n *node) []byte {
	if n.kind == listNode {
		return a.node(out, n.members[0])
	}
	return a.single(out, n)
}

func (a *assembler) mapEntry(out []byte, n *node) []byte {
	out = a.node(out, n.members[0])
	return a.node(append(out, ':'), n.members[1])
}

func (a *assembler) leaf(out []byte, n *node) []byte {
	window := a.windows[n.first]
	if len(window) == 0 || window[0].IsNull() {
		return append(out, "null"...)
	}
	written, bad := n.value(out, window[0])
	if bad != nil {
		if a.bad == nil {
			a.bad = n.problem(bad)
		}
		return append(out, "null"...)
	}
	return written
}

// problem says in which column a value is bad.
func (n *node) problem(bad *problem) *problem {
	return &problem{bad.code, "column " + string(n.prefix[:len(n.prefix)-1]) + ": " + bad.message}
}

// elements writes a repeated node: its values are parted where an element begins.
func (a *assembler) elements(out []byte, n *node, open, shut byte, write func([]byte, *node) []byte) []byte {
	out = append(out, open)
	if !a.present(n) {
		return append(out, shut)
	}
	mine := a.windows[n.first : n.first+n.leaves]
	rest := slices.Clone(mine)
	for element := 0; len(rest[0]) > 0; element++ {
		for i, window := range rest {
			end := 1
			for end < len(window) && window[end].RepetitionLevel() > n.repetition {
				end++
			}
			mine[i], rest[i] = window[:end], window[end:]
		}
		if element > 0 {
			out = append(out, ',')
		}
		out = write(out, n)
	}
	return append(out, shut)
}
