package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// SetProfile returns the text of a YAML file in which the Model of that name has this profile. Everything else stays as it is, byte for
// byte: other documents, comments, blank lines, the indentation, the line ends. A profile that is there already is replaced, with the
// comments inside of it.
func SetProfile(file []byte, model string, profile Profile) ([]byte, error) {
	edited, err := setProfile(file, model, profile)
	if err != nil {
		return nil, fmt.Errorf("set profile of Model %q: %w", model, err)
	}
	return edited, nil
}

func setProfile(file []byte, model string, profile Profile) ([]byte, error) {
	profile.Measured = profile.Measured.UTC().Truncate(24 * time.Hour)
	before, err := parseAll(file)
	if err != nil {
		return nil, err
	}
	number, spec, err := findModel(before, model)
	if err != nil {
		return nil, err
	}
	if spec.Style&yaml.FlowStyle != 0 {
		return nil, fmt.Errorf("line %d: spec is written in braces; allowed: one field per line", spec.Line)
	}
	block, err := profileBlock(profile, spec.Column-1, indentation(before[number]))
	if err != nil {
		return nil, err
	}
	lines := bytes.SplitAfter(file, []byte("\n"))
	first, end := profileLines(lines, spec)
	edited := splice(lines, first, end, block)
	if err := verify(before, edited, number, profile); err != nil {
		return nil, err
	}
	return edited, nil
}

// parseAll parses every document of a file.
func parseAll(file []byte) ([]*yaml.Node, error) {
	if len(file) > MaxFileBytes {
		return nil, fmt.Errorf("the file has %d bytes; allowed: at most %d", len(file), MaxFileBytes)
	}
	var documents []*yaml.Node
	parser := yaml.NewDecoder(bytes.NewReader(file))
	for {
		node := new(yaml.Node)
		switch err := parse(parser, node); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return nil, fmt.Errorf("not YAML: %w", err)
		}
		documents = append(documents, node)
	}
}

// findModel returns the number of the document that declares the model, and its spec.
func findModel(documents []*yaml.Node, model string) (number int, spec *yaml.Node, err error) {
	number = -1
	for i, document := range documents {
		if len(document.Content) == 0 {
			continue
		}
		root := document.Content[0]
		kind, name := field(root, "kind"), field(field(root, "metadata"), "name")
		if kind == nil || name == nil || kind.Value != "Model" || name.Value != model {
			continue
		}
		if number >= 0 {
			return 0, nil, fmt.Errorf("line %d: it is declared twice", root.Line)
		}
		number, spec = i, field(root, "spec")
		if spec == nil || spec.Kind != yaml.MappingNode || len(spec.Content) == 0 {
			return 0, nil, fmt.Errorf("line %d: spec is no mapping with fields", root.Line)
		}
	}
	if number < 0 {
		return 0, nil, fmt.Errorf("the file does not declare it")
	}
	return number, spec, nil
}

