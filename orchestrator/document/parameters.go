package document

import (
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parameters reads a mapping of any values that JSON can hold, too.
func (r *reader) parameters(key string, value *map[string]any) {
	node, found := r.find(key)
	if !found {
		return
	}
	if node.Kind != yaml.MappingNode {
		r.problem(key, "%s; allowed: a mapping", shown(node))
		return
	}
	path := join(r.path, key)
	read := r.source.parameter(node, path, r.source.lines[path], 0)
	if mapping, _ := read.(map[string]any); len(mapping) > 0 {
		*value = mapping
	}
}

// parameter is the value of a node: nil, string, bool, int64, float64, []any or map[string]any.
func (s *source) parameter(node *yaml.Node, path string, line, depth int) any {
	if depth > maxDepth {
		s.problemAt(line, path, "nested deeper than %d levels", maxDepth)
		return nil
	}
	switch node.Kind {
	case yaml.MappingNode:
		mapping := map[string]any{}
		for _, entry := range s.entries(node, path, 0) {
			mapping[entry.key] = s.parameter(s.follow(entry.value), join(path, entry.key), entry.line, depth+1)
		}
		return mapping
	case yaml.SequenceNode:
		list := make([]any, 0, len(node.Content))
		for index, child := range node.Content {
			if *s.budget < 0 {
				return nil
			}
			list = append(list, s.parameter(s.follow(child), indexed(path, index), child.Line, depth+1))
		}
		return list
	}
	value, ok := jsonScalar(node)
	if !ok {
		s.problemAt(line, path, "%s is no value of JSON; allowed: text, numbers that a float64 holds exactly, true, false, null, lists and mappings", shown(node))
	}
	return value
}

// exact bounds whole numbers: larger ones lose digits on their way through JSON.
const exact = 1 << 53

func jsonScalar(node *yaml.Node) (value any, ok bool) {
	switch node.Tag {
	case "!!str", "!!timestamp":
		return node.Value, true
	case "!!null":
		return nil, true
	case "!!bool":
		var truth bool
		err := node.Decode(&truth)
		return truth, err == nil
	case "!!int":
		var number int64
		err := node.Decode(&number)
		return number, err == nil && number <= exact && number >= -exact
	case "!!float":
		var number float64
		err := node.Decode(&number)
		whole := strings.Trim(node.Value, "+-_0123456789") == "" // too large for an integer
		return number, err == nil && !whole && !math.IsNaN(number) && !math.IsInf(number, 0)
	}
	return nil, false
}

// indexed is the path of an entry of a list.
func indexed(path string, index int) string { return path + "[" + strconv.Itoa(index) + "]" }
