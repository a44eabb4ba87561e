package document

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxExpanded bounds how many values a file may have through its aliases, in addition to those that are written out.
const maxExpanded = 100_000

// maxDepth bounds how deep parameters and merges may be nested.
const maxDepth = 32

// entry is one key of a mapping and its value.
type entry struct {
	key   string
	line  int
	value *yaml.Node
}

var null = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

// follow returns what an alias stands for, and any other value as it is. Once the file's budget is used up it returns null.
func (s *source) follow(node *yaml.Node) *yaml.Node {
	if *s.budget--; *s.budget < 0 {
		return null
	}
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// entries returns the keys of a mapping in order, then those that merges ("<<") add. Keys are text, whatever YAML takes them for.
func (s *source) entries(mapping *yaml.Node, path string, depth int) []entry {
	var entries []entry
	var merges []*yaml.Node
	lines := map[string]int{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := s.follow(mapping.Content[i]), mapping.Content[i+1]
		line := mapping.Content[i].Line
		switch first, twice := lines[key.Value]; {
		case *s.budget < 0:
			return entries
		case key.Kind != yaml.ScalarNode:
			s.problemAt(line, path, "a key is %s; allowed: text", shown(key))
		case key.Tag == "!!merge":
			merges = append(merges, value)
		case twice:
			s.problemAt(line, join(path, key.Value), "written twice, first in line %d; allowed: once", first)
		default:
			lines[key.Value] = line
			entries = append(entries, entry{key.Value, line, value})
		}
	}
	for _, merge := range merges {
		for _, added := range s.merged(merge, path, depth+1) {
			if _, found := lines[added.key]; !found {
				lines[added.key] = added.line
				entries = append(entries, added)
			}
		}
	}
	return entries
}

// merged returns the entries of a mapping, or of a list of mappings, that is merged into another one.
func (s *source) merged(node *yaml.Node, path string, depth int) []entry {
	target := s.follow(node)
	if depth > maxDepth {
		s.problemAt(node.Line, path, "merges are nested deeper than %d levels", maxDepth)
		return nil
	}
	switch target.Kind {
	case yaml.MappingNode:
		return s.entries(target, path, depth)
	case yaml.SequenceNode:
		var entries []entry
		for _, item := range target.Content {
			entries = append(entries, s.merged(item, path, depth+1)...)
		}
		return entries
	}
	s.problemAt(node.Line, path, "%s is merged; allowed: a mapping or a list of mappings", shown(target))
	return nil
}

var simpleKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}(\[\d+\])?$`)

// join is the path of a field within a mapping.
func join(path, key string) string {
	const most = 200 // of a path that still helps
	if len(path) > most {
		return path
	}
	if !simpleKey.MatchString(key) {
		return path + "[" + quoted(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// quoted is the text in quotes, shortened where it is long.
func quoted(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "..."
	}
	return strconv.Quote(text)
}

// shown is how messages show a value.
func shown(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a mapping"
	case node.Kind == yaml.SequenceNode:
		return "a list of " + strconv.Itoa(len(node.Content))
	case isNull(node):
		return "null"
	case node.Tag == "!!str" || strings.ContainsAny(node.Value, "\r\n") || len(node.Value) > 60:
		return quoted(node.Value)
	}
	return node.Value
}