// field is the value of a key of a mapping, or nil. Aliases are not followed: what they stand for is written elsewhere.
func field(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// indentation is by how many columns the document indents, told from its metadata or spec.
func indentation(document *yaml.Node) int {
	root := document.Content[0]
	for _, key := range []string{"spec", "metadata"} {
		if value := field(root, key); value != nil && value.Kind == yaml.MappingNode && value.Column > root.Column {
			return value.Column - root.Column
		}
	}
	return 2
}

// profileBlock is the field as text, one entry per line, each line indented by that many columns.
func profileBlock(profile Profile, column, step int) ([]string, error) {
	w := newWriter()
	w.object("profile", func(f visitor) { profileFields(f, &profile) })
	for _, batch := range field(field(w.mapping, "profile"), "batches").Content {
		batch.Style = yaml.FlowStyle
	}
	var buffer bytes.Buffer
	encoder := yaml.NewEncoder(&buffer)
	encoder.SetIndent(step)
	if err := encoder.Encode(w.mapping); err != nil {
		return nil, fmt.Errorf("encode profile: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("encode profile: %w", err)
	}
	var block []string
	for line := range strings.Lines(buffer.String()) {
		block = append(block, strings.Repeat(" ", column)+strings.TrimSuffix(line, "\n"))
	}
	return block, nil
}

// profileLines are the lines [first, end) that hold the profile now; they are none, after the last field of spec, when there is no profile.
func profileLines(lines [][]byte, spec *yaml.Node) (first, end int) {
	last := spec.Content[len(spec.Content)-2]
	first, found := last.Line-1, false
	for i := 0; i < len(spec.Content); i += 2 {
		if key := spec.Content[i]; key.Value == "profile" {
			first, found = key.Line-1, true
		}
	}
	end = fieldEnd(lines, first, spec.Column-1)
	if !found {
		first = end
	}
	return first, end
}

// fieldEnd is the line after a field. What belongs to a field is indented deeper than its key, or is an entry of a list at the column of
// the key; blank lines at the end, and comments that are not indented deeper, belong to what follows.
func fieldEnd(lines [][]byte, first, column int) int {
	end := first + 1
	for next := end; next < len(lines); next++ {
		text := bytes.TrimLeft(lines[next], " ")
		indent := len(lines[next]) - len(text)
		switch {
		case len(bytes.TrimSpace(text)) == 0, indent <= column && text[0] == '#':
			continue
		case indent > column, indent == column && listEntry.Match(text):
			end = next + 1
		default:
			return end
		}
	}
	return end
}

var listEntry = regexp.MustCompile(`^-\s`)

// keyLine is a line with the key alone; it stays, with its comment.
var keyLine = regexp.MustCompile(`^ *profile:\s*(#.*)?$`)

// splice puts the block in the place of the lines [first, end), with the line ends that the file has.
func splice(lines [][]byte, first, end int, block []string) []byte {
	newline := "\n"
	if bytes.HasSuffix(lines[0], []byte("\r\n")) {
		newline = "\r\n"
	}
	before := bytes.Join(lines[:first], nil)
	if len(before) > 0 && !bytes.HasSuffix(before, []byte("\n")) {
		before = append(before, newline...)
	}
	edited := append([]byte(nil), before...)
	if first < end && keyLine.Match(bytes.TrimSpace(lines[first])) {
		edited = append(edited, lines[first]...)
		block = block[1:]
	}
	for _, line := range block {
		edited = append(edited, line...)
		edited = append(edited, newline...)
	}
	return append(edited, bytes.Join(lines[end:], nil)...)
}

// verify parses the edited text and compares: a layout that profileLines does not know must not lose anything.
func verify(before []*yaml.Node, edited []byte, number int, profile Profile) error {
	unknown := errors.New("its layout is not understood; allowed: spec as a block with one field per line")
	after, err := parseAll(edited)
	if err != nil || len(after) != len(before) {
		return unknown
	}
	var read Profile
	var problems report
	budget := maxExpanded
	document := &source{report: &problems, budget: &budget, lines: map[string]int{}}
	spec := newReader(document, "spec", 0, field(after[number].Content[0], "spec"))
	spec.object("profile", func(f visitor) { profileFields(f, &read) })
	if len(problems.problems) > 0 {
		wrong := problems.problems[0]
		return fmt.Errorf("%s: %s", wrong.Field, wrong.Message)
	}
	if !reflect.DeepEqual(read, profile) {
		return unknown
	}
	for i := range before {
		if content(before[i], i == number) != content(after[i], i == number) {
			return unknown
		}
	}
	return nil
}

// content is all that a node says, without its layout; of a document whose profile may differ, without the profile.
func content(node *yaml.Node, butProfile bool) string {
	var text strings.Builder
	var add func(node *yaml.Node, depth int)
	add = func(node *yaml.Node, depth int) {
		fmt.Fprintf(&text, "%d %q %q (", node.Kind, node.Anchor, node.Value)
		for i, child := range node.Content {
			const spec = 2 // below the document and its root
			if butProfile && depth == spec && node.Kind == yaml.MappingNode && node.Content[i-i%2].Value == "profile" {
				continue
			}
			add(child, depth+1)
		}
		text.WriteString(")")
	}
	add(node, 0)
	return text.String()
}
