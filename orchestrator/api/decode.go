package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// MaxRequestBytes bounds a request; it is what a NATS server takes by default.
const MaxRequestBytes = 1 << 20

// maxDepth bounds how deep a request may be nested.
const maxDepth = 32

// Request is any request. Validate returns everything that is wrong with its values.
type Request interface {
	Validate() []Problem
}

// Decode reads a request strictly: unknown fields, fields that stand twice, and values of the wrong kind are problems, and so is whatever
// Validate finds. All of them come back in one error. An empty text is an empty request.
func Decode[T Request](data []byte) (T, *Error) {
	var request T
	if len(data) > MaxRequestBytes {
		return request, &Error{Code: CodeTooLarge, Message: fmt.Sprintf("the request has %d bytes; allowed: at most %d", len(data), MaxRequestBytes)}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}")
	}
	value, problems, err := parse(data)
	if err != nil {
		return request, invalid([]Problem{{Message: err.Error()}})
	}
	found := shape(value, request)
	problems = append(problems, found.problems...)
	if err := json.Unmarshal(data, &request); err != nil && len(problems) == 0 {
		return request, invalid([]Problem{{Message: "not a request: " + err.Error()}})
	}
	for _, problem := range request.Validate() {
		if !found.concerns(problem.Field) {
			problems = append(problems, problem)
		}
	}
	if len(problems) > 0 {
		return request, invalid(problems)
	}
	return request, nil
}

// object is a JSON object with its fields in order.
type object []member

type member struct {
	name  string
	value any // nil, bool, string, json.Number, []any or object
}

// parse reads one JSON value and reports fields that stand twice.
func parse(data []byte) (value any, problems []Problem, err error) {
	p := parser{decoder: json.NewDecoder(bytes.NewReader(data))}
	p.decoder.UseNumber()
	if value, err = p.value("", 0); err != nil {
		return nil, nil, notJSON(err)
	}
	if _, err := p.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("not JSON: there is more after the end of the request")
	}
	return value, p.problems, nil
}

func notJSON(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON: byte %d: %w", syntax.Offset, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("not JSON: it ends too early")
	}
	return fmt.Errorf("not JSON: %w", err)
}

type parser struct {
	decoder  *json.Decoder
	problems []Problem
}

func (p *parser) value(path string, depth int) (any, error) {
	token, err := p.decoder.Token()
	if err != nil {
		return nil, err
	}
	delim, nested := token.(json.Delim)
	switch {
	case !nested:
		if number, ok := token.(json.Number); ok && losesDigits(number) {
			p.problems = append(p.problems, Problem{path, number.String() + " has more digits than a number of JSON keeps; allowed: text"})
		}
		return token, nil
	case depth == maxDepth:
		return nil, fmt.Errorf("%s is nested deeper than %d levels", path, maxDepth)
	case delim == '[':
		list := []any{}
		for p.decoder.More() {
			element, err := p.value(indexed(path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, element)
		}
		_, err = p.decoder.Token()
		return list, err
	}
	return p.object(path, depth)
}

// losesDigits says whether a whole number is not the same as a float64, which is what many programs read it as.
func losesDigits(number json.Number) bool {
	const exact = 1 << 53
	if strings.ContainsAny(number.String(), ".eE") {
		return false
	}
	whole, err := strconv.ParseInt(number.String(), 10, 64)
	return err != nil || whole > exact || whole < -exact
}

func (p *parser) object(path string, depth int) (any, error) {
	members := object{}
	seen := map[string]bool{}
	for p.decoder.More() {
		token, err := p.decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // the decoder lets nothing else pass
		field := join(path, name)
		if seen[name] {
			p.problems = append(p.problems, Problem{field, "written twice; allowed: once"})
		}
		seen[name] = true
		value, err := p.value(field, depth+1)
		if err != nil {
			return nil, err
		}
		members = append(members, member{name, value})
	}
	_, err := p.decoder.Token()
	return members, err
}
