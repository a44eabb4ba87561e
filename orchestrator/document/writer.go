package document

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// Encode writes the set as YAML that Decode reads back, with every default written out.
func (s Set) Encode() ([]byte, error) {
	var buffer bytes.Buffer
	encoder := yaml.NewEncoder(&buffer)
	encoder.SetIndent(2)
	for _, model := range s.Models {
		if err := encode(encoder, "Model", model.Metadata, func(f visitor) { modelFields(f, &model.Spec) }); err != nil {
			return nil, err
		}
	}
	for _, pool := range s.Pools {
		if err := encode(encoder, "Pool", pool.Metadata, func(f visitor) { poolFields(f, &pool.Spec) }); err != nil {
			return nil, err
		}
	}
	for _, queue := range s.Queues {
		if err := encode(encoder, "Queue", queue.Metadata, func(f visitor) { queueFields(f, &queue.Spec) }); err != nil {
			return nil, err
		}
	}
	for _, schedule := range s.Schedules {
		if err := encode(encoder, "Schedule", schedule.Metadata, func(f visitor) { scheduleFields(f, &schedule.Spec) }); err != nil {
			return nil, err
		}
	}
	if len(s.Models)+len(s.Pools)+len(s.Queues)+len(s.Schedules) == 0 {
		return nil, nil
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("encode documents: %w", err)
	}
	return buffer.Bytes(), nil
}

func encode(encoder *yaml.Encoder, kind string, metadata Metadata, spec func(visitor)) error {
	w := newWriter()
	w.add("apiVersion", textNode(APIVersion))
	w.add("kind", textNode(kind))
	w.object("metadata", func(f visitor) { metadataFields(f, &metadata) })
	w.object("spec", spec)
	if err := encoder.Encode(w.mapping); err != nil {
		return fmt.Errorf("encode %s %s: %w", kind, metadata.Name, err)
	}
	return nil
}

// writer is the visitor that writes one mapping. Empty texts, lists and mappings are left out.
type writer struct {
	mapping *yaml.Node
}

var _ visitor = (*writer)(nil)

func newWriter() *writer { return &writer{&yaml.Node{Kind: yaml.MappingNode}} }

func (w *writer) add(key string, value *yaml.Node) {
	w.mapping.Content = append(w.mapping.Content, textNode(key), value)
}

func (w *writer) required(...string)               {}
func (w *writer) optional(_ string, set bool) bool { return set }
func (w *writer) sound(...string) bool             { return false }
func (w *writer) problem(string, string, ...any)   {}

func (w *writer) text(key string, value *string, _ check) {
	if *value != "" {
		w.add(key, textNode(*value))
	}
}

func (w *writer) choice(key string, value *string, _ []string) { w.text(key, value, nil) }

func (w *writer) texts(key string, value *[]string, _ check) {
	if len(*value) == 0 {
		return
	}
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, text := range *value {
		list.Content = append(list.Content, textNode(text))
	}
	w.add(key, list)
}

func (w *writer) dates(key string, value *[]time.Time) {
	if len(*value) == 0 {
		return
	}
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, day := range *value {
		list.Content = append(list.Content, plainNode(day.Format(time.DateOnly)))
	}
	w.add(key, list)
}

func (w *writer) textMap(key string, value *map[string]string, _, _ check) {
	if len(*value) == 0 {
		return
	}
	nested := newWriter()
	for _, name := range slices.Sorted(maps.Keys(*value)) {
		nested.add(name, textNode((*value)[name]))
	}
	w.add(key, nested.mapping)
}

func (w *writer) parameters(key string, value *map[string]any) {
	if len(*value) > 0 {
		w.add(key, parameterNode(*value))
	}
}

func (w *writer) whole(key string, value *int, _, _ int) {
	w.add(key, plainNode(strconv.Itoa(*value)))
}

func (w *writer) flag(key string, value *bool) { w.add(key, plainNode(strconv.FormatBool(*value))) }

func (w *writer) decimal(key string, value *float64, _ float64) {
	w.add(key, plainNode(strconv.FormatFloat(*value, 'g', -1, 64)))
}

func (w *writer) duration(key string, value *time.Duration, _, _ time.Duration) {
	w.add(key, plainNode(notation.FormatDuration(*value)))
}

func (w *writer) quantity(key string, value *int64, _, _ int64) {
	w.add(key, plainNode(notation.FormatQuantity(*value)))
}

func (w *writer) date(key string, value *time.Time) {
	w.add(key, plainNode(value.Format(time.DateOnly)))
}

func (w *writer) amount(key string, micros *int64) {
	w.add(key, textNode(orchestrator.Money{Micros: *micros}.Amount()))
}

func (w *writer) object(key string, fields func(visitor)) {
	nested := newWriter()
	fields(nested)
	if len(nested.mapping.Content) > 0 {
		w.add(key, nested.mapping)
	}
}

func (w *writer) list(key string, length int, item func(index int, item visitor)) {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for index := range length {
		nested := newWriter()
		item(index, nested)
		list.Content = append(list.Content, nested.mapping)
	}
	w.add(key, list)
}

func plainNode(value string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: value} }

var (
	plainText   = regexp.MustCompile(`^[A-Za-z./][A-Za-z0-9._/:-]*$`)
	oldBooleans = regexp.MustCompile(`^(?i:y|n|yes|no|on|off)$`) // to other parsers of YAML
)

// textNode is a text that reads as text again: in quotes unless it is made of harmless characters and nothing but a text to YAML.
func textNode(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if !plainText.MatchString(text) || oldBooleans.MatchString(text) || strings.HasSuffix(text, ":") {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

func parameterNode(value any) *yaml.Node {
	switch value := value.(type) {
	case map[string]any:
		mapping := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			mapping.Content = append(mapping.Content, textNode(key), parameterNode(value[key]))
		}
		return mapping
	case []any:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, entry := range value {
			list.Content = append(list.Content, parameterNode(entry))
		}
		return list
	case string:
		return textNode(value)
	case float64:
		number := strconv.FormatFloat(value, 'g', -1, 64)
		if !strings.ContainsAny(number, ".e") {
			number += ".0" // stays a float
		}
		return plainNode(number)
	}
	return plainNode(fmt.Sprint(orNull(value)))
}

func orNull(value any) any {
	if value == nil {
		return "null"
	}
	return value
}
