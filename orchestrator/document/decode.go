package document

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// The bounds of what Decode reads.
const (
	MaxFileBytes = 1 << 20 // of one file
	MaxDocuments = 10_000  // in all files together
)

// File is the content of one YAML file, which may hold several documents. Name is what messages and Position show.
type File struct {
	Name string
	Data []byte
}

// Decode reads the documents of all files, fills in defaults and checks everything. An error is Problems: everything that is wrong, at
// once. Unknown keys, wrong kinds of values, values out of bounds, names that stand twice and references that lead nowhere are
// problems.
func Decode(files ...File) (Set, error) {
	var d decoder
	for number, file := range files {
		d.file(number, file)
	}
	d.references()
	if err := d.err(); err != nil {
		return Set{}, err
	}
	set := Set{Models: d.models, Pools: d.pools}
	for _, queue := range d.queues {
		set.Queues = append(set.Queues, queue.Queue)
	}
	for _, schedule := range d.schedules {
		set.Schedules = append(set.Schedules, schedule.Schedule)
	}
	slices.SortFunc(set.Models, func(a, b Model) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(set.Pools, func(a, b Pool) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(set.Queues, func(a, b Queue) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(set.Schedules, func(a, b Schedule) int { return cmp.Compare(a.Name, b.Name) })
	return set, nil
}

type decoder struct {
	report
	documents int
	unparsed  bool // a file could not be read whole, so a missing document may stand in it
	declared  []declaration
	models    []Model
	pools     []Pool
	queues    []decodedQueue
	schedules []decodedSchedule
}

// declaration is that a document was found, whatever else is wrong with it.
type declaration struct {
	kind, name string // no kind: it is not known
	source     *source
}

// decodedQueue keeps the lines of a queue's fields for messages about its references.
type decodedQueue struct {
	Queue
	source *source
}

// decodedSchedule does so, too.
type decodedSchedule struct {
	Schedule
	source *source
}

// source is one document while it is read.
type source struct {
	report *report
	budget *int // values that the file may still expand to
	file   int
	name   string // of the file
	line   int
	lines  map[string]int // of each field that was found, by its path
}

// problem adds a problem at the line of the field.
func (s *source) problem(field, format string, values ...any) {
	line, found := s.lines[field]
	if !found {
		line = s.line
	}
	s.problemAt(line, field, format, values...)
}

func (s *source) problemAt(line int, field, format string, values ...any) {
	s.report.add(s.file, Problem{File: s.name, Line: line, Field: field, Message: fmt.Sprintf(format, values...)})
}

func (d *decoder) file(number int, file File) { d.each(number, file, d.document) }

// each gives every document of a file to one that reads it.
func (d *decoder) each(number int, file File, read func(*source, *yaml.Node)) {
	whole := source{report: &d.report, file: number, name: file.Name}
	if len(file.Data) > MaxFileBytes {
		whole.problem("", "the file has %d bytes; allowed: at most %d", len(file.Data), MaxFileBytes)
		d.unparsed = true
		return
	}
	budget := 2*len(file.Data) + maxExpanded // a field has more bytes than it is looked at
	parser := yaml.NewDecoder(bytes.NewReader(file.Data))
	for {
		var node yaml.Node
		switch err := parse(parser, &node); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			line, message := syntaxError(err)
			whole.problemAt(line, "", "not YAML: %s", message)
			d.unparsed = true
			return
		}
		if len(node.Content) == 0 || isNull(node.Content[0]) {
			continue
		}
		if d.documents++; d.documents > MaxDocuments {
			whole.problemAt(node.Line, "", "document %d; allowed: at most %d in all files", d.documents, MaxDocuments)
			d.unparsed = true
			return
		}
		before, more := len(d.problems), d.more
		read(&source{report: &d.report, budget: &budget, file: number, name: file.Name, lines: map[string]int{}}, node.Content[0])
		if budget < 0 {
			d.truncate(before, more) // they follow from what was not read
			whole.problemAt(node.Line, "", "aliases expand to more than %d values, or without end", maxExpanded)
			d.unparsed = true
			return
		}
	}
}

// parse reads one document. The parser panics on a few malformed texts; those are errors here.
func parse(parser *yaml.Decoder, node *yaml.Node) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("%v", problem)
		}
	}()
	return parser.Decode(node)
}

var syntax = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

func syntaxError(err error) (line int, message string) {
	match := syntax.FindStringSubmatch(err.Error())
	if match == nil {
		return 0, err.Error()
	}
	line, _ = strconv.Atoi(match[1]) // absent: 0
	return line, match[2]
}

var kinds = []string{"Model", "Pool", "Queue", "Schedule"}

func (d *decoder) document(source *source, node *yaml.Node) {
	source.line = node.Line
	if node.Kind != yaml.MappingNode {
		source.problem("", "%s is not a document; allowed: a mapping with apiVersion, kind, metadata and spec", shown(node))
		return
	}
	f := newReader(source, "", node.Line, node)
	var version, kind string
	f.required("apiVersion", "kind", "metadata", "spec")
	f.choice("apiVersion", &version, []string{APIVersion})
	f.choice("kind", &kind, kinds)
	var metadata Metadata
	f.object("metadata", func(f visitor) { metadataFields(f, &metadata) })
	position := Position{File: source.name, Line: source.line}
	switch kind {
	case "Model":
		model := Model{Metadata: metadata, Position: position, Spec: defaultModel()}
		f.object("spec", func(f visitor) { modelFields(f, &model.Spec) })
		d.models = append(d.models, model)
	case "Pool":
		pool := Pool{Metadata: metadata, Position: position, Spec: defaultPool()}
		f.object("spec", func(f visitor) { poolFields(f, &pool.Spec) })
		d.pools = append(d.pools, pool)
	case "Queue":
		queue := Queue{Metadata: metadata, Position: position, Spec: defaultQueue()}
		f.object("spec", func(f visitor) { queueFields(f, &queue.Spec) })
		d.queues = append(d.queues, decodedQueue{queue, source})
	case "Schedule":
		schedule := Schedule{Metadata: metadata, Position: position, Spec: defaultSchedule()}
		f.object("spec", func(f visitor) { scheduleFields(f, &schedule.Spec) })
		d.schedules = append(d.schedules, decodedSchedule{schedule, source})
	default:
		f.optional("spec", false) // cannot be looked at
		kind = ""
	}
	f.end()
	d.declared = append(d.declared, declaration{kind, metadata.Name, source})
}
