package document

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// reader is the visitor that reads one mapping. A field that is absent or null keeps its value, which is its default.
type reader struct {
	source  *source
	path    string
	line    int
	entries []entry
	known   []string        // keys that were asked for
	needed  []string        // keys that are required
	broken  map[string]bool // keys with a problem
}

var _ visitor = (*reader)(nil)

func newReader(source *source, path string, line int, mapping *yaml.Node) *reader {
	return &reader{source: source, path: path, line: line, entries: source.entries(mapping, path, 0), broken: map[string]bool{}}
}

// find returns the value of a key, and remembers its line.
func (r *reader) find(key string) (*yaml.Node, bool) {
	if !slices.Contains(r.known, key) {
		r.known = append(r.known, key)
	}
	for _, entry := range r.entries {
		if entry.key != key {
			continue
		}
		r.source.lines[join(r.path, key)] = entry.line
		node := r.source.follow(entry.value)
		return node, !isNull(node)
	}
	return nil, false
}

// end reports keys that nobody asked for.
func (r *reader) end() {
	for _, entry := range r.entries {
		if !slices.Contains(r.known, entry.key) {
			r.source.problemAt(entry.line, join(r.path, entry.key), "unknown field; allowed: %s", oneOf(entry.key, r.known))
		}
	}
}

func (r *reader) problem(key, format string, values ...any) {
	r.broken[key] = true
	if key == "" {
		r.source.problemAt(r.line, r.path, format, values...)
		return
	}
	path := join(r.path, key)
	if _, found := r.source.lines[path]; !found {
		r.source.problemAt(r.line, path, format, values...)
		return
	}
	r.source.problem(path, format, values...)
}

func (r *reader) sound(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return r.broken[key] })
}

func (r *reader) required(keys ...string) {
	r.needed = keys
	for _, key := range keys {
		if _, found := r.find(key); !found {
			r.problem(key, "is missing")
		}
	}
}

func (r *reader) optional(key string, _ bool) bool {
	_, found := r.find(key)
	return found
}

// scalar finds a value that is neither a list nor a mapping; wanted is what messages call it.
func (r *reader) scalar(key, wanted string) (*yaml.Node, bool) {
	node, found := r.find(key)
	if found && node.Kind != yaml.ScalarNode {
		r.problem(key, "%s; allowed: %s", shown(node), wanted)
		return nil, false
	}
	return node, found
}

func (r *reader) text(key string, value *string, check check) {
	node, found := r.scalar(key, "text")
	if !found {
		return
	}
	if node.Tag != "!!str" {
		r.problem(key, "%s is not text; allowed: text, here in quotes: %s", shown(node), quoted(node.Value))
		return
	}
	*value = node.Value
	if allowed := check(*value); allowed != "" {
		r.problem(key, "%s; allowed: %s", shown(node), allowed)
	}
}

func (r *reader) choice(key string, value *string, allowed []string) {
	r.text(key, value, func(text string) string { return oneOf(text, allowed) })
}

func (r *reader) texts(key string, value *[]string, check check) {
	node, found := r.find(key)
	if !found {
		return
	}
	if !r.isList(key, node, "texts") {
		return
	}
	for index := range node.Content {
		var text string
		r.item(key, index, node, func(item *reader, key string) { item.text(key, &text, check) })
		*value = append(*value, text)
	}
}

// isList checks the kind and the length of a value; what is required has at least one entry.
func (r *reader) isList(key string, node *yaml.Node, of string) bool {
	least := 0
	if slices.Contains(r.needed, key) {
		least = 1
	}
	if node.Kind == yaml.SequenceNode && len(node.Content) >= least && len(node.Content) <= maxList {
		return true
	}
	r.problem(key, "%s; allowed: a list of %d to %d %s", shown(node), least, maxList, of)
	return false
}

// item visits one entry of a list as if it were a field named "KEY[INDEX]".
func (r *reader) item(key string, index int, list *yaml.Node, visit func(item *reader, key string)) {
	name := indexed(key, index)
	node := list.Content[index]
	single := reader{source: r.source, path: r.path, line: node.Line, broken: r.broken, entries: []entry{{name, node.Line, node}}}
	if isNull(r.source.follow(node)) {
		r.source.problemAt(node.Line, join(r.path, name), "empty; allowed: a value")
		r.broken[name] = true
	}
	visit(&single, name)
	r.broken[key] = r.broken[key] || r.broken[name]
}

func (r *reader) textMap(key string, value *map[string]string, keyCheck, check check) {
	node, found := r.find(key)
	if !found {
		return
	}
	if node.Kind != yaml.MappingNode || len(node.Content) > 2*maxList {
		r.problem(key, "%s; allowed: a mapping of at most %d texts", shown(node), maxList)
		return
	}
	nested := newReader(r.source, join(r.path, key), r.source.lines[join(r.path, key)], node)
	for _, entry := range nested.entries {
		text := ""
		if allowed := keyCheck(entry.key); allowed != "" {
			r.source.problemAt(entry.line, nested.path, "key %s; allowed: %s", quoted(entry.key), allowed)
			continue
		}
		if isNull(r.source.follow(entry.value)) {
			r.source.problemAt(entry.line, join(nested.path, entry.key), "empty; allowed: text")
			continue
		}
		nested.text(entry.key, &text, check)
		if *value == nil {
			*value = map[string]string{}
		}
		(*value)[entry.key] = text
	}
}

