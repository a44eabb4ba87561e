package format

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// shapeKind is what the values of a result column are.
type shapeKind int

const (
	unknownShape shapeKind = iota // only null so far, or an empty object
	boolShape
	intShape
	floatShape
	textShape
	listShape
	groupShape
	hugeShape // of no column: an integer that fits neither 64 bits nor a floating-point number
)

func (k shapeKind) String() string {
	return [...]string{"null", "bool", "integer", "number", "string", "array", "object", "integer"}[k]
}

// shape is the type of a result column, learnt from the rows: integers become numbers when a fraction comes, null fits
// everywhere, anything else must stay what it is.
type shape struct {
	kind    shapeKind
	element *shape   // of a list
	members []member // of a group, in the order in which they were seen
}

type member struct {
	name  string
	shape *shape
}

// kindOf tells the kind of a JSON value.
func kindOf(value gjson.Result) shapeKind {
	switch value.Type {
	case gjson.True, gjson.False:
		return boolShape
	case gjson.String:
		return textShape
	case gjson.Number:
		return numberKind(value.Raw)
	case gjson.JSON:
		if value.Raw[0] == '[' {
			return listShape
		}
		return groupShape
	}
	return unknownShape
}

// numberKind tells integers from other numbers by how they are written. An integer of more than 64 bits is a floating-point
// number if that is written the same.
func numberKind(raw string) shapeKind {
	if strings.ContainsAny(raw, ".eE") {
		return floatShape
	}
	if _, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return intShape
	}
	if number, err := strconv.ParseFloat(raw, 64); err == nil && strconv.FormatFloat(number, 'f', -1, 64) == raw {
		return floatShape
	}
	return hugeShape
}

// member finds a member by name. Rows mostly have their columns in one order, so the guess is tried first.
func (s *shape) member(name string, guess int) int {
	if guess < len(s.members) && s.members[guess].name == name {
		return guess
	}
	return slices.IndexFunc(s.members, func(one member) bool { return one.name == name })
}

// covers says whether a value fits without any change of the shape.
func (s *shape) covers(value gjson.Result) bool {
	kind := kindOf(value)
	switch {
	case kind == unknownShape:
		return true
	case kind == intShape && s.kind == floatShape:
		return true
	case kind != s.kind:
		return false
	case kind != listShape && kind != groupShape:
		return true
	}
	fits, next := true, 0
	value.ForEach(func(name, one gjson.Result) bool {
		if kind == listShape {
			fits = s.element.covers(one)
			return fits
		}
		at := s.member(name.Str, next)
		next = at + 1
		fits = at >= 0 && s.members[at].shape.covers(one)
		return fits
	})
	return fits
}

// learn widens the shape so that it covers a value, or says which column cannot be widened. After an error the shape is
// unusable; learn into a clone.
func (s *shape) learn(value gjson.Result, column string) error {
	kind := kindOf(value)
	if kind == hugeShape {
		return fmt.Errorf("column %q has the integer %s, which does not fit 64 bits; write it as a string", column, value.Raw)
	}
	if err := s.widen(kind, column); err != nil {
		return err
	}
	var failed error
	next := 0
	switch kind {
	case listShape:
		value.ForEach(func(_, one gjson.Result) bool {
			failed = s.element.learn(one, column+"[]")
			return failed == nil
		})
	case groupShape:
		value.ForEach(func(name, one gjson.Result) bool {
			at := s.member(name.Str, next)
			if at < 0 {
				at = len(s.members)
				s.members = append(s.members, member{string([]byte(name.Str)), &shape{}})
			}
			next = at + 1
			failed = s.members[at].shape.learn(one, below(column, name.Str))
			return failed == nil
		})
	}
	return failed
}

// below names a member of a column.
func below(column, name string) string {
	if column == "" {
		return name
	}
	return column + "." + name
}

// widen makes room for a kind.
func (s *shape) widen(kind shapeKind, column string) error {
	switch {
	case kind == unknownShape || kind == s.kind || kind == intShape && s.kind == floatShape:
		return nil
	case s.kind == unknownShape || s.kind == intShape && kind == floatShape:
		s.kind = kind
		if kind == listShape {
			s.element = &shape{}
		}
		return nil
	}
	return fmt.Errorf("column %q is of type %s here and of type %s in rows before; a parquet column has one type", column, kind, s.kind)
}

// join widens the shape so that it covers another one.
func (s *shape) join(other *shape, column string) error {
	if err := s.widen(other.kind, column); err != nil {
		return err
	}
	if other.kind == listShape {
		return s.element.join(other.element, column+"[]")
	}
	for _, one := range other.members {
		at := s.member(one.name, 0)
		if at < 0 {
			at = len(s.members)
			s.members = append(s.members, member{one.name, &shape{}})
		}
		if err := s.members[at].shape.join(one.shape, below(column, one.name)); err != nil {
			return err
		}
	}
	return nil
}

func (s *shape) clone() *shape {
	if s == nil {
		return nil
	}
	copied := &shape{kind: s.kind, element: s.element.clone(), members: slices.Clone(s.members)}
	for i := range copied.members {
		copied.members[i].shape = copied.members[i].shape.clone()
	}
	return copied
}

// empty says whether a column has nothing that could be stored: null or objects without members.
func (s *shape) empty() bool {
	return s.kind == unknownShape || s.kind == groupShape && len(s.members) == 0
}
