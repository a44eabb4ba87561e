package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"nightshift.dev/nightshift/orchestrator"
	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// ChangeForm is how a change of a document is written.
const ChangeForm = "price.POOL=2x, price.POOL=1.20, or KIND/NAME.FIELD=VALUE such as pool/spot.replicas.max=4 or queue/fraud.objective.finishWithin=2h"

// With is the set with other documents in the place of those of the same kind and name, and then with changes of single fields in ChangeForm. The result is
// decoded like files are. An error is Problems.
func (s Set) With(files []File, changes []string) (Set, error) {
	changed, err := s.replaced(files)
	if err != nil || len(changes) == 0 {
		return changed, err
	}
	var found report
	texts, err := changed.nodes()
	if err != nil {
		return Set{}, err
	}
	for number, text := range changes {
		if problem := apply(texts, changed, text); problem != "" {
			found.add(number, Problem{File: text, Message: problem})
		}
	}
	if err := found.err(); err != nil {
		return Set{}, err
	}
	return decodeChanged(texts)
}

// replaced is the set with the documents of files.
func (s Set) replaced(files []File) (Set, error) {
	if len(files) == 0 {
		return s, nil
	}
	var d decoder
	for number, file := range files {
		d.file(number, file)
	}
	given := func(kind, name string) bool {
		return slices.ContainsFunc(d.declared, func(one declaration) bool { return one.kind == kind && one.name == name })
	}
	rest := Set{
		Models:    slices.DeleteFunc(slices.Clone(s.Models), func(one Model) bool { return given("Model", one.Name) }),
		Pools:     slices.DeleteFunc(slices.Clone(s.Pools), func(one Pool) bool { return given("Pool", one.Name) }),
		Queues:    slices.DeleteFunc(slices.Clone(s.Queues), func(one Queue) bool { return given("Queue", one.Name) }),
		Schedules: slices.DeleteFunc(slices.Clone(s.Schedules), func(one Schedule) bool { return given("Schedule", one.Name) }),
	}
	text, err := rest.Encode()
	if err != nil {
		return Set{}, err
	}
	return Decode(append(slices.Clone(files), File{Name: "present documents", Data: text})...)
}

// node is one document as a tree.
type node struct {
	kind, name string
	spec       *yaml.Node
	whole      *yaml.Node
}

// nodes are the documents of a set as trees.
func (s Set) nodes() ([]node, error) {
	text, err := s.Encode()
	if err != nil {
		return nil, err
	}
	var list []node
	for parser := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var whole yaml.Node
		if err := parser.Decode(&whole); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the documents again: %w", err)
		}
		top := whole.Content[0]
		metadata, _ := child(top, "metadata")
		kind, _ := child(top, "kind")
		name, _ := child(metadata, "name")
		spec, _ := child(top, "spec")
		list = append(list, node{strings.ToLower(kind.Value), name.Value, spec, &whole})
	}
}

func child(mapping *yaml.Node, key string) (*yaml.Node, bool) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1], true
		}
	}
	return nil, false
}

// apply makes one change, and says what is wrong with it.
func apply(texts []node, set Set, text string) string {
	key, value, found := strings.Cut(text, "=")
	if !found || value == "" {
		return "allowed: " + ChangeForm
	}
	if pool, is := strings.CutPrefix(key, "price."); is {
		amount, problem := set.price(pool, value)
		if problem != "" {
			return problem
		}
		key, value = "pool/"+pool+".price.amount", strconv.Quote(amount)
	}
	kind, rest, found := strings.Cut(key, "/")
	name, field, deep := strings.Cut(rest, ".")
	if !found || !deep || field == "" {
		return "allowed: " + ChangeForm
	}
	var names []string
	for _, one := range texts {
		if one.kind == kind && one.name == name {
			return setField(one.spec, field, value)
		}
		names = append(names, one.kind+"/"+one.name)
	}
	return noDocument(kind+"/"+name, names)
}

func noDocument(wanted string, names []string) string {
	message := "there is no " + wanted
	if meant := notation.Closest(wanted, names); meant != "" {
		return message + "; did you mean " + meant + "?"
	}
	return message + "; allowed: " + strings.Join(names[:min(len(names), 20)], ", ")
}

var factor = regexp.MustCompile(`^(\d+(?:\.\d+)?)x$`)

// price is the new amount of a pool's price, from a factor or an amount.
func (s Set) price(name, value string) (amount, problem string) {
	pool, found := s.Pool(name)
	switch match := factor.FindStringSubmatch(value); {
	case !found:
		var names []string
		for _, one := range s.Pools {
			names = append(names, one.Name)
		}
		return "", noDocument(name, names) + " (a pool)"
	case pool.Spec.Price.Currency == "":
		return "", fmt.Sprintf("Pool %s has no price; allowed: pool/%s.price={amount: \"1.20\", currency: EUR}", name, name)
	case match != nil:
		times, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			return "", fmt.Sprintf("%q; allowed: a factor like 2x, or an amount like 1.20", value)
		}
		return pool.Spec.Price.Times(times).Amount(), ""
	}
	if _, err := orchestrator.ParseMoney(value, ""); err != nil {
		return "", fmt.Sprintf("%q; allowed: a factor like 2x, or an amount like 1.20", value)
	}
	return value, ""
}

var listIndex = regexp.MustCompile(`^(.+)\[(\d+)\]$`)

// setField writes a value, in YAML, below a mapping. Whether there is such a field is for the decoder to say.
func setField(mapping *yaml.Node, field, value string) string {
	var parsed yaml.Node
	if err := parse(yaml.NewDecoder(strings.NewReader(value)), &parsed); err != nil || len(parsed.Content) != 1 {
		return fmt.Sprintf("the value %s is not YAML", quoted(value))
	}
	step, rest, deeper := strings.Cut(field, ".")
	key, index := step, -1
	if match := listIndex.FindStringSubmatch(step); match != nil {
		key = match[1]
		index, _ = strconv.Atoi(match[2]) // digits; too many are no index of a list
	}
	target, found := child(mapping, key)
	if !found {
		target = &yaml.Node{Kind: yaml.MappingNode}
		mapping.Content = append(mapping.Content, textNode(key), target)
	}
	if index >= 0 {
		if target.Kind != yaml.SequenceNode || index >= len(target.Content) {
			return fmt.Sprintf("%s has no entry %d", key, index)
		}
		target = target.Content[index]
	}
	if deeper {
		if target.Kind != yaml.MappingNode {
			return fmt.Sprintf("%s is not a mapping, so it has no %s", step, rest)
		}
		return setField(target, rest, value)
	}
	*target = *parsed.Content[0]
	return ""
}

// decodeChanged decodes the trees. Problems name the document and its field, without a line: nobody has written it.
func decodeChanged(texts []node) (Set, error) {
	files := make([]File, 0, len(texts))
	for _, one := range texts {
		data, err := yaml.Marshal(one.whole)
		if err != nil {
			return Set{}, fmt.Errorf("write the changed documents: %w", err)
		}
		files = append(files, File{Name: one.kind + "/" + one.name, Data: data})
	}
	set, err := Decode(files...)
	var problems Problems
	if errors.As(err, &problems) {
		for i := range problems {
			problems[i].Line, problems[i].Field = 0, strings.TrimPrefix(problems[i].Field, "spec.")
		}
		return Set{}, problems
	}
	return set, err
}