// number finds a plain number.
func (r *reader) number(key, wanted string, tags ...string) (*yaml.Node, bool) {
	node, found := r.scalar(key, wanted)
	if found && !slices.Contains(tags, node.Tag) {
		r.problem(key, "%s; allowed: %s", shown(node), wanted)
		return nil, false
	}
	return node, found
}

func (r *reader) whole(key string, value *int, least, most int) {
	wanted := fmt.Sprintf("a whole number from %d to %d", least, most)
	node, found := r.number(key, wanted, "!!int")
	if !found {
		return
	}
	var number int
	if err := node.Decode(&number); err != nil || number < least || number > most {
		r.problem(key, "%s; allowed: %s", node.Value, wanted)
		return
	}
	*value = number
}

func (r *reader) flag(key string, value *bool) {
	const wanted = "true or false"
	node, found := r.scalar(key, wanted)
	if !found {
		return
	}
	if node.Tag != "!!bool" || node.Decode(value) != nil {
		r.problem(key, "%s; allowed: %s", shown(node), wanted)
	}
}

func (r *reader) decimal(key string, value *float64, most float64) {
	wanted := fmt.Sprintf("a number above 0, at most %g", most)
	node, found := r.number(key, wanted, "!!int", "!!float")
	if !found {
		return
	}
	var number float64
	if err := node.Decode(&number); err != nil || math.IsNaN(number) || number <= 0 || number > most {
		r.problem(key, "%s; allowed: %s", node.Value, wanted)
		return
	}
	*value = number
}

func (r *reader) duration(key string, value *time.Duration, least, most time.Duration) {
	wanted := fmt.Sprintf("a duration from %s to %s", notation.FormatDuration(least), notation.FormatDuration(most))
	node, found := r.scalar(key, wanted)
	if !found {
		return
	}
	duration, err := notation.ParseDuration(node.Value)
	switch {
	case err != nil:
		r.problem(key, "%v", err)
	case duration < least || duration > most:
		r.problem(key, "%s; allowed: %s", node.Value, wanted)
	default:
		*value = duration
	}
}

func (r *reader) quantity(key string, value *int64, least, most int64) {
	wanted := fmt.Sprintf("bytes from %s to %s", notation.FormatQuantity(least), notation.FormatQuantity(most))
	node, found := r.scalar(key, wanted)
	if !found {
		return
	}
	bytes, err := notation.ParseQuantity(node.Value)
	switch {
	case err != nil:
		r.problem(key, "%v", err)
	case bytes < least || bytes > most:
		r.problem(key, "%s; allowed: %s", node.Value, wanted)
	default:
		*value = bytes
	}
}

func (r *reader) date(key string, value *time.Time) {
	const wanted = "a day like 2026-11-20"
	node, found := r.scalar(key, wanted)
	if !found {
		return
	}
	day, err := time.Parse(time.DateOnly, node.Value)
	if err != nil || day.IsZero() {
		r.problem(key, "%s; allowed: %s", shown(node), wanted)
		return
	}
	*value = day
}

func (r *reader) dates(key string, value *[]time.Time) {
	node, found := r.find(key)
	if !found || !r.isList(key, node, "days") {
		return
	}
	for index := range node.Content {
		var day time.Time
		r.item(key, index, node, func(item *reader, key string) { item.date(key, &day) })
		*value = append(*value, day)
	}
}

func (r *reader) amount(key string, micros *int64) {
	const wanted = `a decimal from 0 to 1000000000 with at most six decimals, like "0.10"`
	node, found := r.scalar(key, wanted)
	if !found {
		return
	}
	money, err := orchestrator.ParseMoney(node.Value, "")
	if err != nil || money.Micros < 0 || money.Micros > 1e15 || strings.TrimSpace(node.Value) != node.Value {
		r.problem(key, "%s; allowed: %s", shown(node), wanted)
		return
	}
	*micros = money.Micros
}

func (r *reader) object(key string, fields func(visitor)) {
	node, found := r.find(key)
	if !found {
		return
	}
	if node.Kind != yaml.MappingNode {
		r.problem(key, "%s; allowed: a mapping", shown(node))
		return
	}
	path := join(r.path, key)
	nested := newReader(r.source, path, r.source.lines[path], node)
	fields(nested)
	nested.end()
}

func (r *reader) list(key string, _ int, item func(index int, item visitor)) {
	node, found := r.find(key)
	if !found {
		return
	}
	if !r.isList(key, node, "mappings") {
		return
	}
	count := 0
	for index := range node.Content {
		r.item(key, index, node, func(single *reader, name string) {
			single.object(name, func(f visitor) {
				item(count, f)
				count++
			})
		})
	}
}
